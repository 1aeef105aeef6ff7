package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/parquet-go/parquet-go"
)

// TestExport: facts and read models go out in every format, without names unless they are asked for, and a folder is gone on
// with where it ends.
func TestExport(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	ev, uid, err := s.newEvent(ctx, olga, "export@google.com")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(i int) {
		t.Helper()
		if err := s.mail(guest(i), "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: "ACCEPTED", Start: ev.Start, Extra: "COMMENT:=cmd()\n",
		})); err != nil {
			t.Fatal(err)
		}
	}
	answer(1)
	answer(2)
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 2}); err != nil {
		t.Fatal(err)
	}
	events := func(out string) (types []string, addresses map[string]string) {
		t.Helper()
		addresses = map[string]string{}
		for line := range strings.Lines(out) {
			var e struct {
				SpecVersion, ID, Source, Type, Subject, Time string
				Data                                         map[string]any
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Subject == "" {
				t.Fatalf("%v: %s", err, line)
			}
			if _, err := time.Parse(time.RFC3339, e.Time); err != nil {
				t.Error(err)
			}
			types = append(types, e.Type)
			if id, ok := e.Data["attendee_id"].(string); ok && e.Data["address"] != nil {
				addresses[id], _ = e.Data["address"].(string)
			}
		}
		return types, addresses
	}
	out := p.must("export", "facts")
	types, addresses := events(out)
	if all := strings.Join(types, " "); !strings.Contains(all, "cis.EventCreated") || strings.Count(all, "cis.RsvpReceived") != 2 || strings.Contains(out, guest(1)) || strings.Contains(out, olga) || strings.Contains(out, "=cmd") {
		t.Errorf("%s\n%s", all, out)
	}
	seen := map[string]bool{}
	for _, a := range addresses {
		seen[a] = strings.HasPrefix(a, "~")
	}
	if len(seen) != 2 {
		t.Errorf("pseudonyms: %v", addresses)
	}
	if _, again := events(p.must("export", "facts")); len(again) != 2 || func() bool {
		for id, a := range again {
			if addresses[id] != a {
				return true
			}
		}
		return false
	}() {
		t.Errorf("other pseudonyms: %v, %v", addresses, again)
	}
	if out := p.must("export", "facts", "--personal"); !strings.Contains(out, guest(1)) {
		t.Errorf("in full: %s", out)
	}
	if out := p.must("audit", "search", "--type", "PersonalDataRead"); strings.Count(out, "cis export facts") != 1 {
		t.Errorf("the record: %s", out)
	}

	// A folder goes on where it ends.
	dir := filepath.Join(filepath.Dir(p.out), "csv")
	p.must("export", "facts", "--format", "csv", "--out", dir)
	answer(3)
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 3}); err != nil {
		t.Fatal(err)
	}
	p.must("export", "facts", "--format", "csv", "--out", dir)
	p.must("export", "facts", "--format", "csv", "--out", dir)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	positions := map[string]bool{}
	answers := 0
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		_ = f.Close()
		if err != nil || len(rows) < 2 || rows[0][0] != "position" {
			t.Fatalf("%s: %v %v", file, rows, err)
		}
		for _, r := range rows[1:] {
			if positions[r[0]] {
				t.Errorf("%s twice", r[0])
			}
			positions[r[0]] = true
			if r[5] == "RsvpReceived" {
				answers++
			}
		}
	}
	if answers != 3 || len(files) < 2 {
		t.Errorf("%d answers in %v", answers, files)
	}

	// Parquet, and read models.
	dir = filepath.Join(filepath.Dir(p.out), "parquet")
	p.refuses("needs a folder", "export", "facts", "--format", "parquet")
	p.refuses("the formats are", "export", "facts", "--format", "xml")
	p.must("export", "facts", "--format", "parquet", "--out", dir)
	files, _ = filepath.Glob(filepath.Join(dir, "facts-*.parquet"))
	if len(files) != 1 {
		t.Fatalf("%v", files)
	}
	type row struct {
		Position int64     `parquet:"position,optional"`
		Time     time.Time `parquet:"time,optional,timestamp(microsecond)"`
		Type     string    `parquet:"type,optional"`
		Data     string    `parquet:"data,optional"`
	}
	rows, err := parquet.ReadFile[row](files[0])
	if err != nil || len(rows) < len(positions) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	answers = 0
	for _, r := range rows {
		if r.Type == "RsvpReceived" && strings.Contains(r.Data, uid) && time.Since(r.Time) < time.Hour && r.Position > 0 {
			answers++
		}
	}
	if answers != 3 {
		t.Errorf("%d answers in %s", answers, files[0])
	}
	dir = filepath.Join(filepath.Dir(p.out), "models")
	p.must("export", "model", "attendees", "--format", "csv", "--out", dir)
	people := string(fileOf(t, filepath.Join(dir, "attendees.person.csv")))
	if strings.Count(people, "\n") != 5 || strings.Contains(people, guest(1)) || !strings.Contains(people, ",~") {
		t.Errorf("people: %s", people)
	}
	p.must("export", "model", "attendees", "--format", "csv", "--out", dir, "--personal")
	if comments := string(fileOf(t, filepath.Join(dir, "attendees.comment.csv"))); !strings.Contains(comments, ",'=cmd()") {
		t.Errorf("comments: %s", comments)
	}
	for _, model := range []string{"events", "statistics", "organizers"} {
		p.must("export", "model", model, "--format", "parquet", "--out", dir)
	}
	p.refuses("is none of", "export", "model", "nonsense", "--out", dir)
	var lines int
	p.must("export", "model", "events", "--out", dir)
	for line := range strings.Lines(string(fileOf(t, filepath.Join(dir, "events.event.ndjson")))) {
		var e struct {
			UID     string
			Repeats bool
			Times   map[string]any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.UID != uid || len(e.Times) == 0 {
			t.Errorf("%v: %s", err, line)
		}
		lines++
	}
	if lines != 1 {
		t.Errorf("%d events", lines)
	}
}
