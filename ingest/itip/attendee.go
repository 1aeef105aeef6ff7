package itip

import (
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
)

// reply matches by UID and ATTENDEE; ORGANIZER may be missing (QUIRK: Outlook.com and Exchange omit it, against
// RFC 5546 §3.2.3).
func (in Interpreter) reply(m Mail, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	for _, a := range ev.Attendees {
		status, ok := invitation.StatusOf(a.PartStat)
		if !address.Valid(a.Address) || !ok && a.PartStat != invitation.Delegated {
			continue
		}
		answer, err := in.answer(m, ev, a)
		if err != nil {
			return Action{}, err
		}
		if a.PartStat == invitation.Delegated {
			return in.delegate(answer, ev, a)
		}
		return Action{Method: "REPLY", EventUID: answer.EventUID, Instance: answer.Instance, Command: commands.RecordReply{
			Answer: answer, Status: status, ProdID: clip(cal.ProdID, 200), Comment: clip(ev.Comment, 4000), Vouched: m.From.Vouched,
		}}, nil
	}
	return Action{}, ErrNotReply
}

// delegate records that the attendee sends somebody else, and invites them (RFC 5546 §3.2.2.3).
func (in Interpreter) delegate(answer commands.Answer, ev ical.Event, a ical.Attendee) (Action, *fault.Error) {
	if len(a.DelegatedTo) != 1 || !address.Valid(a.DelegatedTo[0]) {
		return Action{}, invitation.ErrDelegate
	}
	to := strings.ToLower(a.DelegatedTo[0])
	name := ""
	for _, other := range ev.Attendees {
		if strings.EqualFold(other.Address, to) {
			name = other.Name
		}
	}
	id := in.Keys.PersonID(answer.Tenant, to)
	return Action{
		Method: "REPLY", EventUID: answer.EventUID, Command: commands.DelegateInvite{Answer: answer, DelegateID: id, Delegate: to},
		Then: &Action{Method: "REPLY", EventUID: answer.EventUID, Command: commands.RequestInvite{
			Tenant: answer.Tenant, EventUID: answer.EventUID, AttendeeID: id, Address: to, Name: clip(name, maxText), Origin: invitation.Shared,
		}},
	}, nil
}

// counter is a proposal (RFC 5546 §3.2.7).
func (in Interpreter) counter(m Mail, ev ical.Event) (Action, *fault.Error) {
	answer, err := in.asking(m, ev)
	if err != nil {
		return Action{}, err
	}
	if len(ev.Problems) > 0 {
		return Action{}, ErrTime.With(ev.Problems[0])
	}
	return Action{Method: "COUNTER", EventUID: answer.EventUID, Instance: answer.Instance, Command: commands.RecordCounter{
		Answer: answer, Start: ev.Start, End: ev.End, Location: clip(ev.Location, maxText), Comment: clip(ev.Comment, 4000),
	}}, nil
}

// refresh asks for the current version (RFC 5546 §3.2.6).
func (in Interpreter) refresh(m Mail, ev ical.Event) (Action, *fault.Error) {
	answer, err := in.asking(m, ev)
	if err != nil {
		return Action{}, err
	}
	return Action{Method: "REFRESH", EventUID: answer.EventUID, Command: commands.RequestResend{Answer: answer, Now: m.Received}}, nil
}

// asking is what a message says that asks for something, and its attendee: the one it names, or the sender among several.
func (in Interpreter) asking(m Mail, ev ical.Event) (commands.Answer, *fault.Error) {
	for _, a := range ev.Attendees {
		if address.Valid(a.Address) && (len(ev.Attendees) == 1 || address.SameMailbox(a.Address, m.From.Address) || address.SameMailbox(a.Address, m.From.Represents)) {
			return in.answer(m, ev, a)
		}
	}
	return commands.Answer{}, ErrNotReply
}

// answer is what every message of an attendee says, if it comes from them.
func (in Interpreter) answer(m Mail, ev ical.Event, a ical.Attendee) (commands.Answer, *fault.Error) {
	uid := strings.ToLower(ev.UID)
	if !event.ValidUID(uid) {
		return commands.Answer{}, event.ErrUnknown.With("its UID is none of ours")
	}
	sentBy, ok := in.speaksFor(m.From, a)
	if !ok {
		return commands.Answer{}, invitation.ErrProof
	}
	return commands.Answer{
		Tenant: m.Tenant, EventUID: uid, AttendeeID: in.Keys.PersonID(m.Tenant, a.Address),
		Address: strings.ToLower(a.Address), Name: clip(a.Name, maxText), Instance: ev.Instance,
		Reply: event.Revision{Sequence: ev.Sequence, DTStamp: replyTime(m, ev)}, SentBy: sentBy, Proof: m.From.Proof,
	}, nil
}

// speaksFor says whether a proven sender may answer for an attendee: it is them, a calendar service that names them, or
// somebody of their own organization whom the answer names as SENT-BY. Where nothing is checked, or somebody vouches,
// everybody may.
func (in Interpreter) speaksFor(from Sender, a ical.Attendee) (sentBy string, ok bool) {
	if a.SentBy != "" && !address.SameMailbox(a.SentBy, a.Address) && address.Valid(a.SentBy) {
		sentBy = strings.ToLower(a.SentBy)
	}
	switch {
	case from.Unproven || from.Vouched || from.Proof == "": // the unproven are refused as a whole, or released as a whole
		return sentBy, true
	case address.SameMailbox(from.Address, a.Address), address.SameMailbox(from.Represents, a.Address):
		return "", true
	case sentBy != "" && address.SameMailbox(from.Address, sentBy):
		return sentBy, address.SameOrganization(sentBy, a.Address)
	}
	return "", false
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
