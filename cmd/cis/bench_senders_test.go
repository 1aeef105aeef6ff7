package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/mailsign"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/prometheus/client_golang/prometheus"
)

// receiverFunc is what a server does with a mail.
type receiverFunc func(env inbox.Envelope, raw []byte) error

func (f receiverFunc) Receive(_ context.Context, env inbox.Envelope, raw []byte) (string, error) {
	return "", f(env, raw)
}

// BenchmarkReceive: our SMTP server, taking in signed answers and finding out who sent each: MIME and iCalendar read, an
// RSA signature verified. Ceiling: the same server with the same mails, thrown away.
func BenchmarkReceive(b *testing.B) {
	tuneGC()
	const n, sessions = 40_000, 16
	world := mailsign.New()
	signer, err := world.Domain("example.com", "rsa")
	check(b, err)
	mails := make([][]byte, 200)
	for i := range mails {
		mails[i], err = signer.Sign(clientmail.GmailReply(clientmail.Reply{
			UID: strings.Repeat("a1", 20), DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: "ACCEPTED", Start: time.Now(),
		}))
		check(b, err)
	}
	checker := senderauth.New(senderauth.Options{Resolver: senderauth.NewCache(world)})
	in := itip.Interpreter{Addresses: address.NewDirectory(address.NewBook("cis.localhost", ""), nil)}
	in.Keys, err = secret.New(strings.Repeat("k", 32))
	check(b, err)
	verify := receiverFunc(func(_ inbox.Envelope, raw []byte) error {
		msg, err := message.Parse(raw)
		if err != nil {
			return err
		}
		v, err := checker.Check(b.Context(), senderauth.Mail{Raw: raw, Message: msg})
		if err != nil || !v.Pass {
			return fmt.Errorf("%+v, %w", v, err)
		}
		from := inbox.SenderOf(itip.Sender{Address: msg.FromAddress}, msg, inbox.Proof(tenant.Default, "", v))
		if r := in.Interpret(itip.Mail{Tenant: tenant.Default, Message: msg, Received: time.Now(), From: from}); len(r.Actions) != 1 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	rate := func(f receiverFunc) float64 {
		server := smtpd.New(smtpd.Options{Domain: "cis.localhost", Book: in.Addresses, Receiver: f, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(b, err)
		go func() { _ = server.Serve(l) }()
		defer func() { // its sessions are still open
			ctx, cancel := context.WithTimeout(b.Context(), time.Millisecond)
			defer cancel()
			server.Shutdown(ctx)
		}()
		begin := time.Now()
		check(b, parallel(n, sessions, func() (*wire, error) { return dialWire(l.Addr().String()) }, func(w *wire, i int) error {
			return w.send(guest(i), "rsvp@cis.localhost", mails[i%len(mails)])
		}))
		return n / time.Since(begin).Seconds()
	}
	discard := receiverFunc(func(inbox.Envelope, []byte) error { return nil })
	var with, without []float64
	for range 3 { // in turns: the machine is not the same all the time
		without = append(without, rate(discard))
		with = append(with, rate(verify))
	}
	slices.Sort(with)
	slices.Sort(without)
	report(b, with[1], without[1], "verified/s", "discard/s")
}

// BenchmarkProven: as BenchmarkReplies, with every answer signed and every sender proven.
func BenchmarkProven(b *testing.B) {
	world := mailsign.New()
	dns, stop, err := world.Serve()
	check(b, err)
	defer stop()
	replies(b, world, "CIS_MAIL_AUTH", "enforce", "CIS_DNS", dns)
}
