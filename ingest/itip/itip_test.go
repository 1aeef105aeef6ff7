package itip_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/secret"
)

var (
	uid  = strings.Repeat("a1", 20)
	when = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	in   = interpreter()
)

func interpreter() itip.Interpreter {
	keys, err := secret.New(strings.Repeat("k", 32))
	if err != nil {
		panic(err)
	}
	return itip.Interpreter{Keys: keys, Addresses: address.NewDirectory(address.NewBook("cis.example", ""), nil)}
}

// calendar is a calendar object with one VEVENT of the given lines.
func calendar(method string, lines ...string) string {
	return "BEGIN:VCALENDAR\r\nPRODID:p\r\nMETHOD:" + method + "\r\nBEGIN:VEVENT\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

func request(lines ...string) string {
	return calendar("REQUEST", append([]string{"UID:u1", "DTSTAMP:20261120T100000Z", "DTSTART:20261204T090000Z", "DTEND:20261204T100000Z"}, lines...)...)
}

func reply(lines ...string) string {
	return calendar("REPLY", append([]string{"UID:" + strings.ToUpper(uid), "DTSTAMP:20261120T100000Z"}, lines...)...)
}

func mailOf(t testing.TB, from itip.Sender, parts ...string) itip.Mail {
	t.Helper()
	raw := "From: x@y.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	for _, p := range parts {
		raw += "--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n" + p + "\r\n"
	}
	msg, err := message.Parse([]byte(raw + "--b--\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return itip.Mail{Tenant: "t", From: from, Message: msg, Received: when}
}

var (
	olga = itip.Sender{Address: "olga@organizer.example", Proof: "dkim organizer.example"}
	ann  = itip.Sender{Address: "ann@corp.example", Proof: "dkim corp.example"}
)

// TestMethods is the table of methods: what each leads to.
func TestMethods(t *testing.T) {
	annSays := func(partstat, params string) string {
		return "ATTENDEE;PARTSTAT=" + partstat + params + ":mailto:ann@corp.example"
	}
	series := strings.Replace(request("RECURRENCE-ID:20261211T090000Z"), "END:VCALENDAR",
		"BEGIN:VEVENT\r\nUID:u1\r\nDTSTART:20261204T090000Z\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\nEND:VCALENDAR", 1)
	for _, c := range []struct {
		name  string
		from  itip.Sender
		parts []string
		want  string // commands, or a refusal's code
	}{
		{"REQUEST", olga, []string{request()}, "CreateEvent"},
		{"PUBLISH counts as REQUEST", olga, []string{strings.Replace(request(), "METHOD:REQUEST", "METHOD:publish", 1)}, "CreateEvent"},
		{"REQUEST of one instance", olga, []string{request("RECURRENCE-ID:20261204T090000Z")}, "UpdateInstance"},
		{"a series and its exception in one file, in any order", olga, []string{series}, "CreateEvent UpdateInstance"},
		{"REQUEST with STATUS:CANCELLED is a CANCEL", olga, []string{request("STATUS:CANCELLED")}, "CancelEvent"},
		{"CANCEL", olga, []string{calendar("CANCEL", "UID:u1")}, "CancelEvent"},
		{"CANCEL of one instance", olga, []string{calendar("CANCEL", "UID:u1", "RECURRENCE-ID:20261204T090000Z")}, "CancelInstance"},
		{"the same UID as alternative and as file is one action", olga, []string{request(), request()}, "CreateEvent"},
		{"several UIDs are several actions", olga, []string{request(), strings.Replace(request(), "UID:u1", "UID:u2", 1)}, "CreateEvent CreateEvent"},
		{"ADD", olga, []string{calendar("ADD", "UID:u1")}, "add-refused"},
		{"this and following", olga, []string{request("RECURRENCE-ID;RANGE=THISANDFUTURE:20261204T090000Z")}, "range-unsupported"},
		{"an instance nobody can tell", olga, []string{request("RECURRENCE-ID:soon")}, "time-unresolved"},
		{"an unknown zone", olga, []string{strings.Replace(request(), "DTSTART:20261204T090000Z", "DTSTART;TZID=Nowhere:20261204T090000", 1)}, "time-unresolved"},
		{"a rule that fires every second", olga, []string{request("RRULE:FREQ=SECONDLY")}, "time-unresolved"},
		{"DECLINECOUNTER is not for us", olga, []string{calendar("DECLINECOUNTER", "UID:u1")}, "method-unknown"},
		{"an event we organize", olga, []string{request("ORGANIZER:mailto:rsvp+x@cis.example")}, "own-mail"},
		{"an answer", ann, []string{reply(annSays("accepted", ""))}, "RecordReply"},
		{"an answer without ORGANIZER, with MAILTO in capitals", ann, []string{reply("ATTENDEE;PARTSTAT=DECLINED:MAILTO:Ann@Corp.Example")}, "RecordReply"},
		{"an answer to one instance", ann, []string{reply("RECURRENCE-ID:20261204T090000Z", annSays("TENTATIVE", ""))}, "RecordReply"},
		{"an answer for another UID", ann, []string{calendar("REPLY", "UID:theirs", annSays("ACCEPTED", ""))}, "event-unknown"},
		{"an answer that says nothing", ann, []string{reply("ATTENDEE:mailto:ann@corp.example")}, "reply-invalid"},
		{"an answer of nobody", ann, []string{reply()}, "reply-invalid"},
		{"DELEGATED", ann, []string{reply(annSays("DELEGATED", `;DELEGATED-TO="mailto:bob@corp.example"`))}, "DelegateInvite+RequestInvite"},
		{"DELEGATED to nobody", ann, []string{reply(annSays("DELEGATED", ""))}, "delegate-invalid"},
		{"COUNTER", ann, []string{calendar("COUNTER", "UID:"+uid, "DTSTART:20261205T090000Z", annSays("TENTATIVE", ""))}, "RecordCounter"},
		{"REFRESH", ann, []string{calendar("REFRESH", "UID:"+uid, "ATTENDEE:mailto:ann@corp.example")}, "RequestResend"},
	} {
		r := in.Interpret(mailOf(t, c.from, c.parts...))
		got := []string{}
		for _, a := range r.Actions {
			name := strings.TrimPrefix(fmt.Sprintf("%T", a.Command), "commands.")
			if a.Then != nil {
				name += "+" + strings.TrimPrefix(fmt.Sprintf("%T", a.Then.Command), "commands.")
			}
			got = append(got, name)
		}
		if r.Refusal != nil {
			got = append(got, r.Refusal.Code)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.name, s, c.want)
		}
	}
}

// TestWhoMayAnswer: From that is not the attendee.
func TestWhoMayAnswer(t *testing.T) {
	answer := func(attendee string) string { return reply("ATTENDEE;PARTSTAT=ACCEPTED" + attendee) }
	google := itip.Sender{Address: "calendar-notification@google.com", Proof: "dkim google.com", Represents: "ann@corp.example"}
	eve := itip.Sender{Address: "eve@gmail.com", Proof: "dkim gmail.com"}
	unproven, vouched := ann, ann
	unproven.Proof, unproven.Unproven = "", true
	vouched.Proof, vouched.Unproven, vouched.Vouched = "", true, true
	for _, c := range []struct {
		name string
		from itip.Sender
		data string
		want *fault.Error
	}{
		{"the attendee", ann, answer(":mailto:ann@corp.example"), nil},
		{"with a tag", ann, answer(":mailto:ann+cal@corp.example"), nil},
		{"Google for them", google, answer(":mailto:ann@corp.example"), nil},
		{"Google for somebody else", google, answer(":mailto:bob@corp.example"), invitation.ErrProof},
		{"a stranger", olga, answer(":mailto:ann@corp.example"), invitation.ErrProof},
		{"a colleague, just so", ann, answer(":mailto:boss@corp.example"), invitation.ErrProof},
		{"an assistant named in SENT-BY", ann, answer(`;SENT-BY="mailto:ann@corp.example":mailto:boss@corp.example`), nil},
		{"another named in SENT-BY", ann, answer(`;SENT-BY="mailto:pa@corp.example":mailto:boss@corp.example`), invitation.ErrProof},
		{"an assistant of another company", olga, answer(`;SENT-BY="mailto:olga@organizer.example":mailto:boss@corp.example`), invitation.ErrProof},
		{"an assistant where anybody gets an address", eve, answer(`;SENT-BY="mailto:eve@gmail.com":mailto:ann@gmail.com`), invitation.ErrProof},
		{"nobody who is proven", unproven, answer(":mailto:ann@corp.example"), itip.ErrUnproven},
		{"whom somebody vouches for", vouched, answer(":mailto:ann@corp.example"), nil},
		{"anybody, where nothing is checked", itip.Sender{Address: "x@y.example"}, answer(":mailto:ann@corp.example"), nil},
	} {
		r := in.Interpret(mailOf(t, c.from, c.data))
		if c.want == nil && (r.Refusal != nil || len(r.Actions) != 1) || c.want != nil && (!errors.Is(r.Refusal, c.want) || len(r.Actions) != 0) {
			t.Errorf("%s: got %v, %+v", c.name, r.Refusal, r.Actions)
		}
	}
}

// TestIdentity: whose event it is says the sender, never ORGANIZER; Outlook's UIDs compare in any case; the body's
// METHOD wins over the Content-Type's, and that is noted.
func TestIdentity(t *testing.T) {
	of := func(from itip.Sender, data string) commands.CreateEvent {
		t.Helper()
		r := in.Interpret(mailOf(t, from, data))
		if len(r.Actions) != 1 {
			t.Fatalf("got %+v", r)
		}
		c, _ := r.Actions[0].Command.(commands.CreateEvent)
		return c
	}
	mine := of(olga, request("ORGANIZER;CN=Boss:mailto:boss@elsewhere.example"))
	theirs := of(ann, request("ORGANIZER;CN=Olga:mailto:olga@organizer.example"))
	if mine.UID == theirs.UID || mine.OrganizerAddress != olga.Address || mine.OriginalOrganizer != "boss@elsewhere.example" {
		t.Errorf("got %+v and %+v", mine, theirs)
	}
	const outlook = "040000008200E00074C5B7101A82E00800000000ABCDEF"
	upper := of(olga, strings.Replace(request(), "UID:u1", "UID:"+outlook, 1))
	lower := of(olga, strings.Replace(request(), "UID:u1", "UID:"+strings.ToLower(outlook), 1))
	if upper.UID != lower.UID {
		t.Error("Outlook's UIDs are hexadecimal in either case")
	}
	r := in.Interpret(mailOf(t, olga, calendar("CANCEL", "UID:u1")))
	if len(r.Actions) != 1 || r.Actions[0].Method != "CANCEL" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "REQUEST") {
		t.Errorf("the calendar's METHOD counts: %+v", r)
	}
	if bare := of(olga, strings.Replace(request(), "METHOD:REQUEST\r\n", "", 1)); bare.UID != mine.UID {
		t.Error("without METHOD in the body the Content-Type counts")
	}
}

