package notifier

import (
	"context"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/google/uuid"
)

// remind has everybody reminded of the events whose time it is. The ledger only wakes us: whether a reminder is due says
// the event's stream, so that it is asked for once whatever crashes.
func (c *Couriers) remind(ctx context.Context) error {
	for {
		list, err := c.claims.alarms(ctx, 100)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, a := range list {
			if err := c.remindOf(ctx, a); err != nil {
				return err
			}
		}
	}
}

func (c *Couriers) remindOf(ctx context.Context, a alarm) error {
	now := c.opts.Now()
	ev, err := c.opts.Handler.FreshEvent(ctx, a.UID)
	if err != nil {
		return err
	}
	if len(c.opts.Reminders) > 0 || ev.Reminders != nil {
		meta := commands.From("reminder", a.Tenant, uuid.NewString(), 0)
		_, err := c.opts.Handler.ForEvent(ctx, meta, commands.RemindAttendees{UID: a.UID, Default: c.opts.Reminders, Since: a.Since, Now: now})
		if err != nil {
			return err
		}
	}
	return c.claims.looked(ctx, a, commands.NextReminder(ev, c.opts.Reminders, now))
}
