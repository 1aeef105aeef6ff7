package facts

import "testing"

func TestCleanJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":"b"}`:                  `{"a":"b"}`,
		`{"a":"x\u0000y\u0000"}`:     `{"a":"x\ufffdy\ufffd"}`,
		`{"a":"\\u0000"}`:            `{"a":"\\u0000"}`,
		`{"a":"\\\u0000"}`:           `{"a":"\\\ufffd"}`,
		`{"a":"\\u0000 \u0000 end"}`: `{"a":"\\u0000 \ufffd end"}`,
	} {
		if got := string(cleanJSON([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
