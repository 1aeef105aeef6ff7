package facts

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/google/uuid"
)

// SealedPrefix marks a sealed field in the stored JSON.
const SealedPrefix = "sealed:"

// piiField is a field of personal data and the field that says whose.
type piiField struct {
	name  string
	index []int
	whose []int
}

// plans caches, per fact type, which fields are personal.
var plans sync.Map // reflect.Type → []piiField

// plan finds the marked fields of a fact type. It panics on a mark that names no string field: a mistake in a type,
// found by the first test that touches it.
func plan(t reflect.Type) []piiField {
	if p, ok := plans.Load(t); ok {
		return p.([]piiField) //nolint:forcetypeassert // only this function stores here
	}
	var fields []piiField
	for _, f := range reflect.VisibleFields(t) {
		whose, marked := f.Tag.Lookup("pii")
		if !marked {
			continue
		}
		w, ok := t.FieldByName(whose)
		if !ok || w.Type.Kind() != reflect.String || f.Type.Kind() != reflect.String {
			panic(fmt.Sprintf("facts: %s.%s: pii must mark a string and name a string field", t, f.Name))
		}
		fields = append(fields, piiField{name: f.Name, index: f.Index, whose: w.Index})
	}
	plans.Store(t, fields)
	return fields
}

// seal returns a copy of the fact whose personal fields are sealed.
func (l *Log) seal(ctx context.Context, id uuid.UUID, f schema.Fact) (schema.Fact, error) {
	return transform(f, func(p piiField, whose, text string) (string, error) {
		if whose == "" {
			return "", fmt.Errorf("%s is personal, but nobody's", p.name)
		}
		sealed, err := l.vault.Seal(ctx, whose, place(id, p), []byte(clean(text)))
		if errors.Is(err, vault.ErrNoKey) {
			return "", nil // the person was erased: nothing more is kept about them
		}
		if err != nil {
			return "", err
		}
		return SealedPrefix + base64.RawStdEncoding.EncodeToString(sealed), nil
	})
}

// Open returns the fact with its personal data readable; empty where the person was erased.
func (l *Log) Open(ctx context.Context, rec Recorded) (schema.Fact, error) {
	return transform(rec.Fact, func(p piiField, whose, text string) (string, error) {
		raw, sealed := strings.CutPrefix(text, SealedPrefix)
		if !sealed {
			return "", fmt.Errorf("%s@%d: %s is not sealed", rec.Stream, rec.Revision, p.name)
		}
		data, err := base64.RawStdEncoding.DecodeString(raw)
		if err != nil {
			return "", fmt.Errorf("%s@%d: %s: %w", rec.Stream, rec.Revision, p.name, err)
		}
		plain, err := l.vault.Open(ctx, whose, place(rec.ID, p), data)
		if errors.Is(err, vault.ErrNoKey) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("%s@%d: %s: %w", rec.Stream, rec.Revision, p.name, err)
		}
		return clean(string(plain)), nil
	})
}

// place binds sealed text to the record and field it stands in.
func place(id uuid.UUID, p piiField) string { return id.String() + "/" + p.name }

// transform returns a copy of the fact with every personal field that is not empty replaced.
func transform(f schema.Fact, replace func(p piiField, whose, text string) (string, error)) (schema.Fact, error) {
	fields := plan(reflect.TypeOf(f))
	if len(fields) == 0 {
		return f, nil
	}
	v := reflect.New(reflect.TypeOf(f)).Elem()
	v.Set(reflect.ValueOf(f))
	for _, p := range fields {
		field := v.FieldByIndex(p.index)
		if field.String() == "" {
			continue
		}
		text, err := replace(p, v.FieldByIndex(p.whose).String(), field.String())
		if err != nil {
			return nil, err
		}
		field.SetString(text)
	}
	return v.Interface().(schema.Fact), nil //nolint:forcetypeassert // it is a copy of f
}

// Whose lists the ids whose keys are needed to open the facts.
func Whose(recs []Recorded) []string {
	seen := map[string]bool{}
	var ids []string
	for _, rec := range recs {
		v := reflect.ValueOf(rec.Fact)
		for _, p := range plan(v.Type()) {
			if id := v.FieldByIndex(p.whose).String(); !seen[id] && v.FieldByIndex(p.index).String() != "" {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func isNotFound(err error) bool { return errors.Is(err, eventstore.ErrStreamNotFound) }

// Personal is a personal field of a fact, readable.
type Personal struct{ Field, Whose, Text string }

// Personal lists what is personal in a fact; nothing of who was erased.
func (l *Log) Personal(ctx context.Context, rec Recorded) (list []Personal, err error) {
	opened, err := l.Open(ctx, rec)
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(opened)
	for _, p := range plan(v.Type()) {
		if text := v.FieldByIndex(p.index).String(); text != "" {
			list = append(list, Personal{p.name, v.FieldByIndex(p.whose).String(), text})
		}
	}
	return list, nil
}

// Masked returns the fact with what is personal in it left out.
func Masked(f schema.Fact) schema.Fact {
	masked, err := transform(f, func(piiField, string, string) (string, error) { return "(personal)", nil })
	if err != nil {
		return nil // the function above never fails
	}
	return masked
}

// HasPersonal says whether there is anything personal in a fact.
func HasPersonal(f schema.Fact) bool {
	v := reflect.ValueOf(f)
	return slices.ContainsFunc(plan(v.Type()), func(p piiField) bool { return v.FieldByIndex(p.index).String() != "" })
}

// Rewritten returns the fact with every personal text, once readable, replaced.
func (l *Log) Rewritten(ctx context.Context, rec Recorded, replace func(text string) string) (schema.Fact, error) {
	opened, err := l.Open(ctx, rec)
	if err != nil {
		return nil, err
	}
	return transform(opened, func(_ piiField, _, text string) (string, error) { return replace(text), nil })
}
