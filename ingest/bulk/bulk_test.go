package bulk_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/google/go-cmp/cmp"
)

var uid = strings.Repeat("a1", 20)

func TestRead(t *testing.T) {
	ann := bulk.Row{Line: 2, UID: uid, Email: "ann@example.com", Name: "Ann, the first"}
	for name, c := range map[string]struct {
		data     string
		rows     []bulk.Row
		problems []bulk.Problem
	}{
		"a byte order mark, quotes and CRLF": {"\xef\xbb\xbfuid,email,name\r\n" + uid + ",Ann@Example.com,\"Ann, the first\"\r\n", []bulk.Row{ann}, nil},
		"semicolons, and another order":      {"Name;E-Mail;UID\nAnn, the first;ann@example.com;" + strings.ToUpper(uid) + "\n", []bulk.Row{ann}, nil},
		"no header, no name":                 {uid + ",bob@example.com\n", []bulk.Row{{Line: 1, UID: uid, Email: "bob@example.com", Name: bulk.DefaultName}}, nil},
		"windows-1252":                       {"uid,email,name\n" + uid + ",ann@example.com,J\xfcrgen\n", []bulk.Row{{Line: 2, UID: uid, Email: "ann@example.com", Name: "J\u00fcrgen"}}, nil},
		"duplicates, in any case":            {"uid,email,name\n" + uid + ",ann@example.com,\"Ann, the first\"\n" + uid + ",ANN@example.com,Ann\n\n", []bulk.Row{ann}, nil},
		"bad rows cost only themselves": {"uid,email,name\n" + uid + ",ann@example.com,\"Ann, the first\"\nshort,a@b.example,X\n" + uid + ",nonsense,X\n,,X\n", []bulk.Row{ann}, []bulk.Problem{
			{Line: 3, Reason: "its uid is none: a UID has 40 characters of a-z and 0-9"}, {Line: 4, Reason: "its email is not a mail address"}, {Line: 5, Reason: "there is neither a uid nor an email in it"},
		}},
	} {
		rows, problems, err := bulk.Read([]byte(c.data))
		if diff := cmp.Diff(c.rows, rows) + cmp.Diff(c.problems, problems); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, _, err := bulk.Read(nil); !errors.Is(err, bulk.ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	if _, _, err := bulk.Read(make([]byte, bulk.MaxBytes+1)); !errors.Is(err, bulk.ErrTooLarge) {
		t.Errorf("too much: %v", err)
	}
	var many strings.Builder
	for i := range bulk.MaxRows + 5 {
		fmt.Fprintf(&many, "%s,p%d@example.com,P\n", uid, i)
	}
	if rows, problems, err := bulk.Read([]byte(many.String())); err != nil || len(rows) != bulk.MaxRows || len(problems) != 1 {
		t.Errorf("too many: %d rows, %v, %v", len(rows), problems, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("uid,email,name\n" + uid + ",ann@example.com,\"Ann\"\n"))
	f.Add([]byte("\xef\xbb\xbf;;\"\n\"\"\"\r;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		rows, problems, _ := bulk.Read(data)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %v for %d bytes", took, len(data))
		}
		if len(rows) > bulk.MaxRows || len(problems) > bulk.MaxRows+2 {
			t.Errorf("%d rows, %d problems", len(rows), len(problems))
		}
		for _, r := range rows {
			if !event.ValidUID(r.UID) || !address.Valid(r.Email) || r.Name == "" || r.Email != strings.ToLower(r.Email) {
				t.Errorf("got %+v", r)
			}
		}
	})
}
