package bulk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/google/go-cmp/cmp"
)

var uid = strings.Repeat("a1", 20)

func TestRows(t *testing.T) {
	ann := bulk.Row{Line: 2, UID: uid, Email: "ann@example.com", Name: "Ann, the first"}
	again := ann
	again.Line, again.Name = 3, "Ann"
	bad := func(line int, uid, email, problem string) bulk.Row {
		return bulk.Row{Line: line, UID: uid, Email: email, Name: "X", Problem: problem}
	}
	for name, c := range map[string]struct {
		data string
		rows []bulk.Row
	}{
		"a byte order mark, quotes and CRLF": {"\xef\xbb\xbfuid,email,name\r\n" + uid + ",Ann@Example.com,\"Ann, the first\"\r\n", []bulk.Row{ann}},
		"semicolons, and another order":      {"Name;E-Mail;UID\nAnn, the first;ann@example.com;" + strings.ToUpper(uid) + "\n", []bulk.Row{ann}},
		"tabs":                               {"email\tuid\tname\nann@example.com\t" + uid + "\tAnn, the first\n", []bulk.Row{ann}},
		"no header, no name":                 {uid + ",bob@example.com\n", []bulk.Row{{Line: 1, UID: uid, Email: "bob@example.com", Name: bulk.DefaultName}}},
		"windows-1252":                       {"uid,email,name\n" + uid + ",ann@example.com,J\xfcrgen\n", []bulk.Row{{Line: 2, UID: uid, Email: "ann@example.com", Name: "J\u00fcrgen"}}},
		"duplicates are for the log to find": {"uid,email,name\n" + uid + ",ann@example.com,\"Ann, the first\"\n" + uid + ",ANN@example.com,Ann\n\n", []bulk.Row{ann, again}},
		"bad rows cost only themselves": {"uid,email,name\n" + uid + ",ann@example.com,\"Ann, the first\"\nshort,a@b.example,X\n" + uid + ",nonsense,X\n,,X\n", []bulk.Row{
			ann, bad(3, "short", "a@b.example", "its uid is none: a UID has 40 characters of a-z and 0-9"), bad(4, uid, "nonsense", "its email is not a mail address"),
			bad(5, "", "", "there is neither a uid nor an email in it"),
		}},
		"nothing": {"", nil},
	} {
		if diff := cmp.Diff(c.rows, slices.Collect(bulk.Rows([]byte(c.data)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var many strings.Builder
	for i := range bulk.MaxRows + 5 {
		fmt.Fprintf(&many, "%s,p%d@example.com,P\n", uid, i)
	}
	if n := bulk.Count([]byte(many.String())); n != bulk.MaxRows+1 {
		t.Errorf("too many: %d rows", n)
	}
}

func TestOnly(t *testing.T) {
	for want, tables := range map[error][][]byte{bulk.ErrNoTable: nil, bulk.ErrTables: {{}, {}}, bulk.ErrTooLarge: {make([]byte, bulk.MaxBytes+1)}} {
		if _, err := bulk.Only(&message.Message{Tables: tables}); err == nil || err.Error() != want.Error() {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("uid,email,name\n" + uid + ",ann@example.com,\"Ann\"\n"))
	f.Add([]byte("\xef\xbb\xbf;;\"\n\"\"\"\r;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		rows := slices.Collect(bulk.Rows(data))
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %v for %d bytes", took, len(data))
		}
		if len(rows) > bulk.MaxRows+1 {
			t.Errorf("%d rows", len(rows))
		}
		for _, r := range rows {
			if r.Problem == "" && (!event.ValidUID(r.UID) || !address.Valid(r.Email) || r.Name == "" || r.Email != strings.ToLower(r.Email)) {
				t.Errorf("got %+v", r)
			}
		}
	})
}
