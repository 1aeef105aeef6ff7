package imappoll_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/ingest/imappoll"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// mailbox is a real IMAP server with one user.
func mailbox(t *testing.T, caps imap.CapSet) (addr string, user *imapmemserver.User) {
	t.Helper()
	mem := imapmemserver.New()
	user = imapmemserver.NewUser("cis", "secret")
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	mem.AddUser(user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps: caps, InsecureAuth: true,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String(), user
}

func deliver(t *testing.T, user *imapmemserver.User, n int, size int) {
	t.Helper()
	raw := fmt.Sprintf("Return-Path: <bounce@organizer.example>\r\nDelivered-To: create@cis.example\r\nFrom: olga@organizer.example\r\nTo: list@elsewhere.example\r\nSubject: %d\r\n\r\n%s\r\n",
		n, strings.Repeat("x", size))
	if _, err := user.Append("INBOX", literal{bytes.NewReader([]byte(raw)), int64(len(raw))}, &imap.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
}

type literal struct {
	*bytes.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

func receivedMails(t *testing.T, log *facts.Log) (list []mail.MailReceived) {
	t.Helper()
	err := log.Store().Scan(context.Background(), []string{mail.StreamPrefix}, func(page []eventstore.Recorded) error {
		for _, r := range page {
			rec, err := facts.Decode(r)
			if err != nil {
				return err
			}
			opened, err := log.Open(context.Background(), rec)
			if err != nil {
				return err
			}
			list = append(list, opened.(mail.MailReceived))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func unseen(t *testing.T, addr string) int {
	t.Helper()
	c, err := imapclient.DialInsecure(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Login("cis", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return len(found.AllUIDs())
}

// TestPoller fetches from a real server: what is there, what comes later, with IDLE and without, and nothing twice.
func TestPoller(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{"with IDLE": {imap.CapIMAP4rev1: {}, imap.CapIdle: {}}, "by polling": {imap.CapIMAP4rev1: {}}} {
		t.Run(name, func(t *testing.T) {
			addr, user := mailbox(t, caps)
			log := factstest.NewLog(t)
			keys, err := secret.New(strings.Repeat("k", 32))
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				deliver(t, user, n, 10)
			}
			deliver(t, user, 99, 5000) // too large
			p, err := imappoll.New(imappoll.Options{
				URL: "imap://cis:secret@" + addr + "/INBOX", Book: address.NewDirectory(address.NewBook("cis.example", ""), nil), Receiver: inbox.NewReceiver(log, keys, address.NewDirectory(address.NewBook("cis.example", ""), nil)),
				Log: slog.New(slog.DiscardHandler), MaxBytes: 2000, Poll: 20 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); _ = p.Run(ctx) }()
			waitFor := func(n int) []mail.MailReceived {
				t.Helper()
				for deadline := time.Now().Add(10 * time.Second); ; {
					list := receivedMails(t, log)
					if len(list) >= n && unseen(t, addr) == 1 {
						return list
					}
					if time.Now().After(deadline) {
						t.Fatalf("%d mails, want %d; %d unseen", len(list), n, unseen(t, addr))
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			waitFor(3)
			deliver(t, user, 3, 10)
			list := waitFor(4)
			if len(list) != 4 {
				t.Errorf("%d mails", len(list))
			}
			for _, m := range list {
				if m.Door != "imap" || m.From != "bounce@organizer.example" || m.Recipients != "create@cis.example" {
					t.Errorf("got %+v", m)
				}
			}
			stop()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Error("it does not end")
			}
		})
	}
}

// TestStoreAway: what cannot be made durable stays unseen in the mailbox.
func TestStoreAway(t *testing.T) {
	addr, user := mailbox(t, imap.CapSet{imap.CapIMAP4rev1: {}})
	log := factstest.NewLog(t)
	keys, _ := secret.New(strings.Repeat("k", 32))
	log.Store().Close()
	deliver(t, user, 1, 10)
	p, err := imappoll.New(imappoll.Options{
		URL: "imap://cis:secret@" + addr, Book: address.NewDirectory(address.NewBook("cis.example", ""), nil), Receiver: inbox.NewReceiver(log, keys, address.NewDirectory(address.NewBook("cis.example", ""), nil)),
		Log: slog.New(slog.DiscardHandler), MaxBytes: 2000, Poll: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = p.Run(ctx)
	if n := unseen(t, addr); n != 1 {
		t.Errorf("%d messages are unseen", n)
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "imap.example", "smtp://u:p@h/INBOX", "imaps://host/INBOX", "imaps://u:p@/INBOX"} {
		if _, err := imappoll.New(imappoll.Options{URL: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
