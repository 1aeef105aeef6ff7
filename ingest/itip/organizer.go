package itip

import (
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
)

// request is an event, a change of it, or one instance that is different (RFC 5546 §3.2.2). Whose event it is says the
// mail's sender, never ORGANIZER.
func (in Interpreter) request(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	switch {
	case in.Addresses.Accepts(ev.Organizer.Address):
		return Action{}, ErrOwn
	case len(ev.Problems) > 0:
		return Action{}, ErrTime.With(ev.Problems[0])
	}
	organizer, uid, err := in.event(m, ev)
	if err != nil {
		return Action{}, err
	}
	content := event.Content{
		Summary: clip(ev.Summary, maxText), Description: clip(ev.Description, maxLongText), Location: clip(ev.Location, maxText),
		Start: ev.Start, End: ev.End, Recurrence: ev.Recurrence,
	}
	if ev.Instance != "" {
		content.Recurrence = event.Recurrence{}
		return Action{Method: "REQUEST", EventUID: uid, Instance: ev.Instance, Command: commands.UpdateInstance{
			Tenant: m.Tenant, UID: uid, OrganizerID: organizer.ID, Instance: ev.Instance, Source: source(m, cal, ev), Content: content, Now: m.Received,
		}}, nil
	}
	c := commands.CreateEvent{
		Tenant: m.Tenant, UID: uid, OrganizerID: organizer.ID, OrganizerAddress: organizer.Address, OrganizerName: clip(organizer.Name, maxText),
		ReplyTo: in.Addresses.Of(m.Tenant).ReplyTo(in.Keys.Token("rsvp", m.Tenant, organizer.ID)),
		Source:  source(m, cal, ev), Content: content, Now: m.Received,
	}
	if ev.Organizer.Address != "" {
		c.OriginalOrganizerID, c.OriginalOrganizer = in.Keys.PersonID(m.Tenant, ev.Organizer.Address), clip(ev.Organizer.Address, maxText)
	}
	return Action{Method: "REQUEST", EventUID: uid, Command: c}, nil
}

// cancel calls an event or one instance off (RFC 5546 §3.2.5).
func (in Interpreter) cancel(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	organizer, uid, err := in.event(m, ev)
	if err != nil {
		return Action{}, err
	}
	a := Action{Method: "CANCEL", EventUID: uid, Instance: ev.Instance}
	if ev.Instance != "" {
		a.Command = commands.CancelInstance{Tenant: m.Tenant, UID: uid, OrganizerID: organizer.ID, Instance: ev.Instance, Source: source(m, cal, ev)}
	} else {
		a.Command = commands.CancelEvent{Tenant: m.Tenant, UID: uid, OrganizerID: organizer.ID, Source: source(m, cal, ev)}
	}
	return a, nil
}

// event is who organizes and which event of theirs it is.
func (in Interpreter) event(m Mail, ev ical.Event) (organizer Principal, uid string, err *fault.Error) {
	organizer, err = in.organizer(m, ev)
	return organizer, in.Keys.EventUID(m.Tenant, organizer.ID, sourceUID(ev.UID)), err
}

// organizer is whose event it is: the sender's, unless the address is an alias, or somebody's who may write for the
// organizer the calendar names (RFC 5545 §3.2.18). Who says that they write for somebody and may not is held.
func (in Interpreter) organizer(m Mail, ev ical.Event) (Principal, *fault.Error) {
	named := in.Keys.PersonID(m.Tenant, ev.Organizer.Address)
	for _, p := range m.From.Acts {
		if p.Alias || ev.Organizer.Address != "" && p.ID == named {
			return p, nil
		}
	}
	self := Principal{ID: in.Keys.PersonID(m.Tenant, m.From.Address), Address: m.From.Address, Name: m.From.Name}
	switch {
	case self.ID == named:
		if self.Name == "" {
			self.Name = ev.Organizer.Name
		}
	case address.Valid(ev.Organizer.Address) && address.SameMailbox(ev.Organizer.SentBy, m.From.Address):
		if !m.From.Vouched {
			return self, ErrDelegated
		}
		self = Principal{ID: named, Address: strings.ToLower(ev.Organizer.Address), Name: ev.Organizer.Name}
	}
	return self, nil
}

func source(m Mail, cal *ical.Calendar, ev ical.Event) event.Source {
	stamp := ev.DTStamp
	if stamp.IsZero() || stamp.After(m.Received.Add(24*time.Hour)) { // a clock that runs ahead must not make what follows look older
		stamp = m.Received.UTC()
	}
	return event.Source{UID: clip(sourceUID(ev.UID), maxText), ProdID: clip(cal.ProdID, 200), Revision: event.Revision{Sequence: ev.Sequence, DTStamp: stamp}}
}

// sourceUID makes UIDs that mean the same the same. QUIRK: Outlook's are hexadecimal in either case (MS-OXCICAL 2.1.3.1.1.20.26).
func sourceUID(uid string) string {
	const outlook = "040000008200E00074C5B7101A82E008"
	if len(uid) >= len(outlook) && strings.EqualFold(uid[:len(outlook)], outlook) {
		return strings.ToUpper(uid)
	}
	return uid
}

// What nobody needs the rest of, in bytes.
const (
	maxText     = 2_000
	maxLongText = 32_000
)

// clip cuts text that nobody needs the rest of, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
