package notifier

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/order"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// view is what templates see. Strings and numbers are placeholders, too, by their names in lower case or as the tag says.
type view struct {
	Summary, Description, Location, When string
	Organizer, Name, UID                 string
	MailTo                               string // the organizer's address
	To                                   string // whom the mail is to
	Events                               int    // the organizer has
	EventLimit                           int    `as:"event_limit"` // and may have; 0: any number
	EventURL                             string `as:"event_url"`
	InviteURL                            string `as:"invite_url"`
	DashboardURL                         string `as:"dashboard_url"`
	SignInURL                            string `as:"sign_in_url"`
	RSVPURL                              string `as:"rsvp_url"` // where an attendee answers in a browser
	Reply                                string // address that answers go to
	UnsubscribeURL                       string `as:"unsubscribe_url"`
	Footer                               string
	Instance                             bool   // it is about one of a series
	Repeats                              string // how the series does, in the words of RFC 5545
	About                                string // whom a notice is about
	AboutAddress                         string `as:"about_address"`
	Proposed                             string
	ProposedLocation                     string `as:"proposed_location"`
	Comment                              string
	Answer                               string // an attendee's, so far
	Reason, Detail, Advice               string
	Quote                                string // of the mail a notice is about, its first lines
	Status                               string // of the event
	Changes                              []Change
	Counts                               []Count // of attendees, by answer
	Denied                               []Count // requests, by reason
	Attendees                            int
	Product, Order                       string
	Rows, Done, Accepted                 int // of a table of people
	Rejected, Duplicate, Suppressed      int
	Problems                             []Problem // the first of them
}

// Count is a number with what it counts.
type Count struct {
	Label string
	N     int64
}

// Problem is a row of a table that led to no invitation.
type Problem struct {
	Line   int
	Reason string
}

// maxProblems is how many a mail names; all of them are in the file attached to it.
const maxProblems = 10

func (c *Composer) view(l *letter) view {
	ev := l.event
	v := view{
		Summary: oneLine(ev.Content.Summary), Description: ev.Content.Description, Location: ev.Content.Location, When: recur.When(ev.Content.Start, ev.Content.End),
		Organizer: oneLine(ev.OrganizerName), Name: oneLine(l.to.Name), UID: ev.UID, MailTo: ev.OrganizerAddress, To: l.to.Address,
		EventURL: c.publicURL + "/event/" + ev.UID, DashboardURL: c.publicURL, Footer: cmp.Or(c.addresses.Settings(l.tenant).Footer, c.Footer), Reply: l.reply,
		Events: len(l.own.Slots), EventLimit: l.limit, Status: string(ev.Status), Answer: answer(l.partstat),
		Instance: l.instance != "", Repeats: recur.Repeats(ev.Content), About: oneLine(l.about.Name), AboutAddress: l.about.Address,
		Reason: l.reason, Detail: l.detail, Advice: advice[l.code], Quote: quote(l.original),
		Comment: l.counter.Comment, ProposedLocation: l.counter.Location,
		Product: oneLine(l.item.Name), Order: l.order.Number,
	}
	if l.own.Name != "" {
		v.Organizer = oneLine(l.own.Name)
	}
	if l.own.Address != "" {
		v.MailTo = l.own.Address
	}
	if l.unsub.link != "" {
		v.UnsubscribeURL = c.publicURL + "/unsubscribe/" + url.PathEscape(l.unsub.link)
	}
	if l.kind == string(notice.SignIn) {
		v.SignInURL = c.publicURL + "/s/" + url.PathEscape(l.code)
	}
	if l.unsub.rsvp != "" && !ev.Cancelled() {
		v.RSVPURL = c.publicURL + "/rsvp/" + url.PathEscape(l.unsub.rsvp)
	}
	if !l.counter.Start.IsZero() {
		v.Proposed = recur.When(l.counter.Start, l.counter.End)
	}
	if l.before.Exists {
		v.Changes = changes(l.before.At(l.instance, recur.Instance).Content, ev.Content)
	}
	if v.Summary == "" {
		v.Summary = "(no title)"
	}
	if v.Organizer == "" {
		v.Organizer = v.MailTo
	}
	if v.Name == "" {
		v.Name = l.to.Address
	}
	if v.About == "" {
		v.About = l.about.Address
	}
	v.InviteURL = v.EventURL + "/invite?email=EMAIL&name=NAME&origin=emailcta"
	v.count(l.numbers)
	v.table(l.bulk)
	return v
}

