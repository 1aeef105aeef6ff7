// Package itip turns a mail's calendar parts into commands (RFC 5546, RFC 6047). It is a pure table: the same mail and
// the same sender give the same commands, with no look at any state.
//
// Start reading at [Interpreter.Interpret].
package itip

import (
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/secret"
)

// Version of this reader; it is recorded with every mail it understood.
const Version = 1

// Why a mail leads to nothing.
var (
	ErrNoCalendar = &fault.Error{Kind: fault.Invalid, Code: "no-calendar", Title: "there is no calendar part in the mail"}
	ErrUnreadable = &fault.Error{Kind: fault.Invalid, Code: "calendar-unreadable", Title: "the calendar part cannot be read"}
	ErrMethod     = &fault.Error{Kind: fault.Invalid, Code: "method-unknown", Title: "the calendar's METHOD is none we act on"}
	ErrRecurring  = &fault.Error{Kind: fault.Invalid, Code: "recurring-unsupported", Title: "recurring events are not supported yet"}
	ErrTime       = &fault.Error{Kind: fault.Invalid, Code: "time-unresolved", Title: "a time in the calendar cannot be resolved"}
	ErrSender     = &fault.Error{Kind: fault.Invalid, Code: "sender-unknown", Title: "the mail does not say who it is from"}
	ErrOwn        = &fault.Error{Kind: fault.Conflict, Code: "own-mail", Title: "the mail is one of ours that came back"}
	ErrNotReply   = &fault.Error{Kind: fault.Invalid, Code: "reply-invalid", Title: "the reply does not say who answers what"}
)

// Mail is a mail to be interpreted.
type Mail struct {
	Tenant   string
	From     Sender
	Message  *message.Message
	Received time.Time
}

// Sender is who sent a mail, as far as that is proven.
type Sender struct {
	Address string // lower case
	Name    string
}

// Action is a command a mail leads to: commands.CreateEvent, commands.CancelEvent or commands.RecordReply. A reply's
// Event is left to be filled in.
type Action struct {
	Method   string
	EventUID string
	Command  any
}

// Interpreter knows the ids and addresses of an installation.
type Interpreter struct {
	Keys      secret.Keys
	Addresses address.Book
}

// Interpret returns the actions a mail leads to, one per UID in it, or why there are none.
func (in Interpreter) Interpret(m Mail) ([]Action, *fault.Error) {
	switch {
	case len(m.Message.Calendars) == 0:
		return nil, ErrNoCalendar
	case m.From.Address == "":
		return nil, ErrSender
	case in.Addresses.Accepts(m.From.Address):
		return nil, ErrOwn
	}
	var actions []Action
	var refused *fault.Error
	seen := map[string]bool{}
	for _, part := range m.Message.Calendars {
		cal, err := ical.Read(part.Data)
		if err != nil {
			refused = ErrUnreadable.With(err.Error())
			continue
		}
		method := cal.Method // the body's wins over the Content-Type's
		if method == "" {
			method = part.Method
		}
		for _, ev := range cal.Events {
			// text/calendar and application/ics of the same event are one action
			if key := method + "\n" + ev.UID + "\n" + string(ev.Instance); ev.UID == "" || seen[key] {
				continue
			} else {
				seen[key] = true
			}
			action, err := in.action(m, method, cal, ev)
			if err != nil {
				refused = err
				continue
			}
			actions = append(actions, action)
		}
	}
	if len(actions) > 0 {
		return actions, nil
	}
	if refused == nil {
		refused = ErrUnreadable.With("there is no event with a UID in it")
	}
	return nil, refused
}

func (in Interpreter) action(m Mail, method string, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	switch method {
	case "REPLY":
		return in.reply(m, cal, ev)
	case "REQUEST", "PUBLISH": // PUBLISH counts as REQUEST
		return in.request(m, cal, ev)
	case "CANCEL":
		return in.cancel(m, cal, ev)
	default:
		return Action{}, ErrMethod.With(method)
	}
}

