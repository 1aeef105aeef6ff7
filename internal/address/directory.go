package address

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/tenant"
)

// Directory knows the server's own addresses of all tenants. A tenant is told by the mail domain: its own, one it had
// before, or CODE.DOMAIN below the installation's.
type Directory struct {
	own  Book
	load func(context.Context) (tenant.State, error)

	mu     sync.Mutex
	state  tenant.State
	failed time.Time
}

const (
	directoryWait  = 2 * time.Second // for the log to answer; then what is known counts,
	directoryPause = time.Second     // and for so long it is not asked again
)

// NewDirectory makes a directory. load says which tenants there are, from a cache; nil: only the default one.
func NewDirectory(own Book, load func(context.Context) (tenant.State, error)) *Directory {
	return &Directory{own: own, load: load}
}

// tenants are as fresh as can be had.
func (d *Directory) tenants() tenant.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.load == nil || time.Since(d.failed) < directoryPause {
		return d.state
	}
	ctx, cancel := context.WithTimeout(context.Background(), directoryWait)
	defer cancel()
	s, err := d.load(ctx)
	if err != nil {
		d.failed = time.Now()
		return d.state
	}
	d.state = s
	return s
}

// Own is the installation's addresses, which are the default tenant's.
func (d *Directory) Own() Book { return d.own }

// Settings are what a tenant has of its own.
func (d *Directory) Settings(code string) tenant.Settings {
	t, _ := d.tenants().Of(code)
	return t.Settings
}

// Of is a tenant's addresses.
func (d *Directory) Of(code string) Book {
	if code == tenant.Default || code == "" {
		return d.own
	}
	b := d.own
	b.Domain = code + "." + d.own.Domain
	if own := d.Settings(code).Domain; own != "" {
		b.Domain = own
	}
	return b
}

// At is whose a mail domain is; false if it is not ours.
func (d *Directory) At(domain string) (code string, ours bool) {
	domain = strings.ToLower(domain)
	if domain == d.own.Domain {
		return tenant.Default, true
	}
	all := d.tenants()
	if code := all.At(domain); code != "" {
		return code, true
	}
	code, below, ok := strings.Cut(domain, ".")
	_, known := all.Of(code)
	return code, ok && below == d.own.Domain && known && code != tenant.Default
}

// For is the addresses at the domain of an address, which may be one that its tenant had before.
func (d *Directory) For(addr string) Book {
	code, ours := d.At(Domain(addr))
	b := d.Of(code)
	if ours {
		b.Domain = Domain(addr)
	}
	return b
}

// Tenant is whose an address of ours is; false if it is none that takes mail.
func (d *Directory) Tenant(addr string) (code string, accepts bool) {
	code, ours := d.At(Domain(addr))
	return code, ours && d.For(addr).Accepts(addr)
}

// Accepts says whether mail for an address is taken.
func (d *Directory) Accepts(addr string) bool {
	_, ok := d.Tenant(addr)
	return ok
}
