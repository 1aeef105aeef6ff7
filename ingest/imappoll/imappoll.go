// Package imappoll is the IMAP door: it fetches mail from a mailbox somewhere else, as it comes where the server can say
// so (IDLE), else every minute. A message is marked as seen only after it is durable here; one that is fetched twice is
// one mail.
package imappoll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	batch       = 20               // messages fetched at a time
	idleFor     = 25 * time.Minute // servers end an IDLE after half an hour (RFC 2177)
	maxPause    = 5 * time.Minute  // between attempts to reach the server
	storeWithin = 30 * time.Second
)

// Options are what the door needs.
type Options struct {
	URL      string // imaps://user:password@host[:port]/MAILBOX; imap:// uses STARTTLS, except on this machine
	Book     *address.Directory
	Receiver *inbox.Receiver
	Log      *slog.Logger
	MaxBytes int64         // larger messages are left alone
	Poll     time.Duration // where there is no IDLE; default a minute
	TLS      *tls.Config
}

// Poller fetches mail.
type Poller struct {
	opts     Options
	url      *url.URL
	mailbox  string
	tooLarge map[imap.UID]bool
}

// New makes a poller; Run starts it.
func New(opts Options) (*Poller, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Hostname() == "" || u.User == nil || u.Scheme != "imap" && u.Scheme != "imaps" {
		return nil, errors.New("a mailbox looks like imaps://user:password@host/INBOX")
	}
	p := &Poller{opts: opts, url: u, mailbox: strings.Trim(u.Path, "/"), tooLarge: map[imap.UID]bool{}}
	if p.mailbox == "" {
		p.mailbox = "INBOX"
	}
	if p.opts.Poll == 0 {
		p.opts.Poll = time.Minute
	}
	return p, nil
}

// Run fetches until ctx ends. Whatever fails is tried again, with growing pauses.
func (p *Poller) Run(ctx context.Context) error {
	pause := time.Second
	for ctx.Err() == nil {
		begin := time.Now()
		err := p.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(begin) > time.Minute {
			pause = time.Second
		}
		p.opts.Log.Warn("imap: the mailbox cannot be read; trying again", "host", p.url.Host, "pause", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// session is one connection: fetch what is new, then wait for more.
func (p *Poller) session(ctx context.Context) error {
	news := make(chan struct{}, 1)
	client, err := p.dial(&imapclient.UnilateralDataHandler{Mailbox: func(*imapclient.UnilateralDataMailbox) {
		select {
		case news <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	password, _ := p.url.User.Password()
	if err := client.Login(p.url.User.Username(), password).Wait(); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	if _, err := client.Select(p.mailbox, nil).Wait(); err != nil {
		return fmt.Errorf("opening %s: %w", p.mailbox, err)
	}
	for ctx.Err() == nil {
		if err := p.fetch(ctx, client); err != nil {
			return err
		}
		if err := p.wait(ctx, client, news); err != nil {
			return err
		}
	}
	return nil
}

func (p *Poller) dial(handler *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	host, port := p.url.Hostname(), p.url.Port()
	opts := &imapclient.Options{TLSConfig: p.opts.TLS, UnilateralDataHandler: handler}
	if opts.TLSConfig == nil {
		opts.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	if p.url.Scheme == "imaps" {
		if port == "" {
			port = "993"
		}
		return imapclient.DialTLS(net.JoinHostPort(host, port), opts)
	}
	if port == "" {
		port = "143"
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return imapclient.DialInsecure(net.JoinHostPort(host, port), opts)
	}
	return imapclient.DialStartTLS(net.JoinHostPort(host, port), opts)
}

// fetch takes in every message that is not marked as seen.
func (p *Poller) fetch(ctx context.Context, client *imapclient.Client) error {
	found, err := client.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil {
		return fmt.Errorf("looking for new mail: %w", err)
	}
	var uids []imap.UID
	for _, uid := range found.AllUIDs() {
		if !p.tooLarge[uid] {
			uids = append(uids, uid)
		}
	}
	for len(uids) > 0 {
		n := min(batch, len(uids))
		if err := p.fetchSome(ctx, client, uids[:n]); err != nil {
			return err
		}
		uids = uids[n:]
	}
	return nil
}

func (p *Poller) fetchSome(ctx context.Context, client *imapclient.Client, uids []imap.UID) error {
	sizes, err := client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true}).Collect()
	if err != nil {
		return fmt.Errorf("asking for sizes: %w", err)
	}
	for _, m := range sizes {
		if m.RFC822Size > p.opts.MaxBytes {
			p.tooLarge[m.UID] = true
			p.opts.Log.Warn("imap: a message is too large and left alone", "uid", m.UID, "size", m.RFC822Size)
			continue
		}
		section := &imap.FetchItemBodySection{Peek: true} // looking must not mark it as seen
		got, err := client.Fetch(imap.UIDSetNum(m.UID), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		if len(got) == 0 {
			continue // somebody removed it
		}
		if err := p.receive(ctx, got[0].FindBodySection(section)); err != nil {
			return err
		}
		seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
		if err := client.Store(imap.UIDSetNum(m.UID), seen, nil).Close(); err != nil {
			return fmt.Errorf("marking as seen: %w", err)
		}
	}
	return nil
}

func (p *Poller) receive(ctx context.Context, raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	from, to := message.Envelope(raw, p.opts.Book.Accepts)
	if len(to) == 0 {
		to = []string{p.opts.Book.Own().Create()}
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	id, err := p.opts.Receiver.Receive(ctx, inbox.Envelope{Door: "imap", From: from, Recipients: to}, raw)
	if err == nil {
		p.opts.Log.Debug("imap: taken in", "mail", id, "size", len(raw))
	}
	return err
}

// wait returns when there may be new mail.
func (p *Poller) wait(ctx context.Context, client *imapclient.Client, news <-chan struct{}) error {
	if !client.Caps().Has(imap.CapIdle) {
		select {
		case <-time.After(p.opts.Poll):
			return client.Noop().Wait()
		case <-ctx.Done():
			return nil
		}
	}
	idle, err := client.Idle()
	if err != nil {
		return fmt.Errorf("waiting for mail: %w", err)
	}
	select {
	case <-news:
	case <-time.After(idleFor):
	case <-client.Closed():
		return errors.New("the server ended the connection")
	case <-ctx.Done():
	}
	if err := idle.Close(); err != nil {
		return err
	}
	return idle.Wait()
}
