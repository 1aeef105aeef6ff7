package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/history/audit"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestAudit follows an event from the mail that asked for it to the last SMTP answer, in words, as JSON and as a report.
func TestAudit(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.env = append(p.env, "CIS_UPDATE_WINDOW=0")
	p.run(ctx)
	s := p.stage(relay)
	ev, uid, err := s.newEvent(ctx, "olga@organizer.example", "audit@google.com")
	if err != nil {
		t.Fatal(err)
	}
	const ann = "ann@guests.example"
	if err := s.invite(ctx, uid, ann, "=Ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, ann, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.mail(ann, "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
		UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: ann, Name: "=Ann", PartStat: "ACCEPTED", Start: ev.Start,
	})); err != nil {
		t.Fatal(err)
	}
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 1}); err != nil {
		t.Fatal(err)
	}
	ev.Sequence, ev.Summary, ev.DTStamp = 1, "Moved", time.Now().Add(time.Second)
	if err := s.mail("olga@organizer.example", ev.To, clientmail.GoogleRequest(ev)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, ann, 2); err != nil {
		t.Fatal(err)
	}
	tell := func(args ...string) (trail audit.Trail, types string) {
		t.Helper()
		var out string
		eventually(t, ctx, "the update recorded", func() error {
			out = p.must(append(append([]string{"audit"}, args...), "--json")...)
			return nil
		})
		if err := json.Unmarshal([]byte(out), &trail); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var list []string
		for _, e := range trail.Entries {
			list = append(list, e.Type)
		}
		return trail, strings.Join(list, " ")
	}
	eventually(t, ctx, "the update recorded", func() error {
		_, err := p.command("audit", "search", "--type", "UpdateSent")
		return err
	})
	inOrder := func(types string, want ...string) {
		t.Helper()
		at := 0
		for _, w := range want {
			i := strings.Index(types[at:], w)
			if i < 0 {
				t.Errorf("%s is missing, in this order, in %s", w, types)
				return
			}
			at += i + len(w)
		}
	}
	// The event: its mails with their verdicts, its facts, its invitations, what was sent and answered.
	trail, types := tell("show", uid)
	inOrder(types, "MailReceived", "EventCreated", "MailAuthenticated", "MailHandled", "InviteRequested", "InviteSent", "MailReceived", "RsvpReceived", "MailReceived", "EventUpdated", "UpdateSent")
	if trail.Kind != "event" {
		t.Errorf("kind %s", trail.Kind)
	}
	text := p.must("audit", "show", uid)
	for _, want := range []string{
		"a mail of ", "came by smtp from <olga@organizer.example> for create@cis.localhost", "its sender was not checked", "was created for Olga <olga@organizer.example>",
		"=Ann <ann@guests.example> is to be invited", "the invitation was handed over, telling revision 1, SEQUENCE 0: 2", "=Ann <ann@guests.example> answered accepted",
		"it was changed: revision 2, \"Moved\"", "an update was handed over, telling revision 2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	// The mail that changed it: what it led to, up to what each attendee's mail server answered.
	mailID := ""
	for _, e := range trail.Entries {
		if e.Type == "EventUpdated" {
			mailID = e.Correlation
		}
	}
	trail, types = tell("show", mailID)
	inOrder(types, "MailReceived", "EventUpdated", "MailAuthenticated", "MailHandled")
	if trail.Kind != "mail" || !strings.Contains(types, "UpdateSent") || strings.Contains(types, "InviteSent") || strings.Contains(types, "RsvpReceived") {
		t.Errorf("%s: %s", trail.Kind, types)
	}
	// One attendee, by address; and what of them is all over the log.
	trail, types = tell("show", uid+"/"+ann)
	inOrder(types, "InviteRequested", "InviteSent", "MailReceived", "RsvpReceived", "UpdateSent")
	if trail.Kind != "attendee" {
		t.Errorf("kind %s", trail.Kind)
	}
	if trail, types = tell("show", ann); trail.Kind != "person" || !strings.Contains(types, "PersonalDataRead") {
		t.Errorf("who read about them is missing: %s %s", trail.Kind, types)
	}
	if trail, types = tell("show", trail.Entries[0].Command); trail.Kind != "command" || types == "" {
		t.Errorf("%s: %s", trail.Kind, types)
	}
	if _, types = tell("search", "--person", ann, "--type", "RsvpReceived", "--since", time.Now().UTC().Format(time.DateOnly)); types != "RsvpReceived" {
		t.Errorf("search: %s", types)
	}
	if _, types = tell("search", "--actor", "courier"); strings.Contains(types, "RsvpReceived") || !strings.Contains(types, "InviteSent") {
		t.Errorf("search by actor: %s", types)
	}
	if out := p.must("audit", "show", uid, "--sealed"); strings.Contains(out, ann) || !strings.Contains(out, "RsvpReceived") {
		t.Errorf("sealed: %s", out)
	}
	if trail, types = tell("show", "event-"+uid+"@0"); trail.Kind != "stream" {
		t.Errorf("%s: %s", trail.Kind, types)
	}
	inOrder(types, "EventCreated", "EventUpdated")
	p.refuses("the log holds nothing about this", "audit", "show", "nobody@guests.example")
	p.refuses("say what to look for", "audit", "search")
	p.refuses("is no time like", "audit", "search", "--since", "yesterday")

	dir := filepath.Join(filepath.Dir(p.out), "report")
	p.must("audit", "show", uid, "--report", dir)
	page := string(fileOf(t, filepath.Join(dir, "report.html")))
	if !strings.Contains(page, "=Ann &lt;ann@guests.example&gt; answered accepted") || !strings.Contains(page, "RsvpReceived") {
		t.Errorf("report.html: %s", page)
	}
	f, err := os.Open(filepath.Join(dir, "report.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 10 {
		t.Errorf("report.csv: %d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		if strings.HasPrefix(row[5], "=") {
			t.Errorf("a formula: %q", row[5])
		}
	}

	// The API: the same mail's history, what began with it, and that reading names leaves a trace, once.
	status, body, err := s.get(ctx, "/v1/mails/"+mailID+"/history", "key")
	if err != nil || status != 200 || !strings.Contains(string(body), "MailHandled") {
		t.Errorf("%d %s %v", status, body, err)
	}
	status, body, err = s.get(ctx, "/v1/history?correlation="+mailID+"&limit=1000", "key")
	if err != nil || status != 200 || !strings.Contains(string(body), "EventUpdated") || strings.Contains(string(body), "InviteSent") {
		t.Errorf("%d %s %v", status, body, err)
	}
	status, body, err = s.get(ctx, "/v1/audit?id="+uid, "key")
	var chain struct {
		Kind  string
		Items []struct{ Type, Words string }
	}
	if err != nil || status != 200 || json.Unmarshal(body, &chain) != nil || chain.Kind != "event" || len(chain.Items) < 10 || !strings.Contains(string(body), "the invitation was handed over") {
		t.Errorf("%d %s %v", status, body, err)
	}
	if status, _, err = s.get(ctx, "/v1/audit?id=nobody@guests.example", "key"); err != nil || status != 404 {
		t.Error(status, err)
	}
	other := s.newTenant(t, ctx, "other")
	for _, id := range []string{uid, mailID, ann, uid + "/" + ann, "log", "event-" + uid} {
		if status, body, err = s.get(ctx, "/v1/audit?id="+id, other); err != nil || status != 404 {
			t.Errorf("another tenant sees %s: %d %s %v", id, status, body, err)
		}
	}
	// What opens doors is nowhere to be read.
	p.must("keys", "issue", "spare", "--scopes", "events:read")
	for _, args := range [][]string{{"audit", "search", "--type", "KeyIssued", "--json"}, {"export", "facts", "--personal"}} {
		if out := p.must(args...); !strings.Contains(out, "KeyIssued") || strings.Contains(out, `"hash"`) {
			t.Errorf("%v: %s", args, out)
		}
	}
	for range 2 {
		if status, _, err = s.get(ctx, "/v1/events/"+uid+"/attendees", "key"); err != nil || status != 200 {
			t.Error(status, err)
		}
	}
	commands := [][]string{{"recipients", "list"}, {"recipients", "show", ann}, {"organizers", "list"}, {"organizers", "show", "olga@organizer.example"}, {"members", "list"}}
	for _, args := range commands {
		p.must(args...)
	}
	readings := p.must("audit", "search", "--type", "PersonalDataRead")
	for _, args := range commands {
		if what := "cis " + args[0] + " " + args[1]; !strings.Contains(readings, what) {
			t.Errorf("%s: not recorded: %s", what, readings)
		}
	}
	if _, types = tell("search", "--type", "PersonalDataRead", "--person", uid); strings.Count(types, "PersonalDataRead") != 5 { // show ID, as JSON, as text and as a report, show ID/ANN, and attendees by the API
		t.Errorf("who read about the event: %s", types)
	}
}