// count adds an event's counters.
func (v *view) count(n *Counts) {
	if n == nil {
		return
	}
	v.Attendees = int(n.Attendees)
	for _, status := range [][2]string{{"accepted", "Accepted"}, {"tentative", "Maybe"}, {"declined", "Declined"}, {"noaction", "No answer yet"}} {
		v.Counts = append(v.Counts, Count{status[1], n.RSVP[status[0]]})
	}
	for _, reason := range slices.Sorted(maps.Keys(n.Denied)) {
		v.Denied = append(v.Denied, Count{inWords(reason), n.Denied[reason]})
	}
}

// table adds what became of a table of people.
func (v *view) table(b bulk.State) {
	v.Rows, v.Done, v.Accepted = b.Rows, b.Done, b.Accepted
	for _, r := range b.Refused {
		switch bulk.KindOf(r.Reason) {
		case bulk.Duplicate:
			v.Duplicate++
			continue
		case bulk.Suppressed:
			v.Suppressed++
			continue
		default:
			v.Rejected++
		}
		if len(v.Problems) < maxProblems {
			v.Problems = append(v.Problems, Problem{r.Line, inWords(r.Reason)})
		}
	}
}

// inWords says a refusal's code as people would.
func inWords(code string) string {
	words := map[string]string{
		"already-invited": "invited already", "address-suppressed": "the address does not take mail", "unsubscribed": "they want no invitations",
		"organizer-blocked": "they want no invitations of yours", "invite-limit-reached": "the event's limit of bulk invitations is reached",
		"bulk-not-allowed": "your account may not send in bulk", "event-cancelled": "the event is cancelled", "event-over": "the event is over",
		"event-unknown": "there is no such event", "event-not-yours": "the event is not yours", "organizer-suspended": "your account is suspended",
	}
	if w := words[code]; w != "" {
		return w
	}
	return code
}

// answer says a PARTSTAT as people would.
func answer(partstat string) string {
	return map[string]string{"ACCEPTED": "yes", "DECLINED": "no", "TENTATIVE": "maybe"}[partstat]
}

// advice is what to do about a mail that could not be used, by the refusal's code.
var advice = map[string]string{
	"time-unresolved":     "Choose a named time zone for the event, and send the invitation again.",
	"tnef":                "In Outlook, send to Internet recipients as HTML instead of Rich Text, then invite this address again.",
	"no-calendar":         "Invite this address from your calendar, as you would invite a person; a plain mail does nothing.",
	"calendar-unreadable": "Make a new event in your calendar and invite this address again.",
	"method-unknown":      "Invite this address from your calendar, as you would invite a person.",
	"event-invalid":       "Correct the event in your calendar and send the invitation again.",
	"event-over":          "Only events that are still to come can be sent to people.",
	"event-cancelled":     "Send the invitation again to bring the event back first.",
	"event-unknown":       "Take the UID from the confirmation of your event.",
	"event-not-yours":     "Changes must come from the address that created the event.",
	"organizer-suspended": "Write to whoever runs this server.",
	"bulk-not-allowed":    "Ask whoever runs this server to allow it for your address.",
	"bulk-unreadable":     "Attach one CSV file with the columns uid, email and name, a row per person.",
	"range-unsupported":   "End the series in your calendar and send a new one.",
	"add-refused":         "Send the whole series again.",
	"instance-unknown":    "Send the whole series again.",
	"series-unknown":      "Send the whole series first.",
}