// TestDelegates: an alias is the organizer, a delegate where the calendar names the organizer, a stranger is held.
func TestDelegates(t *testing.T) {
	boss := itip.Principal{ID: in.Keys.PersonID("t", "boss@corp.example"), Address: "boss@corp.example", Name: "The boss"}
	named := request("ORGANIZER;CN=Boss;SENT-BY=\"mailto:olga@organizer.example\":mailto:boss@corp.example")
	read := func(from itip.Sender, data string, acts ...itip.Principal) (organizer string, code string) {
		t.Helper()
		from.Acts = acts
		r := in.Interpret(mailOf(t, from, data))
		if r.Refusal != nil {
			return "", r.Refusal.Code
		}
		c, _ := r.Actions[0].Command.(commands.CreateEvent)
		if c.OrganizerID != in.Keys.PersonID("t", c.OrganizerAddress) || c.UID != in.Keys.EventUID("t", c.OrganizerID, "u1") {
			t.Errorf("got %+v", c)
		}
		return c.OrganizerAddress, ""
	}
	alias, vouched := boss, olga
	alias.Alias, vouched.Vouched = true, true
	for name, c := range map[string]struct {
		from            itip.Sender
		data            string
		acts            []itip.Principal
		organizer, code string
	}{
		"a stranger in somebody's name is held":     {olga, named, nil, "", "organizer-delegated"},
		"released, it is theirs":                    {vouched, named, nil, "boss@corp.example", ""},
		"a delegate, where the calendar names them": {olga, named, []itip.Principal{boss}, "boss@corp.example", ""},
		"and otherwise for herself":                 {olga, request("ORGANIZER:mailto:olga@organizer.example"), []itip.Principal{boss}, "olga@organizer.example", ""},
		"an alias, always":                          {olga, request(), []itip.Principal{alias}, "boss@corp.example", ""},
		"ORGANIZER alone makes nobody anything":     {olga, request("ORGANIZER:mailto:boss@corp.example"), nil, "olga@organizer.example", ""},
	} {
		organizer, code := read(c.from, c.data, c.acts...)
		if organizer != c.organizer || code != c.code {
			t.Errorf("%s: got %q %q", name, organizer, code)
		}
	}
}

