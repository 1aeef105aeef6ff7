package whatif

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/internal/facts"
)

// Policy is what is tried instead of what there was; nil and empty: as it was.
type Policy struct {
	Events   *int           // of an organizer nobody pays for; 0: any number
	Invites  *int           // to an event in bulk; 0: any number
	Crashers event.Crashers // what becomes of answers of people who were never invited
	MailAuth string         // enforce, off
}

// Finding is somebody who would have been treated otherwise.
type Finding struct {
	Position uint64    `json:"position"`
	At       time.Time `json:"at"`
	Stream   string    `json:"stream"`
	Fact     string    `json:"fact"`
	Who      string    `json:"who"` // a person, an organizer or a mail
	Was      string    `json:"was"`
	Would    string    `json:"would"`
}

// Stretch is what of the log is looked at. What was before it counts towards limits.
type Stretch struct {
	Tenant       string
	Since, Until time.Time // zero: from the beginning, to the end
}

func (s Stretch) has(at time.Time) bool {
	return !at.Before(s.Since) && (s.Until.IsZero() || at.Before(s.Until))
}

// Replay goes through the log under another policy, and returns who would have been treated otherwise.
func Replay(ctx context.Context, log *facts.Log, p Policy, s Stretch, tell func(records int64)) ([]Finding, error) {
	r := replay{policy: p, stretch: s, organizers: map[string]organizer.State{}, invited: map[string]int{}}
	n := int64(0)
	_, err := facts.History{Log: log}.Each(ctx, func(rec facts.Recorded) error {
		if n++; n%1000 == 0 {
			tell(n)
		}
		meta, err := rec.Meta()
		if err != nil || meta.Tenant != s.Tenant {
			return err
		}
		was, would, who := r.weigh(rec)
		if would == "" || !s.has(rec.Created) {
			return nil
		}
		if rec.Fact, err = log.Open(ctx, rec); err != nil {
			return err
		}
		if text := address(rec.Fact); text != "" {
			who = text
		}
		r.found = append(r.found, Finding{rec.Position, rec.Created.UTC(), rec.Stream, rec.Fact.FactName(), who, was, would})
		return nil
	})
	return r.found, err
}

// replay is the state of what would have been.
type replay struct {
	policy     Policy
	stretch    Stretch
	organizers map[string]organizer.State // with the slots they would have
	invited    map[string]int             // in bulk, per event
	found      []Finding
}

// weigh says what a fact was and would have been; would is empty where it is the same.
func (r *replay) weigh(rec facts.Recorded) (was, would, who string) {
	switch f := rec.Fact.(type) {
	case organizer.EventSlotTaken:
		return r.slot(f.Ref, f.EventUID, true)
	case organizer.Fact:
		r.account(strings.TrimPrefix(rec.Stream, organizer.StreamPrefix), f)
	case event.EventDenied:
		if f.Reason == organizer.ErrLimit.Code {
			return r.slot(organizer.Ref{Tenant: f.Tenant, OrganizerID: f.OrganizerID}, f.UID, false)
		}
	case invitation.InviteRequested:
		return r.bulk(f.Ref, f.Origin, true)
	case invitation.InviteDenied:
		if f.Reason == event.ErrLimit.Code {
			return r.bulk(f.Ref, f.Origin, false)
		}
	case invitation.RsvpReceived:
		if f.Origin == invitation.Shared {
			return r.crasher("became an attendee", event.CrashersAdd, f.AttendeeID)
		}
	case invitation.CrasherTurnedAway:
		return r.crasher("was turned away", event.CrashersCancel, f.AttendeeID)
	case mail.MailHeld:
		if f.Reason == event.ErrCrasher.Code {
			return r.crasher("was held", event.CrashersHold, "mail "+f.MailID)
		}
		if f.Reason == itip.ErrUnproven.Code && r.policy.MailAuth == "off" {
			return "was held, as nothing proves its sender", "would have been handled", "mail " + f.MailID
		}
	case mail.MailAuthenticated:
		if r.policy.MailAuth == "enforce" && f.Verdict == mail.VerdictNone && f.Reason == "" {
			return "was believed without a look", "would have needed proof; whether it has some was not looked at then", "mail " + f.MailID
		}
	}
	return "", "", ""
}

// slot decides again whether an organizer gets an event.
func (r *replay) slot(ref organizer.Ref, uid string, had bool) (was, would, who string) {
	s := r.organizers[ref.OrganizerID]
	if r.policy.Events == nil {
		return "", "", ""
	}
	list, err := commands.TakeSlot{Organizer: ref, EventUID: uid, Limit: *r.policy.Events}.Decide(s)
	for _, f := range list {
		s = organizer.Evolve(s, f)
	}
	r.organizers[ref.OrganizerID] = s
	switch {
	case had && err != nil:
		return "had an event", fmt.Sprintf("would have been refused it: %v", err), ref.OrganizerID
	case !had && err == nil:
		return "was refused an event", "would have had it", ref.OrganizerID
	}
	return "", "", ""
}

// account follows what else happened to an organizer.
func (r *replay) account(id string, f organizer.Fact) {
	if r.policy.Events != nil {
		r.organizers[id] = organizer.Evolve(r.organizers[id], f)
	}
}

// bulk counts invitations in bulk again.
func (r *replay) bulk(ref invitation.Ref, origin invitation.Origin, had bool) (was, would, who string) {
	if r.policy.Invites == nil || !origin.InBulk() {
		return "", "", ""
	}
	fits := *r.policy.Invites == 0 || r.invited[ref.EventUID] < *r.policy.Invites
	if fits {
		r.invited[ref.EventUID]++
	}
	switch {
	case had && !fits:
		return "was invited", "would not have been: the event has no place left", ref.AttendeeID
	case !had && fits:
		return "was not invited: the event had no place left", "would have been", ref.AttendeeID
	}
	return "", "", ""
}

func (r *replay) crasher(was string, then event.Crashers, who string) (string, string, string) {
	if r.policy.Crashers == "" || r.policy.Crashers == then {
		return "", "", ""
	}
	return "answered without being invited, and " + was, map[event.Crashers]string{
		event.CrashersAdd: "would have become an attendee", event.CrashersHold: "would have been held until somebody decides", event.CrashersCancel: "would have been turned away",
	}[r.policy.Crashers], who
}

// address is who a fact is about, in their own words.
func address(f any) string {
	switch f := f.(type) {
	case invitation.InviteRequested:
		return f.Address
	case invitation.RsvpReceived:
		return f.Address
	case invitation.CrasherTurnedAway:
		return f.Address
	}
	return ""
}
