package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/calendar-invite-server/cis/projections/events"
	"golang.org/x/sync/errgroup"
)

// unneeded refuses to erase somebody whose address is still needed.
func (e Eraser) unneeded(ctx context.Context, c Certificate) error {
	var why []string
	m, err := e.Handler.Member(ctx, c.Person)
	if err != nil {
		return err
	}
	if m.Role != "" {
		why = append(why, "they have the role "+string(m.Role)+": take it away first")
	}
	i, err := e.Handler.Identity(ctx, c.Person)
	if err != nil {
		return err
	}
	if len(i.Links) > 0 {
		why = append(why, "their address speaks for an organizer: `cis organizers unlink` first")
	}
	ahead, err := events.NewReader(e.Pool).Find(ctx, c.Tenant, events.Filter{OrganizerID: c.Person, Status: "confirmed", From: time.Now(), Limit: 100})
	if err != nil {
		return err
	}
	if len(ahead) > 0 {
		why = append(why, fmt.Sprintf("they organize %d events that are not over, of which the first is %s: cancel them, or wait", len(ahead), ahead[0].UID))
	}
	if len(why) > 0 {
		return ErrNeeded.With(strings.Join(why, "; "))
	}
	return nil
}

// found is what a search through the log finds.
type found struct {
	mails   []string // that name them, by id
	byName  []string // that only say their name
	pending []string // why they cannot be erased yet
}

// search goes through the log for their names, and through the bytes of all mails for their address and names.
func (e Eraser) search(ctx context.Context, r Request, person string) (f found, err error) {
	open := map[string]string{} // mails of the tenant: "", waiting, held
	var names []string
	e.tell("reading the log")
	_, err = facts.History{Log: e.Facts}.Each(ctx, func(rec facts.Recorded) error {
		switch fact := rec.Fact.(type) {
		case mail.MailReceived:
			if fact.Tenant == r.Tenant {
				open[fact.MailID] = "is not handled yet: try again"
			}
		case mail.MailHeld:
			open[fact.MailID] = "is held: `cis mail held release` or `cis mail held drop` first"
		case mail.MailHandled:
			open[fact.MailID] = ""
		case mail.MailDropped:
			open[fact.MailID] = ""
		}
		if !slices.Contains(facts.Whose([]facts.Recorded{rec}), person) {
			return nil
		}
		personal, err := e.Facts.Personal(ctx, rec)
		for _, p := range personal {
			if p.Whose == person && strings.HasSuffix(p.Field, "Name") && fullName(p.Text) && !slices.Contains(names, p.Text) {
				names = append(names, p.Text)
			}
		}
		return err
	})
	if err != nil {
		return f, err
	}
	ids := make([]string, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if err := e.searchMails(ctx, r, ids, names, &f); err != nil {
		return f, err
	}
	for _, id := range f.mails {
		if why := open[id]; why != "" {
			f.pending = append(f.pending, "mail "+id+", which names them, "+why)
			continue
		}
		table, err := e.Handler.Bulk(ctx, id)
		if err != nil {
			return f, err
		}
		if table.Exists && !table.Finished && !table.Stopped {
			f.pending = append(f.pending, "table "+id+", which names them, is still being worked off: wait, or `cis bulk stop`")
		}
	}
	return f, nil
}

// fullName says whether a name is one that few others have.
func fullName(name string) bool { return len(strings.Fields(name)) > 1 }

func (e Eraser) searchMails(ctx context.Context, r Request, ids, names []string, f *found) error {
	addresses := message.NewMentioned(r.Address)
	byName := message.Mentioned{}
	if len(names) > 0 {
		byName = message.NewMentioned(names...)
	}
	var mu sync.Mutex
	read, begin := 0, time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, id := range ids {
		g.Go(func() error {
			raw, err := e.Facts.LoadRaw(ctx, id)
			if errors.Is(err, vault.ErrNoKey) || errors.Is(err, eventstore.ErrStreamNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			named, said := addresses.InMail(raw), false
			if !named {
				if named, err = e.inEnvelope(ctx, id, addresses); err != nil {
					return err
				}
			}
			if !named && len(names) > 0 {
				said = byName.InMail(raw)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case named, said && r.Names:
				f.mails = append(f.mails, id)
			case said:
				f.byName = append(f.byName, id)
			}
			if read++; read%100 == 0 {
				rate := float64(read) / time.Since(begin).Seconds()
				e.Tell(projector.JobProgress{Phase: fmt.Sprintf("searching mails: %d of %d, %.0f/s", read, len(ids), rate)})
			}
			return nil
		})
	}
	err := g.Wait()
	slices.Sort(f.mails)
	slices.Sort(f.byName)
	return err
}

// inEnvelope says whether a mail came from or for them.
func (e Eraser) inEnvelope(ctx context.Context, id string, m message.Mentioned) (bool, error) {
	list, _, err := e.Facts.Load(ctx, mail.Stream(id))
	for _, fact := range list {
		if f, ok := fact.(mail.MailReceived); ok && m.In([]byte(f.From+" "+f.Recipients)) {
			return true, nil
		}
	}
	return false, err
}

// remaining looks through all that can still be read for the address.
func (e Eraser) remaining(ctx context.Context, r Request, c *Certificate) (err error) {
	e.tell("looking through what is left")
	address := message.NewMentioned(r.Address)
	c.Log, err = facts.History{Log: e.Facts}.Each(ctx, func(rec facts.Recorded) error {
		opened, err := e.Facts.Open(ctx, rec)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(opened)
		if err != nil || !address.In(raw) {
			return err
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return err
		}
		for name, value := range fields {
			if address.In(value) {
				c.Remaining = append(c.Remaining, Mention{rec.Stream, rec.Revision, rec.Fact.FactName(), name})
			}
		}
		return nil
	})
	return err
}