// quote is the beginning of what people wrote, to recognize it by.
func quote(raw []byte) string {
	_, body, ok := strings.Cut(strings.ReplaceAll(string(raw[:min(len(raw), 64<<10)]), "\r\n", "\n"), "\n\n")
	if !ok || strings.Contains(body, "Content-Type:") { // parts, encoded: nothing to recognize
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(body, "\uFFFD")), "\n")
	out := strings.Join(lines[:min(5, len(lines))], "\n")
	if r := []rune(out); len(r) > 400 {
		out = string(r[:400]) + " …"
	}
	return out
}

// sampleView has something in every field, to try templates with.
func sampleView() view {
	l := sampleLetter("update")
	c := &Composer{addresses: address.NewDirectory(address.NewBook("cis.example", ""), nil), publicURL: "https://cis.example", Footer: "Example Ltd, 1 Example Street"}
	return c.view(l)
}

// sampleTime is when samples are written.
var sampleTime = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// sampleLetter is a letter about an event that could be.
func sampleLetter(kind string) *letter {
	start := time.Date(2026, 12, 4, 17, 0, 0, 0, time.UTC)
	moment := func(t time.Time) event.Moment {
		return event.Moment{Local: t.Add(time.Hour).Format("2006-01-02T15:04:05"), TZID: "Europe/Berlin", UTC: t}
	}
	ev := event.State{
		Exists: true, UID: strings.Repeat("a1", 20), OrganizerAddress: "olga@example.com", OrganizerName: "Olga Example", Status: event.Confirmed, Revision: 2,
		ReplyTo: "rsvp+abcdefghijklmnopqrstuvwxyz234567@cis.example",
		Content: event.Content{
			Summary: "Summer party & games", Location: "The garden", Description: "Bring a chair.\nAnd a friend.",
			Start: moment(start), End: moment(start.Add(3 * time.Hour)),
		},
	}
	before := ev
	before.Content.Start, before.Content.End = moment(start.AddDate(0, 0, -1)), moment(start.AddDate(0, 0, -1).Add(3*time.Hour))
	l := &letter{
		kind: kind, to: person{"ann@example.com", "Ann Example"}, event: ev, before: before, partstat: "ACCEPTED", token: strings.Repeat("0123456789", 4), bounce: "sample",
		about: person{"bob@example.com", "Bob Example"}, code: "time-unresolved", reason: "a time in the calendar cannot be resolved", reply: "event+sample@cis.example",
		unsub: pass{link: "sample", rsvp: "sample", mail: "unsubscribe+sample@cis.example"}, original: []byte("From: Bob Example <bob@example.com>\r\nSubject: Late\r\n\r\nI come at nine.\r\n"),
		limit:   5,
		numbers: &Counts{Attendees: 120, RSVP: map[string]int64{"accepted": 80, "tentative": 10, "declined": 20, "noaction": 10}, Denied: map[string]int64{"already-invited": 3}},
		bulk:    bulk.State{Exists: true, Rows: 1000, Done: 1000, Accepted: 990, Refused: []bulk.Row{{Line: 7, Reason: "its email is not a mail address"}, {Line: 9, Reason: "already-invited"}}},
		item:    order.ItemOrdered{Name: "One year of events"}, order: order.State{Number: "1001"},
		file: &file{name: "attendees.csv", kind: "text/csv; charset=UTF-8", data: []byte("email,name,status,origin,prodid\r\nann@example.com,Ann,accepted,api,\r\n")},
	}
	l.own.Address, l.own.Name, l.own.Slots = ev.OrganizerAddress, ev.OrganizerName, map[string]bool{ev.UID: true}
	l.counter.Start, l.counter.End, l.counter.Comment, l.counter.Location = moment(start.AddDate(0, 0, 1)), moment(start.AddDate(0, 0, 1).Add(time.Hour)), "Friday is full.", "The hall"
	return l
}
