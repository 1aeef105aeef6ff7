package senderauth

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resolver is the part of [net.Resolver] that is used.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// NewResolver asks one DNS server, host:port, instead of the system's.
func NewResolver(server string) Resolver {
	return NewCache(&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, server)
	}})
}

const (
	cacheTime = 5 * time.Minute // of a record; shorter than anybody rolls keys
	cacheSize = 10_000

	missingTime = 30 * time.Second // of what is not there
)

// Cache remembers TXT records for a while: thousands of answers come from a handful of providers.
type Cache struct {
	Resolver
	mu      sync.Mutex
	entries map[string]cached
}

type cached struct {
	records []string
	missing bool
	until   time.Time
}

// NewCache puts a cache before a resolver.
func NewCache(r Resolver) *Cache { return &Cache{Resolver: r, entries: map[string]cached{}} }

// LookupTXT asks the cache first. That the DNS did not answer is not remembered.
func (c *Cache) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.mu.Lock()
	e, ok := c.entries[name]
	c.mu.Unlock()
	if ok && time.Now().Before(e.until) {
		if e.missing {
			return nil, &net.DNSError{Err: "no such record", Name: name, IsNotFound: true}
		}
		return e.records, nil
	}
	records, err := c.Resolver.LookupTXT(ctx, name)
	if err != nil && !notFound(err) {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		c.entries = map[string]cached{}
	}
	keep := cacheTime
	if err != nil {
		keep = missingTime
	}
	c.entries[name] = cached{records, err != nil, time.Now().Add(keep)}
	return records, err
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// recorder keeps the TXT records that were used, as evidence.
type recorder struct {
	next Resolver
	mu   sync.Mutex
	seen []string
}

const (
	maxRecords = 20
	maxRecord  = 1_000
)

func (r *recorder) LookupTXT(ctx context.Context, name string) ([]string, error) {
	list, err := r.next.LookupTXT(ctx, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, txt := range list {
		line := name + " TXT " + txt
		if len(line) > maxRecord {
			line = strings.ToValidUTF8(line[:maxRecord], "") + "…"
		}
		relevant := strings.Contains(name, "_domainkey.") || strings.HasPrefix(name, "_dmarc.") || strings.HasPrefix(txt, "v=spf1")
		if relevant && len(r.seen) < maxRecords && !slices.Contains(r.seen, line) {
			r.seen = append(r.seen, line)
		}
	}
	return list, err
}

func (r *recorder) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.next.LookupMX(ctx, name)
}

func (r *recorder) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	return r.next.LookupIPAddr(ctx, host)
}

func (r *recorder) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return r.next.LookupAddr(ctx, addr)
}

func (r *recorder) records() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}
