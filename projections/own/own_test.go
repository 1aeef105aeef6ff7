package own_test

import (
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/projections/own"
)

const head = "-- tables\nCREATE TABLE @.t (a text PRIMARY KEY);\n"

// TestParse: what can be seen without a database is refused with its place.
func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ name, text, want string }{
		"good":              {"mine", "-- version: 3\n" + head + "-- on RsvpReceived\nINSERT INTO @.t VALUES (:event_uid || ':not' || \":neither\" || '2026-01-01'::text); -- :nor this\n", ""},
		"inside":            {"mine", head + "-- on EventCreated\nINSERT INTO @.t VALUES (:content.summary);", ""},
		"name":              {"Mine", head, "cannot be its name"},
		"reserved":          {"ledger", head, "cannot be its name"},
		"no table":          {"mine", "-- on RsvpReceived\nSELECT 1;", "it makes no table"},
		"no fact":           {"mine", head, "it looks at no fact"},
		"unknown fact":      {"mine", head + "-- on RsvpRecieved\nSELECT 1;", "line 3: there is no fact RsvpRecieved"},
		"unknown field":     {"mine", head + "-- on RsvpReceived\nINSERT INTO @.t VALUES (:uid);", ":uid is no field of it; there are"},
		"personal":          {"mine", head + "-- on RsvpReceived\nINSERT INTO @.t VALUES (:address);", ":address is personal"},
		"secret":            {"mine", head + "-- on KeyIssued\nINSERT INTO @.t VALUES (:hash);", ":hash is a secret"},
		"nothing inside":    {"mine", head + "-- on RsvpReceived\nINSERT INTO @.t VALUES (:status.x);", "there is nothing inside"},
		"a string not shut": {"mine", head + "-- on RsvpReceived\nINSERT INTO @.t VALUES ('x);", "is not closed"},
	} {
		p, err := own.Parse(c.name, c.text)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case name == "good" && (p.Version != 3 || len(p.Prefixes) != 1 || len(p.Reads) != 1):
			t.Errorf("%+v", p)
		}
	}
}
