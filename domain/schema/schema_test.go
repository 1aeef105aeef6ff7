package schema_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/calendar-invite-server/cis/domain/schema"
)

type named struct {
	First string `json:"first"`
}

func (named) FactName() string { return "Named.v2" }

func TestDecode(t *testing.T) {
	r := schema.Join(schema.New(named{}).Upcasting(schema.Upcaster{From: "Named", To: "Named.v2", Upcast: func(old json.RawMessage) (json.RawMessage, error) {
		var v struct{ Name string }
		if err := json.Unmarshal(old, &v); err != nil {
			return nil, err
		}
		return json.Marshal(named{First: v.Name})
	}}))
	for name, data := range map[string]string{"Named": `{"name":"Ann"}`, "Named.v2": `{"first":"Ann"}`} {
		if got, err := r.Decode(name, []byte(data)); err != nil || got != (named{First: "Ann"}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := r.Decode("Else", nil); !errors.Is(err, schema.ErrUnknownName) {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := r.Decode("Named", []byte("[")); err == nil {
		t.Error("broken JSON was read")
	}
}
