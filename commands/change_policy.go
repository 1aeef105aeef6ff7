package commands

import "github.com/calendar-invite-server/cis/domain/event"

// ChangePolicy says how answers of people who were never invited are taken.
type ChangePolicy struct {
	UID      string
	Crashers event.Crashers
}

// Stream is the event's.
func (c ChangePolicy) Stream() string { return event.Stream(c.UID) }

// Decide changes the policy.
func (c ChangePolicy) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case c.Crashers != event.CrashersAdd && c.Crashers != event.CrashersHold && c.Crashers != event.CrashersCancel:
		return nil, event.ErrPolicy
	case c.Crashers == s.Crashers, c.Crashers == event.CrashersAdd && s.Crashers == "":
		return nil, nil
	}
	return []event.Fact{event.EventPolicyChanged{Tenant: s.Tenant, UID: s.UID, Crashers: c.Crashers}}, nil
}
