package main

import (
	"context"

	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"time"
)

// numbers gives the notifier, which knows no read models, what its reports are made of.
type numbers struct {
	statistics *statistics.Reader
	attendees  *attendees.Reader
	log        *facts.Log
}

func newNumbers(p *parts) numbers {
	return numbers{statistics: statistics.NewReader(p.pool), attendees: attendees.NewReader(p.pool), log: p.facts}
}

// Counts are an event's.
func (n numbers) Counts(ctx context.Context, tenant, uid string) (notifier.Counts, error) {
	s, err := n.statistics.Event(ctx, tenant, uid)
	return notifier.Counts{Attendees: s.Attendees, RSVP: s.RSVP, Denied: s.Denied}, err
}

// Attendees are an event's.
func (n numbers) Attendees(ctx context.Context, tenant, uid string, each func(notifier.Attendee) error) error {
	return n.attendees.Each(ctx, tenant, uid, func(a attendees.Attendee) error {
		return each(notifier.Attendee{Email: a.Address, Name: a.Name, Status: a.Status, Origin: a.Origin, ProdID: a.ProdID})
	})
}

// Table are the rows of a mail's table.
func (n numbers) Table(ctx context.Context, bulkID string, each func(line int, uid, email, name string) error) error {
	raw, err := n.log.LoadRaw(ctx, bulkID)
	if err != nil {
		return err
	}
	table, err := bulk.TableOf(raw)
	if err != nil {
		return err
	}
	for row := range bulk.Rows(table) {
		if err := each(row.Line, row.UID, row.Email, row.Name); err != nil {
			return err
		}
	}
	return nil
}

// composer writes mails as the configuration says.
func (c *Config) composer(book *address.Directory, publicURL string) *notifier.Composer {
	composer := notifier.NewComposer(book, publicURL, c.dkim, c.templates)
	composer.Alarm = time.Duration(c.Alarm) * time.Minute
	composer.Sender, composer.Footer, composer.Language, composer.Test = c.Sender, c.Footer, c.Language, c.Test
	return composer
}
