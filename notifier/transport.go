package notifier

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Envelope is where a mail comes from and goes to, and what it says.
type Envelope struct {
	From string // empty: the null sender
	To   string
	ID   string // Message-ID
	Data []byte
}

// Transport hands a mail over. A nil error means that somebody else is responsible for it now; answer is what they
// said. A refusal is a *Rejection; any other error means that nobody was reached.
type Transport interface {
	Send(ctx context.Context, mail Envelope) (answer string, err error)
	Close()
}

// Rejection is a mail server's refusal.
type Rejection struct {
	Code      int
	Text      string
	Temporary bool
}

// Error returns the server's words.
func (r *Rejection) Error() string {
	return fmt.Sprintf("the mail server refused: %d %s", r.Code, r.Text)
}

// Relay sends through a mail server, over connections that are kept and reused.
type Relay struct {
	client *mail.Client
	slots  chan struct{} // bounds the connections
	mu     sync.Mutex
	idle   []idleConn
	closed bool
}

type idleConn struct {
	conn  *smtp.Client
	since time.Time
}

// maxConnections is how many connections to the relay there are at a time; many providers dislike more.
const maxConnections = 12

// smtpTimeout is how long one mail may take on a connection.
const smtpTimeout = 60 * time.Second

// maxIdle is how long a connection may rest before it is not trusted any more.
const maxIdle = 20 * time.Second

// NewRelay makes a transport for smtp://[user:pass@]host:port (STARTTLS if offered; required with a password unless
// the host is this machine) or smtps://….
func NewRelay(raw, helo string) (*Relay, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("a relay looks like smtp://[user:password@]host:port or smtps://…")
	}
	opts := []mail.Option{
		mail.WithTimeout(smtpTimeout), mail.WithHELO(helo), mail.WithoutNoop(), mail.WithoutRset(), mail.WithTLSPolicy(mail.TLSOpportunistic),
		mail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}),
	}
	port := 25
	if u.Scheme == "smtps" {
		opts, port = append(opts, mail.WithSSL()), 465
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("the relay's port: %w", err)
		}
	}
	opts = append(opts, mail.WithPort(port))
	if u.User != nil {
		password, _ := u.User.Password()
		opts = append(opts, mail.WithUsername(u.User.Username()), mail.WithPassword(password), mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover))
		if local := u.Hostname(); u.Scheme == "smtp" && local != "localhost" && local != "127.0.0.1" {
			opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
		}
	}
	client, err := mail.NewClient(u.Hostname(), opts...)
	if err != nil {
		return nil, fmt.Errorf("the relay: %w", err)
	}
	return &Relay{client: client, slots: make(chan struct{}, maxConnections)}, nil
}

// Send uses a resting connection or makes one. A connection that was resting may have been closed by the other side;
// if it proves dead before the mail was begun, a fresh one is tried.
func (r *Relay) Send(ctx context.Context, m Envelope) (string, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	conn, rested, err := r.take(ctx)
	if err != nil {
		return "", err
	}
	answer, begun, err := transaction(conn, m)
	if err != nil && rested && !begun && code(err) == 0 {
		_ = conn.Close()
		if conn, err = r.client.DialToSMTPClientWithContext(ctx); err != nil {
			return "", fmt.Errorf("reaching the relay: %w", err)
		}
		answer, _, err = transaction(conn, m)
	}
	switch {
	case err == nil:
		r.give(conn)
		return answer, nil
	case code(err) == 0:
		_ = conn.Close()
		return "", fmt.Errorf("sending: %w", err)
	}
	if conn.Reset() == nil { // the transaction is over, the connection is fine
		r.give(conn)
	} else {
		_ = conn.Close()
	}
	return "", &Rejection{Code: code(err), Text: err.Error(), Temporary: code(err) < 500}
}

// transaction hands one mail over. begun says that the server may have begun to take it.
func transaction(conn *smtp.Client, m Envelope) (answer string, begun bool, err error) {
	if err := conn.UpdateDeadline(smtpTimeout); err != nil {
		return "", false, err
	}
	if err := conn.Mail("<" + m.From + ">"); err != nil {
		return "", false, err
	}
	if err := conn.Rcpt("<" + m.To + ">"); err != nil {
		return "", false, err
	}
	w, err := conn.Data()
	if err != nil {
		return "", false, err
	}
	if _, err := w.Write(m.Data); err != nil {
		return "", true, err
	}
	if err := w.Close(); err != nil {
		return "", true, err
	}
	if d, ok := w.(*smtp.DataCloser); ok {
		answer = strings.TrimSpace(d.ServerResponse())
	}
	return answer, true, nil
}

// code is the SMTP reply behind an error, 0 if there was none.
func code(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

func (r *Relay) take(ctx context.Context) (conn *smtp.Client, rested bool, err error) {
	r.mu.Lock()
	for len(r.idle) > 0 {
		last := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		if time.Since(last.since) < maxIdle {
			r.mu.Unlock()
			return last.conn, true, nil
		}
		_ = last.conn.Close()
	}
	r.mu.Unlock()
	if conn, err = r.client.DialToSMTPClientWithContext(ctx); err != nil {
		return nil, false, fmt.Errorf("reaching the relay: %w", err)
	}
	return conn, false, nil
}

func (r *Relay) give(conn *smtp.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = conn.Close()
		return
	}
	r.idle = append(r.idle, idleConn{conn, time.Now()})
}

// Close says goodbye on resting connections.
func (r *Relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.idle {
		_ = c.conn.Quit()
	}
	r.idle = nil
}

// Outbox writes mails into a Maildir instead of sending them. A mail written again replaces itself.
type Outbox struct{ dir string }

// NewOutbox makes the Maildir at dir if it is missing.
func NewOutbox(dir string) (*Outbox, error) {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the outbox: %w", err)
		}
	}
	return &Outbox{dir: dir}, nil
}

// Send writes the mail, durably: first to tmp, then under its name.
func (o *Outbox) Send(_ context.Context, m Envelope) (string, error) {
	sum := sha256.Sum256([]byte(m.ID))
	name := hex.EncodeToString(sum[:12]) + ".cis"
	tmp := filepath.Join(o.dir, "tmp", name)
	f, err := os.Create(tmp)
	if err != nil {
		return "", fmt.Errorf("the outbox: %w", err)
	}
	_, err = f.Write(m.Data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("the outbox: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(o.dir, "new", name)); err != nil {
		return "", fmt.Errorf("the outbox: %w", err)
	}
	return "250 written to the outbox as " + name, nil
}

// Close does nothing.
func (o *Outbox) Close() {}
