package facts_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/schema"
)

// sample is a fact with every field set to something, as JSON.
func sample(t *testing.T, f schema.Fact) []byte {
	t.Helper()
	v := reflect.New(reflect.TypeOf(f)).Elem()
	fill(v, "")
	return marshal(t, v.Interface())
}

func fill(v reflect.Value, name string) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.String:
		v.SetString(name)
	case v.Kind() == reflect.Int:
		v.SetInt(1)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, '\n')
}