func (in Interpreter) request(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	switch {
	case in.Addresses.Accepts(ev.Organizer.Address):
		return Action{}, ErrOwn
	case !ev.Recurrence.IsZero() || ev.Instance != "":
		return Action{}, ErrRecurring
	case len(ev.Problems) > 0:
		return Action{}, ErrTime.With(ev.Problems[0])
	}
	organizer := in.Keys.PersonID(m.Tenant, m.From.Address)
	uid := in.Keys.EventUID(m.Tenant, organizer, sourceUID(ev.UID))
	name := m.From.Name
	if name == "" && strings.EqualFold(ev.Organizer.Address, m.From.Address) {
		name = ev.Organizer.Name
	}
	c := commands.CreateEvent{
		Tenant: m.Tenant, UID: uid, OrganizerID: organizer, OrganizerAddress: m.From.Address, OrganizerName: name,
		ReplyTo: in.Addresses.ReplyTo(in.Keys.Token("rsvp", m.Tenant, organizer)),
		Source:  source(m, cal, ev),
		Content: event.Content{Summary: ev.Summary, Description: ev.Description, Location: ev.Location, Start: ev.Start, End: ev.End},
		Now:     m.Received,
	}
	if ev.Organizer.Address != "" {
		c.OriginalOrganizerID, c.OriginalOrganizer = in.Keys.PersonID(m.Tenant, ev.Organizer.Address), ev.Organizer.Address
	}
	return Action{Method: "REQUEST", EventUID: uid, Command: c}, nil
}

func (in Interpreter) cancel(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	if ev.Instance != "" {
		return Action{}, ErrRecurring
	}
	organizer := in.Keys.PersonID(m.Tenant, m.From.Address)
	uid := in.Keys.EventUID(m.Tenant, organizer, sourceUID(ev.UID))
	return Action{Method: "CANCEL", EventUID: uid, Command: commands.CancelEvent{
		Tenant: m.Tenant, UID: uid, OrganizerID: organizer, Source: source(m, cal, ev),
	}}, nil
}

// reply matches by UID and ATTENDEE; ORGANIZER may be missing (QUIRK: Outlook.com and Exchange omit it, against
// RFC 5546 §3.2.3).
func (in Interpreter) reply(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	uid := strings.ToLower(ev.UID)
	if !event.ValidUID(uid) {
		return Action{}, event.ErrUnknown.With("its UID is none of ours")
	}
	if ev.Instance != "" {
		return Action{}, ErrRecurring
	}
	for _, a := range ev.Attendees {
		status, ok := invitation.StatusOf(a.PartStat)
		if !ok || !address.Valid(a.Address) {
			continue
		}
		return Action{Method: "REPLY", EventUID: uid, Command: commands.RecordReply{
			Tenant: m.Tenant, EventUID: uid, AttendeeID: in.Keys.PersonID(m.Tenant, a.Address),
			Address: strings.ToLower(a.Address), Name: a.Name, Status: status, ProdID: clip(cal.ProdID, 200), Comment: clip(ev.Comment, 4000),
			Reply: event.Revision{Sequence: ev.Sequence, DTStamp: replyTime(m, ev)},
		}}, nil
	}
	return Action{}, ErrNotReply
}

func source(m Mail, cal *ical.Calendar, ev ical.Event) event.Source {
	stamp := ev.DTStamp
	if stamp.IsZero() {
		stamp = m.Received.UTC()
	}
	return event.Source{UID: sourceUID(ev.UID), ProdID: clip(cal.ProdID, 200), Revision: event.Revision{Sequence: ev.Sequence, DTStamp: stamp}}
}

// replyTime is when the attendee answered. A clock that runs far ahead must not make later answers look older.
func replyTime(m Mail, ev ical.Event) time.Time {
	t := ev.DTStamp
	if !ev.ReplyTime.IsZero() { // QUIRK: Outlook stamps replies with the request's DTSTAMP
		t = ev.ReplyTime
	}
	if t.IsZero() || t.After(m.Received.Add(24*time.Hour)) {
		t = m.Received.UTC()
	}
	return t
}

// sourceUID makes UIDs that mean the same the same. QUIRK: Outlook's are hexadecimal in either case (MS-OXCICAL 2.1.3.1.1.20.26).
func sourceUID(uid string) string {
	const outlook = "040000008200E00074C5B7101A82E008"
	if len(uid) >= len(outlook) && strings.EqualFold(uid[:len(outlook)], outlook) {
		return strings.ToUpper(uid)
	}
	return uid
}

// clip cuts text that nobody needs the rest of, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
