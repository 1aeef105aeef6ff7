// Package itip turns a mail's calendar parts into commands (RFC 5546, RFC 6047). It is a pure table: the same mail and
// the same sender give the same commands, with no look at any state.
//
// Start reading at [Interpreter.Interpret].
package itip

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/secret"
)

// Version of this reader; it is recorded with every mail it understood.
const Version = 3

// maxActions bounds what one mail may ask for.
const maxActions = 200

// Why a mail leads to nothing.
var (
	ErrNoCalendar = &fault.Error{Kind: fault.Invalid, Code: "no-calendar", Title: "there is no calendar part in the mail"}
	ErrUnreadable = &fault.Error{Kind: fault.Invalid, Code: "calendar-unreadable", Title: "the calendar part cannot be read"}
	ErrTNEF       = &fault.Error{Kind: fault.Invalid, Code: "tnef", Title: "the invitation came as winmail.dat, which only Outlook can read; send it as iCalendar (in Outlook: do not use Rich Text for Internet recipients)"}
	ErrMethod     = &fault.Error{Kind: fault.Invalid, Code: "method-unknown", Title: "the calendar's METHOD is none we act on"}
	ErrAdd        = &fault.Error{Kind: fault.Invalid, Code: "add-refused", Title: "instances cannot be added with METHOD:ADD; send the whole series again"}
	ErrRange      = &fault.Error{Kind: fault.Invalid, Code: "range-unsupported", Title: "this-and-following changes are not understood; end the series and send a new one"}
	ErrTime       = &fault.Error{Kind: fault.Invalid, Code: "time-unresolved", Title: "a time in the calendar cannot be resolved"}
	ErrSender     = &fault.Error{Kind: fault.Invalid, Code: "sender-unknown", Title: "the mail does not say who it is from"}
	ErrUnproven   = &fault.Error{Kind: fault.Forbidden, Code: "sender-unproven", Title: "nothing proves that the mail comes from whom it says"}
	ErrDelegated  = &fault.Error{Kind: fault.Forbidden, Code: "organizer-delegated", Title: "the sender writes in the name of an organizer who has not let them"}
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

// Sender is who sent a mail, and how that is known.
type Sender struct {
	Address    string // lower case
	Name       string
	Unproven   bool   // nothing supports the address
	Proof      string // what does, like "dkim example.com"; empty: nothing was checked
	Represents string // whom a calendar service writes for, beside Address: Google's answers come from its own address
	Vouched    bool   // somebody looked at the mail and released it

	Acts []Principal // organizers the address speaks for besides its own
}

// Principal is an organizer.
type Principal struct {
	ID      string
	Address string
	Name    string
	Alias   bool // the sender's address is another one of theirs; else the sender writes for them where the calendar says so
}

// Reading is what a mail was understood to say.
type Reading struct {
	Calendars []*ical.Calendar // that could be read
	Damaged   bool             // a calendar part could not
	Actions   []Action
	Refusal   *fault.Error // why there are none
	Notes     []string     // what was strange and could be got over

	declared []string // METHOD of the Content-Type of each of the calendars
}

// Action is a command a mail leads to. Commands about invitations lack the event's state, to be filled in.
type Action struct {
	Method   string
	EventUID string
	Instance event.InstanceID
	Command  any
	Then     *Action // if the command was not refused
}

// Interpreter knows the ids and addresses of an installation.
type Interpreter struct {
	Keys      secret.Keys
	Addresses *address.Directory
}

// Interpret returns the actions a mail leads to, one per UID and instance in it, or why there are none.
func (in Interpreter) Interpret(m Mail) Reading {
	r := Reading{}
	in.read(m, &r)
	switch {
	case in.Ours(m.Message.Loop), in.Addresses.Accepts(m.From.Address):
		r.Refusal = ErrOwn
	case len(m.Message.Calendars) == 0 && m.Message.TNEF:
		r.Refusal = ErrTNEF
	case len(m.Message.Calendars) == 0:
		r.Refusal = ErrNoCalendar
	case m.From.Address == "":
		r.Refusal = ErrSender
	}
	if r.Refusal != nil {
		return r
	}
	seen := map[string]bool{}
	var refused *fault.Error
	for i, cal := range r.Calendars {
		method := r.method(i)
		// the series before its exceptions
		events := slices.Clone(cal.Events)
		slices.SortStableFunc(events, func(a, b ical.Event) int { return min(1, len(a.Instance)) - min(1, len(b.Instance)) })
		for _, ev := range events {
			// text/calendar and application/ics of the same event are one action
			if key := method + "\n" + sourceUID(ev.UID) + "\n" + string(ev.Instance); ev.UID == "" || seen[key] {
				continue
			} else {
				seen[key] = true
			}
			if len(r.Actions) == maxActions {
				r.Notes = append(r.Notes, "there is more in it than one mail may ask for; the rest was left out")
				break
			}
			action, err := in.action(m, method, cal, ev)
			if err != nil {
				refused = err
				continue
			}
			r.Actions = append(r.Actions, action)
		}
	}
	switch {
	case len(r.Actions) > 0 && m.From.Unproven && !m.From.Vouched:
		r.Actions, r.Refusal = nil, ErrUnproven
	case len(r.Actions) == 0 && refused != nil:
		r.Refusal = refused
	case len(r.Actions) == 0:
		r.Refusal = ErrUnreadable.With("there is no event with a UID in it")
	}
	return r
}

// Organizes says whether a mail asks for something that only an organizer can.
func (r Reading) Organizes() bool {
	return slices.ContainsFunc(r.Actions, func(a Action) bool {
		switch a.Command.(type) {
		case commands.CreateEvent, commands.CancelEvent, commands.UpdateInstance, commands.CancelInstance:
			return true
		}
		return false
	})
}

func (in Interpreter) read(m Mail, r *Reading) {
	for _, part := range m.Message.Calendars {
		all, err := ical.ReadAll(part.Data)
		if err != nil {
			r.Damaged = true
			r.Notes = append(r.Notes, err.Error())
			continue
		}
		for _, cal := range all {
			r.Calendars, r.declared = append(r.Calendars, cal), append(r.declared, part.Method)
			r.Notes = append(r.Notes, cal.Problems...)
		}
	}
}

// method is the calendar's own METHOD; that of the Content-Type only where there is none.
func (r *Reading) method(i int) string {
	cal, declared := r.Calendars[i], r.declared[i]
	if cal.Method != "" {
		if declared != "" && declared != cal.Method {
			r.Notes = append(r.Notes, "the Content-Type says METHOD "+declared+", the calendar "+cal.Method+"; the calendar counts")
		}
		return cal.Method
	}
	return declared
}

// action is the table of methods (RFC 5546 §3.2).
func (in Interpreter) action(m Mail, method string, cal *ical.Calendar, ev ical.Event) (Action, *fault.Error) {
	if ev.ThisAndNext {
		return Action{}, ErrRange
	}
	if _, _, ok := ev.Instance.Time(); ev.Instance != "" && !ok {
		return Action{}, ErrTime.With(ev.Problems[0])
	}
	switch method {
	case "REQUEST", "PUBLISH": // PUBLISH counts as REQUEST
		if ev.Status == "CANCELLED" { // QUIRK: some clients cancel by a REQUEST with STATUS:CANCELLED
			return in.cancel(m, cal, ev)
		}
		return in.request(m, cal, ev)
	case "CANCEL":
		return in.cancel(m, cal, ev)
	case "REPLY":
		return in.reply(m, cal, ev)
	case "COUNTER":
		return in.counter(m, ev)
	case "REFRESH":
		return in.refresh(m, ev)
	case "ADD":
		return Action{}, ErrAdd
	case "":
		return Action{}, ErrMethod.With("there is none")
	default:
		return Action{}, ErrMethod.With(clip(method, 40))
	}
}

// Ours says whether a domain is one of the server's own: what comes back from there we sent.
func (in Interpreter) Ours(domain string) bool {
	_, ours := in.Addresses.At(domain)
	return domain != "" && ours
}
