// Package bulk reads tables of people to invite: CSV with the columns uid, email and name, as spreadsheets write it. A bad
// row costs only itself.
//
// Start reading at [Read].
package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/address"
	"golang.org/x/text/encoding/charmap"
)

// Bounds of what is read.
const (
	MaxBytes = 5 << 20 // of a table; more is refused as a whole
	MaxRows  = 10_000  // of a table; those beyond are errors
	maxName  = 200     // bytes of a name; the rest is cut off
)

// DefaultName is the name of who has none, as the original service has it.
const DefaultName = "customer"

var (
	// ErrTooLarge says that a table exceeds [MaxBytes].
	ErrTooLarge = fmt.Errorf("the table is larger than %d MiB", MaxBytes>>20)
	// ErrEmpty says that there are no rows.
	ErrEmpty = errors.New("there are no rows in the table")
)

// Row is somebody to invite to an event.
type Row struct {
	Line  int    `json:"line"` // in the file, from 1
	UID   string `json:"uid"`
	Email string `json:"email"` // lower case
	Name  string `json:"name"`
}

// Problem is a row that cannot be used.
type Problem struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Read reads a table. Rows that name the same person for the same event again are left out. It fails with [ErrTooLarge]
// or [ErrEmpty]; everything else that is wrong is the problem of a row.
func Read(data []byte) (rows []Row, problems []Problem, err error) {
	if len(data) > MaxBytes {
		return nil, nil, ErrTooLarge
	}
	r := csv.NewReader(bytes.NewReader(text(data)))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace, r.ReuseRecord = delimiter(data), -1, true, true, true
	columns := map[string]int{"uid": 0, "email": 1, "name": 2}
	seen := map[[2]string]bool{}
	for n := 0; ; n++ {
		fields, err := r.Read()
		line := 0
		if len(fields) > 0 {
			line, _ = r.FieldPos(0)
		}
		switch {
		case errors.Is(err, io.EOF):
			if len(rows)+len(problems) == 0 {
				return nil, nil, ErrEmpty
			}
			return rows, problems, nil
		case err != nil:
			var bad *csv.ParseError
			if !errors.As(err, &bad) {
				return rows, problems, err
			}
			problems = append(problems, Problem{bad.StartLine, bad.Err.Error()})
			if len(problems) > MaxRows {
				return rows, problems, nil
			}
			continue
		case n == 0 && header(fields, columns), blank(fields):
			continue
		case len(rows) >= MaxRows:
			return rows, append(problems, Problem{line, fmt.Sprintf("a table may have %d rows; this one and those behind it were not read", MaxRows)}), nil
		}
		row := Row{Line: line, UID: strings.ToLower(field(fields, columns["uid"])), Email: strings.ToLower(field(fields, columns["email"])), Name: field(fields, columns["name"])}
		if reason := row.check(); reason != "" {
			if problems = append(problems, Problem{line, reason}); len(problems) > MaxRows {
				return rows, problems, nil
			}
			continue
		}
		if key := [2]string{row.UID, row.Email}; !seen[key] {
			seen[key] = true
			rows = append(rows, row)
		}
	}
}

func (r *Row) check() string {
	if r.Name == "" {
		r.Name = DefaultName
	}
	if len(r.Name) > maxName {
		r.Name = strings.ToValidUTF8(r.Name[:maxName], "")
	}
	switch {
	case r.UID == "" && r.Email == "":
		return "there is neither a uid nor an email in it"
	case !event.ValidUID(r.UID):
		return "its uid is none: a UID has 40 characters of a-z and 0-9"
	case !address.Valid(r.Email):
		return "its email is not a mail address"
	}
	return ""
}

// header takes the order of columns from a first row that names them.
func header(fields []string, columns map[string]int) bool {
	found := map[string]int{}
	for i := range fields {
		switch name := strings.ToLower(field(fields, i)); name {
		case "uid", "email", "name":
			found[name] = i
		case "e-mail", "mail", "address":
			found["email"] = i
		case "event", "event_uid", "event uid":
			found["uid"] = i
		}
	}
	_, uid := found["uid"]
	_, email := found["email"]
	if !uid || !email {
		return false
	}
	columns["name"] = -1
	for name, i := range found {
		columns[name] = i
	}
	return true
}

func field(fields []string, i int) string {
	if i < 0 || i >= len(fields) {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(fields[i], "\uFFFD"))
}

func blank(fields []string) bool {
	for i := range fields {
		if field(fields, i) != "" {
			return false
		}
	}
	return true
}

// text is UTF-8 without a byte order mark; what is not UTF-8 is what Excel writes in the West.
func text(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		if decoded, err := charmap.Windows1252.NewDecoder().Bytes(data); err == nil {
			return decoded
		}
	}
	return data
}

// delimiter is what the first line uses most. QUIRK: Excel writes semicolons where the comma is in numbers.
func delimiter(data []byte) rune {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}