// TestReplyTime: Outlook's own time of the answer, and clocks that run ahead.
func TestReplyTime(t *testing.T) {
	at := func(lines ...string) event.Revision {
		t.Helper()
		r := in.Interpret(mailOf(t, ann, calendar("REPLY", append([]string{"UID:" + uid, "SEQUENCE:3", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@corp.example"}, lines...)...)))
		if len(r.Actions) != 1 {
			t.Fatalf("got %+v", r)
		}
		c, _ := r.Actions[0].Command.(commands.RecordReply)
		return c.Reply
	}
	if got := at("DTSTAMP:20261101T000000Z", "X-MICROSOFT-CDO-REPLYTIME:20261120T110000Z"); got.DTStamp.Format("0102T15") != "1120T11" || got.Sequence != 3 {
		t.Errorf("got %+v", got)
	}
	if got := at("DTSTAMP:20991101T000000Z"); !got.DTStamp.Equal(when) {
		t.Errorf("got %+v", got)
	}
}

// FuzzInterpret: whatever a mail holds, reading it ends soon and what it asks for is well-formed.
func FuzzInterpret(f *testing.F) {
	f.Add([]byte(request("RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20261211T090000Z")), false)
	f.Add([]byte(reply("ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:bob@x.example\":mailto:ann@corp.example")), true)
	f.Add([]byte(calendar("COUNTER", "UID:"+uid, "DTSTART;TZID=tzone://Microsoft/Utc:20261205T090000", "ATTENDEE:mailto:ann@corp.example")), true)
	f.Fuzz(func(t *testing.T, data []byte, encoded bool) {
		part := "Content-Type: text/calendar\r\n\r\n" + string(data)
		if encoded {
			part = "Content-Type: application/ics\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(data)
		}
		msg, err := message.Parse([]byte("From: ann@corp.example\r\n" + part))
		if err != nil {
			return
		}
		begin := time.Now()
		r := in.Interpret(itip.Mail{Tenant: "t", From: ann, Message: msg, Received: when})
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("took %v for %d bytes", took, len(data))
		}
		if len(r.Actions) == 0 && r.Refusal == nil {
			t.Error("neither actions nor a reason")
		}
		if _, err := json.Marshal(r.Actions); err != nil { // what it asks for becomes facts, which are JSON
			t.Error(err)
		}
		for _, a := range r.Actions {
			switch c := a.Command.(type) {
			case commands.CreateEvent:
				if !event.ValidUID(c.UID) || c.OrganizerAddress != ann.Address {
					t.Errorf("got %+v", c)
				}
			case commands.RecordReply:
				if !event.ValidUID(c.EventUID) || !address.Valid(c.Address) || c.Reply.DTStamp.After(when.Add(25*time.Hour)) {
					t.Errorf("got %+v", c)
				}
			}
		}
	})
}
