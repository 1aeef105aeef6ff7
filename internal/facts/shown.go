package facts

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/calendar-invite-server/cis/domain/schema"
)

// secrets caches, per fact type, the stored names of the fields that open doors: those marked secret:"true".
var secrets sync.Map // reflect.Type → []string

func secretsOf(t reflect.Type) []string {
	if list, ok := secrets.Load(t); ok {
		return list.([]string) //nolint:forcetypeassert // only this function stores here
	}
	var list []string
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("secret") == "true" {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			list = append(list, name)
		}
	}
	secrets.Store(t, list)
	return list
}

// Shown is a fact as JSON for whoever reads the log, in every way of reading it: without what opens doors (hashes of keys,
// secrets of webhooks, codes to sign in), which nobody gets from the log, and without what is still sealed.
func Shown(fact schema.Fact) (json.RawMessage, error) {
	data, err := json.Marshal(fact)
	hide := secretsOf(reflect.TypeOf(fact))
	if err != nil || hide == nil && !bytes.Contains(data, []byte(`"`+SealedPrefix)) {
		return data, err
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	for name, v := range fields {
		if s, ok := v.(string); slices.Contains(hide, name) || ok && strings.HasPrefix(s, SealedPrefix) {
			delete(fields, name)
		}
	}
	return json.Marshal(fields)
}
