package facts

import (
	"bytes"
	"strings"
)

// No column of Postgres can hold a NUL, and nobody means one. What is written holds none, so that no fact can stop a
// projection; what is read is looked at, too: logs outlive programs.

// clean is text without NULs.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

var nul = []byte(`\u0000`)

// cleanJSON is JSON without NULs in its strings.
func cleanJSON(data []byte) []byte {
	i := bytes.Index(data, nul)
	if i < 0 {
		return data
	}
	out := make([]byte, 0, len(data))
	for ; i >= 0; i = bytes.Index(data, nul) {
		slashes := 0
		for j := i - 1; j >= 0 && data[j] == '\\'; j-- {
			slashes++
		}
		out = append(out, data[:i]...)
		if slashes%2 == 0 {
			out = append(out, `\ufffd`...)
		} else { // an escaped backslash and the letters u0000
			out = append(out, nul...)
		}
		data = data[i+len(nul):]
	}
	return append(out, data...)
}
