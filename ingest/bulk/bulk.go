// Package bulk reads tables of people to invite, CSV with the columns uid, email and name as spreadsheets write it, and
// works them off: in blocks, in order, each block recorded when it is done, so that a crash costs nothing and asks nobody
// twice. A bad row costs only itself.
//
// Start reading at [Rows] and [Worker].
package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"golang.org/x/text/encoding/charmap"
)

// Bounds of what is read.
const (
	MaxBytes = 20 << 20 // of a table; more is refused as a whole
	MaxRows  = 200_000  // of a table; those beyond are not read
	maxName  = 200      // bytes of a name; the rest is cut off
)

// DefaultName is the name of who has none, as the original service has it.
const DefaultName = "customer"

// Why there is no table to work on.
var (
	ErrTooLarge = unreadable.With(fmt.Sprintf("it is larger than %d MiB", MaxBytes>>20))
	ErrEmpty    = unreadable.With("there are no rows in it")
	ErrNoTable  = unreadable.With("there is no CSV file in the mail")
	ErrTables   = unreadable.With("there are several CSV files in the mail")

	unreadable = &fault.Error{Kind: fault.Invalid, Code: "bulk-unreadable", Title: "the table of people cannot be used"}
)

// Row is a row of a table: somebody to invite to an event, or why it cannot be used.
type Row struct {
	Line    int    `json:"line"` // in the file, from 1
	UID     string `json:"uid"`
	Email   string `json:"email"` // lower case
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
}

// TableOf finds the one table in a mail. It fails with [ErrNoTable], [ErrTables] or [ErrTooLarge].
func TableOf(raw []byte) ([]byte, error) {
	msg, err := message.Parse(raw)
	if err != nil {
		return nil, ErrNoTable
	}
	return Only(msg)
}

// Only is the one table of a mail.
func Only(msg *message.Message) ([]byte, error) {
	switch {
	case len(msg.Tables) == 0:
		return nil, ErrNoTable
	case len(msg.Tables) > 1:
		return nil, ErrTables
	case len(msg.Tables[0]) > MaxBytes:
		return nil, ErrTooLarge
	}
	return msg.Tables[0], nil
}

// Rows reads a table row by row, holding none of them. What is wrong with a row is said in it; the same table always gives
// the same rows.
func Rows(data []byte) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		r := csv.NewReader(bytes.NewReader(text(data)))
		r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace, r.ReuseRecord = delimiter(data), -1, true, true, true
		columns := map[string]int{"uid": 0, "email": 1, "name": 2}
		rows := 0
		for n := 0; ; n++ {
			fields, err := r.Read()
			var bad *csv.ParseError
			row := Row{}
			switch {
			case errors.As(err, &bad):
				row = Row{Line: bad.StartLine, Problem: bad.Err.Error()}
			case err != nil: // the end: there is no other error in memory
				return
			case n == 0 && header(fields, columns), blank(fields):
				continue
			default:
				row = Row{UID: strings.ToLower(field(fields, columns["uid"])), Email: strings.ToLower(field(fields, columns["email"])), Name: field(fields, columns["name"])}
				row.Line, _ = r.FieldPos(0)
				row.check()
			}
			if rows++; rows > MaxRows {
				yield(Row{Line: row.Line, Problem: fmt.Sprintf("a table may have %d rows; this one and those behind it were not read", MaxRows)})
				return
			}
			if !yield(row) {
				return
			}
		}
	}
}

// Count is how many rows a table has.
func Count(data []byte) (n int) {
	for range Rows(data) {
		n++
	}
	return n
}

// check completes a row and says what is wrong with it.
func (r *Row) check() {
	if r.Name == "" {
		r.Name = DefaultName
	}
	if len(r.Name) > maxName {
		r.Name = strings.ToValidUTF8(r.Name[:maxName], "")
	}
	switch {
	case r.UID == "" && r.Email == "":
		r.Problem = "there is neither a uid nor an email in it"
	case !event.ValidUID(r.UID):
		r.Problem = "its uid is none: a UID has 40 characters of a-z and 0-9"
	case !address.Valid(r.Email):
		r.Problem = "its email is not a mail address"
	}
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
