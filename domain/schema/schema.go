// Package schema ties facts to the names they are stored under. Names and versions are chosen by hand and never
// change: a fact written today must be readable when the Go type behind it has long been renamed.
//
// A new optional field keeps the version; its zero value means "not said". A changed meaning gets a new name
// (RsvpReceived.v2) and an upcaster from the old raw JSON to the new.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Fact is an immutable record of something that happened. FactName is the stored name.
type Fact interface {
	FactName() string
}

// ErrUnknownName says that a stored name is not in the registry: this program is older than the log, or the log was
// written by something else. A reader must stop, not skip.
var ErrUnknownName = errors.New("unknown fact name")

// Upcaster turns the JSON of an old version into that of the next.
type Upcaster struct {
	From, To string
	Upcast   func(json.RawMessage) (json.RawMessage, error)
}

// Registry knows how to read stored facts.
type Registry struct {
	types     map[string]reflect.Type
	upcasters map[string]Upcaster
	unmarshal func([]byte, any) error // nil: json.Unmarshal
}

// New makes a registry of the given facts (their zero values). It panics when a name is used twice: that is a mistake
// in the table, found by the first test that runs.
func New(facts ...Fact) Registry {
	r := Registry{types: map[string]reflect.Type{}, upcasters: map[string]Upcaster{}}
	for _, f := range facts {
		if _, twice := r.types[f.FactName()]; twice {
			panic("schema: the name " + f.FactName() + " is used twice")
		}
		r.types[f.FactName()] = reflect.TypeOf(f)
	}
	return r
}

// Upcasting returns the registry with upcasters for old names.
func (r Registry) Upcasting(ups ...Upcaster) Registry {
	out := Registry{types: r.types, upcasters: map[string]Upcaster{}}
	for _, u := range append(ups, values(r.upcasters)...) {
		out.upcasters[u.From] = u
	}
	return out
}

// ReadWith returns the registry with a faster reader of JSON that understands the same as json.Unmarshal.
func (r Registry) ReadWith(unmarshal func([]byte, any) error) Registry {
	r.unmarshal = unmarshal
	return r
}

// Join returns one registry of several.
func Join(all ...Registry) Registry {
	out := New()
	for _, r := range all {
		for name, typ := range r.types {
			if _, twice := out.types[name]; twice {
				panic("schema: the name " + name + " is used twice")
			}
			out.types[name] = typ
		}
		for name, u := range r.upcasters {
			out.upcasters[name] = u
		}
	}
	return out
}

// Names lists the stored names that can be read as they are.
func (r Registry) Names() []string {
	names := make([]string, 0, len(r.types))
	for name := range r.types {
		names = append(names, name)
	}
	return names
}

// Current is the name under which facts of a stored name are read today, after upcasting; not known if they cannot be.
func (r Registry) Current(name string) (current string, known bool) {
	for u, old := r.upcasters[name]; old; u, old = r.upcasters[name] {
		name = u.To
	}
	_, known = r.types[name]
	return name, known
}

// Stored lists the names under which facts stand in logs that are read as the current one, that name included.
func (r Registry) Stored(current string) []string {
	names := []string{current}
	for old := range r.upcasters {
		if name, known := r.Current(old); known && name == current {
			names = append(names, old)
		}
	}
	return names
}

// Zero returns the zero value of the fact with a name.
func (r Registry) Zero(name string) (Fact, bool) {
	typ, ok := r.types[name]
	if !ok {
		return nil, false
	}
	fact, ok := reflect.New(typ).Elem().Interface().(Fact)
	return fact, ok
}

// Decode reads a stored fact, upcasting old versions. It fails with [ErrUnknownName].
func (r Registry) Decode(name string, data []byte) (Fact, error) {
	for u, old := r.upcasters[name]; old; u, old = r.upcasters[name] {
		raw, err := u.Upcast(data)
		if err != nil {
			return nil, fmt.Errorf("upcasting %s: %w", name, err)
		}
		name, data = u.To, raw
	}
	typ, ok := r.types[name]
	if !ok {
		return nil, fmt.Errorf("%w %q", ErrUnknownName, name)
	}
	v := reflect.New(typ)
	unmarshal := r.unmarshal
	if unmarshal == nil {
		unmarshal = json.Unmarshal
	}
	if err := unmarshal(data, v.Interface()); err != nil {
		return nil, fmt.Errorf("reading a %s: %w", name, err)
	}
	fact, ok := v.Elem().Interface().(Fact)
	if !ok {
		return nil, fmt.Errorf("%s is not a fact", name)
	}
	return fact, nil
}

func values(m map[string]Upcaster) []Upcaster {
	out := make([]Upcaster, 0, len(m))
	for _, u := range m {
		out = append(out, u)
	}
	return out
}
