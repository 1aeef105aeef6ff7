package notifier

import (
	"context"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/address"
)

// Rates bound what goes to many. What people wait for is never held up by them.
type Rates struct {
	PerSecond int   // mails in all; 0: no bound
	PerDomain int   // and to one domain; 0: no bound
	PerDay    int64 // UTC; 0: no bound
}

// maxReserved bounds how many rows wait for their moment at a domain.
const maxReserved = 200_000

// pace gives every mail that goes to many its moment.
type pace struct {
	rates Rates
	now   func() time.Time

	mu       sync.Mutex
	global   time.Time            // when the next may go
	domains  map[string]time.Time // likewise, to each domain
	reserved map[mailKey]time.Time
}

func newPace(rates Rates, now func() time.Time) *pace {
	return &pace{rates: rates, now: now, domains: map[string]time.Time{}, reserved: map[mailKey]time.Time{}}
}

// wait returns for how long a row must be handed back because its domain has enough; 0: it may go now. The bound on all
// mails is kept by waiting here, since it holds for every row alike.
func (p *pace) wait(ctx context.Context, o owed, to string) time.Duration {
	if d := p.domain(mailKey{o.Kind, o.Subject, o.Recipient}, address.Domain(to)); d > 0 {
		return d
	}
	d := p.next()
	if d <= 0 {
		return 0
	}
	select {
	case <-time.After(d):
		return 0
	case <-ctx.Done():
		return time.Second
	}
}

// next takes the next moment of all.
func (p *pace) next() time.Duration {
	if p.rates.PerSecond == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	at := later(p.global, now)
	p.global = at.Add(time.Second / time.Duration(p.rates.PerSecond))
	return at.Sub(now)
}

// domain takes the next moment of a domain for a row, once: when the row comes back at its moment, it goes.
func (p *pace) domain(row mailKey, domain string) time.Duration {
	if p.rates.PerDomain == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	at, waited := p.reserved[row]
	if !waited {
		if len(p.domains) > maxReserved {
			p.domains = map[string]time.Time{}
		}
		at = later(p.domains[domain], now)
		p.domains[domain] = at.Add(time.Second / time.Duration(p.rates.PerDomain))
	}
	if !at.After(now) {
		delete(p.reserved, row)
		return 0
	}
	if len(p.reserved) < maxReserved {
		p.reserved[row] = at
	}
	return at.Sub(now)
}

// allowance is how many of n mails may still go to many today.
func (c *Couriers) allowance(ctx context.Context, n int) (int, error) {
	if c.opts.Rates.PerDay == 0 {
		return n, nil
	}
	sent, err := c.claims.today(ctx, c.opts.Now())
	return int(max(0, min(int64(n), c.opts.Rates.PerDay-sent))), err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
