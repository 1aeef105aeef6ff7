// Package mailsign is a world of domains that sign their mail, for the demo, the benchmarks and the tests: keys, the
// DNS that shows them, and a DNS server on loopback.
package mailsign

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"golang.org/x/net/dns/dnsmessage"
)

// World is a DNS zone in memory. Its methods are those of [net.Resolver].
type World struct {
	mu   sync.Mutex
	txt  map[string][]string
	down map[string]bool
}

// New makes an empty world.
func New() *World { return &World{txt: map[string][]string{}, down: map[string]bool{}} }

// TXT sets a name's records.
func (w *World) TXT(name string, records ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.txt[strings.ToLower(strings.TrimSuffix(name, "."))] = records
}

// Down makes names under a suffix unanswerable, or answerable again.
func (w *World) Down(suffix string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[suffix] = down
}

// Domain makes a key of a kind ("rsa", "ed25519") for a domain, publishes it, and returns what signs with it.
func (w *World) Domain(domain, kind string) (*dkimsign.Signer, error) {
	key, err := dkimsign.Generate(kind)
	if err != nil {
		return nil, err
	}
	signer, err := dkimsign.New(domain, kind, key)
	if err != nil {
		return nil, err
	}
	name, value, err := signer.Record()
	w.TXT(name, value)
	return signer, err
}

// LookupTXT answers from the world.
func (w *World) LookupTXT(_ context.Context, name string) ([]string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	w.mu.Lock()
	defer w.mu.Unlock()
	for suffix, down := range w.down {
		if down && strings.HasSuffix(name, suffix) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
		}
	}
	if records, ok := w.txt[name]; ok {
		return records, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// LookupMX finds nothing.
func (w *World) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// LookupIPAddr finds nothing.
func (w *World) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// LookupAddr finds nothing.
func (w *World) LookupAddr(_ context.Context, addr string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
}

// Serve answers TXT questions over UDP on loopback until the returned function is called.
func (w *World) Serve() (addr string, stop func(), err error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				if answer := w.answer(buf[:n]); answer != nil {
					_, _ = conn.WriteTo(answer, from)
				}
			}
		}
	}()
	return conn.LocalAddr().String(), func() { _ = conn.Close() }, nil
}

func (w *World) answer(question []byte) []byte {
	var msg dnsmessage.Message
	if msg.Unpack(question) != nil || len(msg.Questions) != 1 {
		return nil
	}
	q := msg.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: msg.ID, Response: true, RecursionAvailable: true}, Questions: msg.Questions}
	records, err := w.LookupTXT(context.Background(), q.Name.String())
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsTemporary:
		reply.RCode = dnsmessage.RCodeServerFailure
	case err != nil:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeTXT:
		for _, r := range records {
			var parts []string
			for len(r) > 255 {
				parts, r = append(parts, r[:255]), r[255:]
			}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.TXTResource{TXT: append(parts, r)},
			})
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}
