// Package smtpd is the door for SMTP and LMTP: bytes in, reply code out, nothing else. A sender hears 250 only after the mail is
// durable; nothing is looked up in the DNS meanwhile.
package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits of what is taken.
const (
	MaxBytes      = 25 << 20 // of one mail
	MaxRecipients = 50       // of one mail
	storeTimeout  = 30 * time.Second

	small    = 1 << 20 // bytes a mail may have without waiting for a place
	maxLarge = 32      // larger mails in memory at a time
)

var (
	errUnknown  = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox here; event requests go to create@, answers to the address in the invitation"}
	errSender   = &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 7}, Message: "That is not a sender address"}
	errTooLarge = &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "The mail is larger than 25 MiB"}
	errEmpty    = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "The mail is empty"}
	errLater    = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "The mail cannot be stored right now; please try again"}
)

// Receiver makes mails durable.
type Receiver interface {
	Receive(ctx context.Context, env inbox.Envelope, raw []byte) (string, error)
}

// Options are what the door needs.
type Options struct {
	Domain   string
	Book     *address.Directory
	Receiver Receiver
	TLS      *tls.Config // STARTTLS is offered when set
	LMTP     bool        // the peer is a mail server of our own (RFC 2033)
	Log      *slog.Logger
	Registry prometheus.Registerer
}

func (o Options) door() string {
	if o.LMTP {
		return "lmtp"
	}
	return "smtp"
}

// Server takes mail.
type Server struct {
	smtp     *smtp.Server
	opts     Options
	received *prometheus.CounterVec
	large    chan struct{} // a place per large mail in memory
}

// New makes a server; Serve starts it.
func New(opts Options) *Server {
	s := &Server{
		opts:     opts,
		large:    make(chan struct{}, maxLarge),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cis_smtp_mails_total", Help: "Mails offered over SMTP and LMTP, by answer.", ConstLabels: prometheus.Labels{"door": opts.door()}}, []string{"answer"}),
	}
	opts.Registry.MustRegister(s.received)
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	s.smtp.LMTP = opts.LMTP
	s.smtp.Domain = opts.Domain
	s.smtp.TLSConfig = opts.TLS
	s.smtp.MaxMessageBytes = MaxBytes
	s.smtp.MaxRecipients = MaxRecipients
	s.smtp.MaxLineLength = 8 << 10 // QUIRK: some senders do not keep to the 998 of RFC 5322 §2.1.1
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = 2*time.Minute, time.Minute
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.ErrorLog = slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug)
	return s
}

// Serve takes connections until Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.smtp.Serve(l)
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown lets transactions end, until ctx does.
func (s *Server) Shutdown(ctx context.Context) {
	if err := s.smtp.Shutdown(ctx); err != nil {
		_ = s.smtp.Close()
	}
}

// session is one connection.
type session struct {
	server *Server
	conn   *smtp.Conn
	from   string
	rcpts  []string
}

// Mail takes the envelope sender; empty is the null sender of delivery reports.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if from != "" && !address.Valid(from) {
		return errSender
	}
	s.from = from
	return nil
}

// Rcpt takes a recipient, if it is one of ours.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !address.Valid(to) || !s.server.opts.Book.Accepts(to) {
		s.server.received.WithLabelValues("unknown").Inc()
		return errUnknown
	}
	s.rcpts = append(s.rcpts, to)
	return nil
}

// Data takes the mail and answers when it is durable.
func (s *session) Data(r io.Reader) error {
	raw, err := s.read(r)
	switch {
	case errors.Is(err, smtp.ErrDataTooLarge):
		s.server.received.WithLabelValues("too_large").Inc()
		return errTooLarge
	case err != nil:
		return err
	case len(bytes.TrimSpace(raw)) == 0:
		return errEmpty
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	env := inbox.Envelope{Door: s.server.opts.door(), From: s.from, Recipients: s.rcpts, Client: s.conn.Conn().RemoteAddr().String(), HELO: s.conn.Hostname()}
	_, env.TLS = s.conn.TLSConnectionState()
	id, err := s.server.opts.Receiver.Receive(ctx, env, raw)
	if err != nil {
		s.server.received.WithLabelValues("later").Inc()
		s.server.opts.Log.Warn("smtp: a mail could not be stored; the sender will try again", "error", err)
		return errLater
	}
	s.server.received.WithLabelValues("accepted").Inc()
	s.server.opts.Log.Debug("smtp: accepted", "mail", id, "size", len(raw))
	return nil
}

// read takes the mail's bytes. A large one waits for a place, so that memory is bounded; a slow sender of small ones
// keeps nobody waiting.
func (s *session) read(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, small))
	if err != nil || len(raw) < small {
		return raw, err
	}
	select {
	case s.server.large <- struct{}{}:
		defer func() { <-s.server.large }()
	case <-time.After(storeTimeout):
		return nil, errLater
	}
	rest, err := io.ReadAll(r)
	return append(raw, rest...), err
}

// Reset forgets the transaction.
func (s *session) Reset() { s.from, s.rcpts = "", nil }

// Logout ends the session.
func (s *session) Logout() error { return nil }
