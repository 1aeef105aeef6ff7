package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestAsOf: an event, its attendees and its numbers as they were at a deadline.
func TestAsOf(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_UPDATE_WINDOW": "0"})
	ctx := within(t, 3*time.Minute)
	start := time.Now().UTC()
	ev, uid, err := s.newEvent(ctx, olga, "asof@google.com")
	if err != nil {
		t.Fatal(err)
	}
	later := time.Duration(0) // DTSTAMP has seconds
	answer := func(i int, partstat string) {
		t.Helper()
		if err := s.mail(guest(i), "rsvp@"+s.app.cfg.Domain, clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now().Add(later), Organizer: "rsvp@" + s.app.cfg.Domain, Attendee: guest(i), Name: fmt.Sprintf("Guest %d", i), PartStat: partstat, Start: ev.Start,
		})); err != nil {
			t.Fatal(err)
		}
	}
	counted := func(want map[string]int64) {
		t.Helper()
		if err := s.counted(ctx, uid, want); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		answer(i, "ACCEPTED")
	}
	counted(map[string]int64{"accepted": 3})
	deadline := time.Now().UTC()
	head, err := s.app.store.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// After the deadline one changes their mind, one is taken off, one more comes, and the event is called something else.
	later = 2 * time.Second
	answer(0, "DECLINED")
	answer(3, "ACCEPTED")
	counted(map[string]int64{"accepted": 3, "declined": 1})
	if _, err := s.app.handler.ForInvitation(ctx, commands.From("test", tenant.Default, "off", 0), commands.WithdrawInvite{
		Tenant: tenant.Default, EventUID: uid, AttendeeID: s.app.keys.PersonID(tenant.Default, guest(1)), By: "test",
	}); err != nil {
		t.Fatal(err)
	}
	counted(map[string]int64{"accepted": 2, "declined": 1})
	ev.Sequence, ev.Summary, ev.DTStamp = 1, "Something else", time.Now().Add(time.Second)
	if err := s.mail(olga, ev.To, clientmail.GoogleRequest(ev)); err != nil {
		t.Fatal(err)
	}
	read := func(path, asOf string, want int, into any) {
		t.Helper()
		path = "/v1/events/" + uid + path
		if asOf != "" {
			path += "?asOf=" + url.QueryEscape(asOf)
		}
		status, body, err := s.get(ctx, path, s.key)
		if err != nil || status != want {
			t.Fatalf("%s: %d %v\n%s", path, status, err, body)
		}
		if want == http.StatusOK {
			if err := json.Unmarshal(body, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	type numbers struct {
		Attendees int64
		RSVP      map[string]int64
	}
	type person struct{ Address, Name, Status string }
	type people struct{ Items []person }
	var what struct{ Summary string }
	eventually(t, ctx, "the new name", func() error {
		read("", "", http.StatusOK, &what)
		if what.Summary != "Something else" {
			return fmt.Errorf("%q", what.Summary)
		}
		return nil
	})
	for _, then := range []string{deadline.Format(time.RFC3339Nano), deadline.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano), strconv.FormatUint(head, 10)} {
		var n numbers
		if read("/statistics", then, http.StatusOK, &n); n.Attendees != 3 || n.RSVP["accepted"] != 3 || n.RSVP["declined"] != 0 {
			t.Errorf("as of %s: %+v", then, n)
		}
		var p people
		if read("/attendees", then, http.StatusOK, &p); len(p.Items) != 3 || !slices.Contains(p.Items, person{guest(0), "Guest 0", "accepted"}) || !slices.Contains(p.Items, person{guest(1), "Guest 1", "accepted"}) {
			t.Errorf("as of %s: %+v", then, p)
		}
		if read("", then, http.StatusOK, &what); what.Summary != "Board <meeting> & more" {
			t.Errorf("as of %s: %q", then, what.Summary)
		}
	}
	now := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	var past, present numbers
	read("/statistics", now, http.StatusOK, &past)
	read("/statistics", "", http.StatusOK, &present)
	if fmt.Sprint(past) != fmt.Sprint(present) {
		t.Errorf("folded up to now: %v, as it serves: %v", past, present)
	}
	read("/statistics", start.Add(-time.Hour).Format(time.RFC3339), http.StatusNotFound, nil)
	read("/statistics", "yesterday", http.StatusBadRequest, nil)

	// Another tenant sees nothing of it, then as now; and nothing is left of the tables.
	key := s.newTenant(t, ctx, "other")
	if status, body, err := s.get(ctx, "/v1/events/"+uid+"/statistics?asOf="+strconv.FormatUint(head, 10), key); err != nil || status != http.StatusNotFound {
		t.Errorf("another tenant: %d %s %v", status, body, err)
	}
	var left int
	if err := s.app.pool.QueryRow(ctx, `SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'past\_%'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d schemas are left, %v", left, err)
	}
}
