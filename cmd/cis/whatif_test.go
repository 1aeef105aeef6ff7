package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/history/whatif"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestWhatIf replays a story under other policies and weighs a table that is not sent; nothing comes of it.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.env = append(p.env, "EVENT_LIMIT=2", "EVENT_INVITE_LIMIT=3")
	p.run(ctx)
	s := p.stage(relay)
	ev, uid, err := s.newEvent(ctx, olga, "first@google.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"second@google.com", "third@google.com"} { // the third is one too many
		other := ev
		other.UID, other.DTStamp = source, time.Now()
		if err := s.mail(olga, ev.To, clientmail.GoogleRequest(other)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, ctx, "one refused", func() error {
		_, err := p.command("audit", "search", "--type", "EventDenied")
		return err
	})
	if err := s.invite(ctx, uid, guest(1), "Invited"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, guest(1), 1); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{1, 2} { // the second was never invited
		if err := s.mail(guest(i), "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: "ACCEPTED", Start: ev.Start,
		})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 2}); err != nil {
		t.Fatal(err)
	}
	p.must("recipients", "unsubscribe", "unwilling@guests.example")
	p.must("organizers", "allow-bulk", olga)
	sent := relay.Count()

	policy := func(args ...string) (out []whatif.Finding) {
		t.Helper()
		if err := json.Unmarshal([]byte(p.must(append([]string{"whatif", "policy", "--json"}, args...)...)), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if f := policy("--crashers", "hold"); len(f) != 1 || f[0].Who != guest(2) || f[0].Fact != "RsvpReceived" || !strings.Contains(f[0].Would, "held until somebody decides") {
		t.Errorf("crashers: %+v", f)
	}
	if f := policy("--crashers", "add"); len(f) != 0 {
		t.Errorf("crashers as it was: %+v", f)
	}
	if f := policy("--events", "1"); len(f) != 1 || !strings.Contains(f[0].Would, "refused it") {
		t.Errorf("fewer events: %+v", f)
	}
	if f := policy("--events", "0"); len(f) != 1 || f[0].Would != "would have had it" {
		t.Errorf("any number of events: %+v", f)
	}
	if f := policy("--events", "2"); len(f) != 0 {
		t.Errorf("as many events as it was: %+v", f)
	}
	if f := policy("--mail-auth", "enforce"); len(f) != 5 {
		t.Errorf("proof: %+v", f)
	}
	if f := policy("--mail-auth", "enforce", "--since", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)); len(f) != 0 {
		t.Errorf("in an hour: %+v", f)
	}
	p.refuses("say what should have been otherwise", "whatif", "policy")
	p.refuses("none of add, hold, cancel", "whatif", "policy", "--crashers", "shoot")

	table := filepath.Join(filepath.Dir(p.out), "table.csv")
	if err := os.WriteFile(table, []byte("email,name\none@guests.example,One\none@guests.example,Twice\n"+guest(1)+",Invited\nunwilling@guests.example,No\nnonsense,Bad\ntwo@guests.example,Two\nthree@guests.example,Three\nfour@guests.example,Four\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var rows []whatif.Row
	if err := json.Unmarshal([]byte(p.must("whatif", "table", table, "--organizer", olga, "--event", uid, "--json")), &rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, r.Would)
	}
	would := strings.Join(got, ", ")
	if want := "invite, already-invited, already-invited, unsubscribed, "; len(rows) != 8 || !strings.HasPrefix(would, want) || !strings.HasSuffix(would, ", invite, invite, invite-limit-reached") {
		t.Errorf("the table: %s", would)
	}
	// Sent for real, it comes to the same.
	raw, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if relay.Count() != sent {
		t.Error("a what-if mailed somebody")
	}
	var with strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		with.WriteString(line + map[bool]string{true: ",uid", false: "," + uid}[i == 0] + "\n")
	}
	if err := s.mail(olga, "bulk@cis.localhost", clientmail.Table(olga, "bulk@cis.localhost", []byte(with.String()))); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"one", "two", "three"} {
		if _, err := s.calendar(ctx, who+"@guests.example", 1); err != nil {
			t.Fatal(err)
		}
	}
	out := ""
	eventually(t, ctx, "the table worked off", func() error {
		var err error
		out, err = p.command("audit", "search", "--type", "BulkFinished")
		return err
	})
	out = p.must("audit", "search", "--type", "BulkBlockDone")
	if !strings.Contains(out, "8 rows, 3 accepted") {
		t.Errorf("for real: %s", out)
	}
	p.refuses("not a mail address", "whatif", "table", table, "--organizer", "nobody")
}
