// Package sink is a mail server that keeps what it is given: the next hop of demo, benchmarks and tests.
package sink

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is a mail the sink took.
type Mail struct {
	From string
	To   string
	Data []byte
}

// Sink takes mail on loopback.
type Sink struct {
	// Refuse, if set, decides about a recipient; an error is the answer.
	Refuse func(rcpt string) error
	// Discard makes it count mails instead of keeping them.
	Discard bool

	server *smtp.Server
	addr   string
	count  atomic.Int64
	mu     sync.Mutex
	mails  []Mail
	fresh  chan struct{}
}

// New makes a sink that is not listening yet.
func New() *Sink { return &Sink{fresh: make(chan struct{})} }

// Listen starts the sink. An address with port 0 gets a free one; listening again after Close takes the same one.
func (s *Sink) Listen(addr string) error {
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.addr = lis.Addr().String()
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }))
	s.server.Domain = "sink.localhost"
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	server := s.server
	go func() { _ = server.Serve(lis) }()
	return nil
}

// Addr is where the sink listens.
func (s *Sink) Addr() string { return s.addr }

// Close stops listening and cuts connections.
func (s *Sink) Close() { _ = s.server.Close() }

// Count is how many mails were taken.
func (s *Sink) Count() int64 { return s.count.Load() }

// Mails returns what was taken, to one address or, if to is empty, to all.
func (s *Sink) Mails(to string) []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Mail
	for _, m := range s.mails {
		if to == "" || m.To == to {
			out = append(out, m)
		}
	}
	return out
}

// Wait returns the n-th mail (from 1) to an address once it is there.
func (s *Sink) Wait(ctx context.Context, to string, n int) (Mail, error) {
	for {
		s.mu.Lock()
		fresh := s.fresh
		s.mu.Unlock()
		if got := s.Mails(to); len(got) >= n {
			return got[n-1], nil
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("%d mails to %s, waited for %d: %w", len(s.Mails(to)), to, n, ctx.Err())
		}
	}
}

func (s *Sink) keep(m Mail) {
	s.count.Add(1)
	if s.Discard {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.fresh)
	s.fresh = make(chan struct{})
}

type session struct {
	sink     *Sink
	from, to string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.sink.Refuse != nil {
		return s.sink.Refuse(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	if s.sink.Discard {
		_, err := io.Copy(io.Discard, r)
		s.sink.keep(Mail{})
		return err
	}
	data, err := io.ReadAll(r)
	if err == nil {
		s.sink.keep(Mail{From: s.from, To: s.to, Data: data})
	}
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
