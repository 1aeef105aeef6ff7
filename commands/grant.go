package commands

import (
	"context"
	"errors"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/eventstore"
)

// Limits are what an installation allows where nobody said otherwise.
type Limits struct {
	Events  int // of an organizer that nobody pays for; 0: any number
	Invites int // bulk invitations to an event; 0: any number
}

// limitsOf are a tenant's: its own, or the installation's.
func (h *Handler) limitsOf(ctx context.Context, code string) (Limits, error) {
	l := h.limits
	t, err := h.Tenant(ctx, code)
	if errors.Is(err, tenant.ErrUnknown) {
		return l, nil
	}
	if t.Settings.Events != nil {
		l.Events = *t.Settings.Events
	}
	if t.Settings.Invites != nil {
		l.Invites = *t.Settings.Invites
	}
	return l, err
}

// EventLimit is how many events an account may have; 0: any number.
func (h *Handler) EventLimit(ctx context.Context, s organizer.State) (int, error) {
	limits, err := h.limitsOf(ctx, s.Tenant)
	free := s.Free(limits.Events)
	if free < 0 || err != nil {
		return 0, err
	}
	return free + len(s.Slots), nil
}

// CreateEvent carries out the command. A new event takes one of its organizer's slots first, on the organizer's own
// stream, so that the limit is strict; both streams are derived, so that a redelivery completes what a crash left half
// done. What is refused for the account's sake is recorded on the event's stream.
func (h *Handler) CreateEvent(ctx context.Context, meta Meta, c CreateEvent) (Done, error) {
	limits, err := h.limitsOf(ctx, c.Tenant)
	if err != nil {
		return Done{}, err
	}
	c.InviteLimit = limits.Invites
	seen, err := load(ctx, h.log, c.Stream(), event.Evolve)
	if err != nil {
		return Done{}, err
	}
	if facts, err := c.Decide(seen.State); err != nil || len(facts) == 0 { // nothing an account would matter to
		return Done{}, err
	}
	if seen.State.Exists {
		err = h.Active(ctx, c.OrganizerID)
	} else {
		_, err = h.ForOrganizer(ctx, Aside(meta, "slot"), TakeSlot{
			Organizer: organizer.Ref{Tenant: c.Tenant, OrganizerID: c.OrganizerID}, Address: c.OrganizerAddress, Name: c.OrganizerName,
			EventUID: c.UID, Limit: limits.Events,
		})
	}
	if why, refused := fault.From(err); refused {
		if _, err := h.ForEvent(ctx, Aside(meta, "denied"), DenyEvent{Tenant: c.Tenant, UID: c.UID, OrganizerID: c.OrganizerID, Reason: why.Code}); err != nil {
			return Done{}, err
		}
	}
	if err != nil {
		return Done{}, err
	}
	return h.ForEvent(ctx, meta, c)
}

// Active fails with [organizer.ErrSuspended] if an account may not act.
func (h *Handler) Active(ctx context.Context, organizerID string) error {
	account, err := h.Organizer(ctx, organizerID)
	if err == nil && account.Suspended {
		err = organizer.ErrSuspended
	}
	return err
}

// RequestInvite verifies and carries out the command. Nearly always it is the first about its invitation, so that is
// assumed; the append finds out if it is not. Bulk origins need a slot of the event, one of those given or, without
// any, one from the desk.
func (h *Handler) RequestInvite(ctx context.Context, meta Meta, c RequestInvite, slots *Slots) (Done, error) {
	if err := h.look(ctx, &c); err != nil {
		return Done{}, err
	}
	seen := Invitation{Revision: eventstore.NoStream}
	taken := false
	if c.Origin.InBulk() && c.Event.InviteLimit > 0 {
		var err error
		if seen, err = h.Invitation(ctx, c.EventUID, c.AttendeeID); err != nil {
			return Done{}, err
		}
		if c.needsSlot(seen.State) {
			if slots != nil {
				taken = slots.take()
			} else if taken, err = h.takeSlot(ctx, meta, c.EventUID); err != nil {
				return Done{}, err
			}
			c.Standing.NoSlot = !taken
		}
	}
	done, err := handleFrom(ctx, h, meta, invitation.Evolve, Command[invitation.State, invitation.Fact](c), seen)
	if _, granted := done.Last.(invitation.InviteRequested); taken && err == nil && !granted { // somebody else invited them meanwhile
		if slots != nil {
			slots.put()
		} else {
			err = h.returnSlot(context.WithoutCancel(ctx), meta, c.EventUID)
		}
	}
	return done, err
}

// WouldInvite decides what RequestInvite would, now, and records nothing: the fact that would follow, if any, and whether it
// takes one of the event's places in bulk, of which there is one left or not.
func (h *Handler) WouldInvite(ctx context.Context, c RequestInvite, place bool) (fact invitation.Fact, takes bool, err error) {
	if err := h.look(ctx, &c); err != nil {
		return nil, false, err
	}
	seen, err := h.Invitation(ctx, c.EventUID, c.AttendeeID)
	if err != nil {
		return nil, false, err
	}
	needs := c.needsSlot(seen.State)
	c.Standing.NoSlot = needs && !place
	list, err := c.Decide(seen.State)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	_, granted := list[0].(invitation.InviteRequested)
	return list[0], needs && granted, nil
}

// look finds out who an invitation is between.
func (h *Handler) look(ctx context.Context, c *RequestInvite) error {
	who, err := load(ctx, h.log, recipient.Stream(c.AttendeeID), recipient.Evolve)
	if err != nil {
		return err
	}
	c.Standing.Recipient = who.State
	c.Standing.Organizer, err = h.Organizer(ctx, c.Event.OrganizerID)
	return err
}
