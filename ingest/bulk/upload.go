package bulk

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// For is a table that was uploaded for one event: every row gets its uid where it has no column for it. The first row must
// name the columns.
func For(data []byte, uid string) ([]byte, error) {
	if len(data) > MaxBytes {
		return nil, ErrTooLarge
	}
	r := csv.NewReader(bytes.NewReader(text(data)))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = delimiter(data), -1, true, true
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for n := 0; ; n++ {
		fields, err := r.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			w.Flush()
			return out.Bytes(), w.Error()
		case errors.As(err, &bad):
			fields = []string{""} // said of the row when it is read
		case err != nil:
			return nil, err
		}
		if n == 0 {
			names := make([]string, len(fields))
			for i := range fields {
				names[i] = strings.ToLower(field(fields, i))
			}
			if !slices.ContainsFunc(names, func(s string) bool { return slices.Contains([]string{"email", "e-mail", "mail", "address"}, s) }) {
				return nil, unreadable.With("its first row does not name a column email")
			}
			if slices.ContainsFunc(names, func(s string) bool { return slices.Contains([]string{"uid", "event", "event_uid", "event uid"}, s) }) {
				return data, nil
			}
			fields = append(fields, "uid")
		} else if !blank(fields) {
			fields = append(fields, uid)
		}
		if err := w.Write(fields); err != nil {
			return nil, err
		}
	}
}

// Wrap is a table as a message, which is how the bytes of all tables are kept.
func Wrap(table []byte) []byte {
	var b bytes.Buffer
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/csv; charset=UTF-8; name=\"table.csv\"\r\n" +
		"Content-Disposition: attachment; filename=\"table.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(table)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	return b.Bytes()
}
