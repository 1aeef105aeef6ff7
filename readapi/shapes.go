package readapi

import (
	"html"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
)

// The shapes of the published API. Callers rely on every name in here; times are Unix seconds.

type publishedEvent struct {
	UID               string `json:"uid"`
	Created           int64  `json:"created"`
	DescriptionHTML   string `json:"description_html"`
	DTEnd             int64  `json:"dtend"`
	DTStart           int64  `json:"dtstart"`
	LastModified      int64  `json:"last_modified"`
	LocationHTML      string `json:"location_html"`
	MailTo            string `json:"mailto"`
	OriginalOrganizer string `json:"original_organizer"`
	Organizer         string `json:"organizer"`
	ProdID            string `json:"prodid"`
	Sequence          int    `json:"sequence"`
	Status            string `json:"status"`
	SummaryHTML       string `json:"summary_html"`
	RRule             string `json:"rrule,omitempty"` // of a series
}

// publishedInstance is a date of a series. Its name is what the instance parameter of other routes takes.
type publishedInstance struct {
	Instance     string `json:"instance"`
	Status       string `json:"status"`
	DTStart      int64  `json:"dtstart"`
	DTEnd        int64  `json:"dtend"`
	SummaryHTML  string `json:"summary_html"`
	LocationHTML string `json:"location_html"`
}

func newInstancesBody(ev events.Event, exceptions map[event.InstanceID]events.Exception, from time.Time, limit int) []publishedInstance {
	list := []publishedInstance{}
	if !ev.Repeats {
		return list
	}
	for start := range recur.Starts(ev.Times) {
		if len(list) == limit {
			break
		}
		at := event.Moment{UTC: start, Local: "x", AllDay: ev.Times.Start.AllDay}
		e := exceptions[at.Instance()]
		c := recur.Instance(ev.Times, at.Instance())
		c.Summary, c.Location = ev.Summary, ev.Location
		if e.Content != nil {
			c = *e.Content
		}
		if c.End.UTC.Before(from) {
			continue
		}
		b := publishedInstance{
			Instance: string(at.Instance()), Status: ev.Status, DTStart: c.Start.UTC.Unix(), DTEnd: c.End.UTC.Unix(), SummaryHTML: escaped(c.Summary), LocationHTML: escaped(c.Location),
		}
		if e.Cancelled {
			b.Status = string(event.Cancelled)
		}
		list = append(list, b)
	}
	return list
}

func newPublishedEvent(ev events.Event, people map[string]attendees.Person) publishedEvent {
	mailto, name := organizerOf(ev, people)
	return publishedEvent{
		RRule: ev.Times.Recurrence.Rule,
		UID:   ev.UID, Created: ev.Created.Unix(), DescriptionHTML: escaped(ev.Description), DTEnd: ev.Ends.Unix(), DTStart: ev.Starts.Unix(),
		LastModified: ev.Changed.Unix(), LocationHTML: escaped(ev.Location), MailTo: mailto, Organizer: name,
		OriginalOrganizer: people[ev.OriginalOrganizerID].Address, ProdID: ev.ProdID, Sequence: ev.Sequence, Status: ev.Status,
		SummaryHTML: escaped(ev.Summary),
	}
}

type publishedListedEvent struct {
	UID             string `json:"uid"`
	MailTo          string `json:"mailto"`
	Organizer       string `json:"organizer"`
	Status          string `json:"status"`
	Created         int64  `json:"created"`
	DTStart         int64  `json:"dtstart"`
	DTEnd           int64  `json:"dtend"`
	SummaryHTML     string `json:"summary_html"`
	DescriptionHTML string `json:"description_html"`
	LocationHTML    string `json:"location_html"`
}

func newEventItem(ev events.Event, people map[string]attendees.Person) publishedListedEvent {
	mailto, name := organizerOf(ev, people)
	return publishedListedEvent{
		UID: ev.UID, MailTo: mailto, Organizer: name, Status: ev.Status, Created: ev.Created.Unix(), DTStart: ev.Starts.Unix(),
		DTEnd: ev.Ends.Unix(), SummaryHTML: escaped(ev.Summary), DescriptionHTML: escaped(ev.Description), LocationHTML: escaped(ev.Location),
	}
}

// organizerOf is the organizer's address and display name, which is the address if they have none.
func organizerOf(ev events.Event, people map[string]attendees.Person) (mailto, name string) {
	p := people[ev.OrganizerID]
	if p.Name == "" {
		return p.Address, p.Address
	}
	return p.Address, p.Name
}

// escaped is text as HTML: never markup that came in a mail.
func escaped(s string) string {
	return strings.ReplaceAll(html.EscapeString(strings.ReplaceAll(s, "\r\n", "\n")), "\n", "<br>")
}

type publishedStatistics struct {
	Attendees int64            `json:"attendees"`
	RSVP      map[string]int64 `json:"rsvp"`
	Origin    map[string]int64 `json:"origin"`
	ProdID    map[string]int64 `json:"prodid"`

	// The documented summary of the same.
	EventID       string `json:"event_id"`
	AttendeeCount int64  `json:"attendee_count"`
	Confirmed     int64  `json:"rsvp_confirmed"`
	Declined      int64  `json:"rsvp_declined"`
	Pending       int64  `json:"rsvp_pending"` // neither yes nor no: noaction and tentative
}

func newStatisticsBody(uid string, s statistics.Statistics) publishedStatistics {
	return publishedStatistics{
		Attendees: s.Attendees, RSVP: s.RSVP, Origin: s.Origin, ProdID: s.ProdID,
		EventID: uid, AttendeeCount: s.Attendees, Confirmed: s.RSVP["accepted"], Declined: s.RSVP["declined"],
		Pending: s.RSVP["noaction"] + s.RSVP["tentative"],
	}
}

type publishedTotals struct {
	Events    int64            `json:"events"`
	Attendees int64            `json:"attendees"`
	RSVP      map[string]int64 `json:"rsvp"`
	Origin    map[string]int64 `json:"origin"`
	ProdID    map[string]int64 `json:"prodid"`
}

func newSystemStatisticsBody(s statistics.Statistics) publishedTotals {
	return publishedTotals{Events: s.Events, Attendees: s.Attendees, RSVP: s.RSVP, Origin: s.Origin, ProdID: s.ProdID}
}

type publishedAttendee struct {
	Attendee string `json:"attendee"`
	Name     string `json:"name"`
	Status   string `json:"status"`
	Origin   string `json:"origin"`
	ProdID   string `json:"prodid"`

	Stale         bool   `json:"stale,omitempty"`         // the answer is to an older version of the event
	Undeliverable bool   `json:"undeliverable,omitempty"` // their mail came back
	Comment       string `json:"comment,omitempty"`
}

func newAttendeesBody(list []attendees.Attendee) []publishedAttendee {
	out := make([]publishedAttendee, 0, len(list))
	for _, a := range list {
		out = append(out, publishedAttendee{Attendee: maskAddress(a.Address), Name: maskName(a.Name), Status: a.Status, Origin: a.Origin, ProdID: a.ProdID, Stale: a.Stale, Undeliverable: a.Bounced, Comment: a.Comment})
	}
	return out
}

const mask = "*******"

// maskAddress keeps the first character and the domain.
func maskAddress(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok {
		return maskName(s)
	}
	return maskName(local) + "@" + domain
}

func maskName(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 || r == utf8.RuneError {
		return mask
	}
	return string(r) + mask
}
