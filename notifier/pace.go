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
	day      time.Time // UTC
	spent    int64     // of it: mails sent, or under way
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

// allowance is how many of n mails may be claimed for many today. The ledger knows what was sent until this process
// began, or the day did; what is under way since then is counted here, because the ledger learns of it later.
func (c *Couriers) allowance(ctx context.Context, n int) (int, error) {
	limit := c.opts.Rates.PerDay
	if limit == 0 {
		return n, nil
	}
	now := c.opts.Now()
	if spent, known := c.pace.today(now); known {
		return int(max(0, min(int64(n), limit-spent))), nil
	}
	sent, err := c.claims.today(ctx, now)
	if err != nil {
		return 0, err
	}
	c.pace.begin(now, sent)
	return int(max(0, min(int64(n), limit-sent))), nil
}

// today is how much of the day's mail is sent or under way, if the day has begun here.
func (p *pace) today(now time.Time) (spent int64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent, p.day.Equal(now.UTC().Truncate(24 * time.Hour))
}

func (p *pace) begin(now time.Time, sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.day, p.spent = now.UTC().Truncate(24*time.Hour), sent
}

// spend counts mails that are under way, or, if negative, were not sent after all.
func (p *pace) spend(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spent += int64(n)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
