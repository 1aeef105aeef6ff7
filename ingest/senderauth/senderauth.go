// Package senderauth finds out who really sent a mail. The identity is what an aligned DKIM signature, SPF, a trusted
// ARC chain or a configured relay supports, never the header alone: a header used as identity must be covered by the
// signature, and a signature over part of the body proves nothing.
//
// It looks things up in the DNS and therefore runs after a mail was accepted. It does not judge content, and a DMARC
// policy of "none" makes nobody believable.
//
// Start reading at [Checker.Check].
package senderauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
)

// ErrTemporary says that the DNS could not be asked; trying again later can help.
var ErrTemporary = errors.New("the sender cannot be checked right now")

const (
	timeout       = 20 * time.Second // for one mail, all lookups
	maxSignatures = 5                // looked at
)

// Options are what a checker needs.
type Options struct {
	Resolver   Resolver // default: the system's, with a cache
	AuthServID string   // believe the topmost Authentication-Results of this host on relayed mail, and check nothing ourselves
	Sealers    []string // domains whose ARC seals are believed
	NoGoogle   bool     // do not accept what Google Calendar sends in its users' names
	Parallel   int      // checks at a time; default 32
}

// Checker checks senders. It is safe for concurrent use.
type Checker struct {
	opts  Options
	slots chan struct{}
}

// New makes a checker.
func New(opts Options) *Checker {
	if opts.Resolver == nil {
		opts.Resolver = NewCache(net.DefaultResolver)
	}
	if opts.Parallel == 0 {
		opts.Parallel = 32
	}
	return &Checker{opts: opts, slots: make(chan struct{}, opts.Parallel)}
}

// Mail is a mail to be checked.
type Mail struct {
	Raw     []byte
	Message *message.Message
	From    string // envelope sender
	Client  string // host:port the mail came from; empty: not over SMTP, so SPF says nothing
	HELO    string
	Relayed bool // it came through a mail server of ours, whose Authentication-Results may be believed
}

// Verdict is what was found out.
type Verdict struct {
	Pass       bool
	By         string   // dkim, spf, arc, relay
	Domain     string   // that vouches
	Represents string   // whom a calendar service writes for, beside From
	Reason     string   // why it does not pass
	Results    string   // of all checks, in the words of RFC 8601
	Records    []string // DNS records used
}

// Check finds out whether the address in From is supported. It fails with [ErrTemporary].
func (c *Checker) Check(ctx context.Context, m Mail) (Verdict, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Verdict{}, ErrTemporary
	}
	from := address.Domain(m.Message.FromAddress)
	if from == "" {
		return Verdict{Reason: "the From header does not name one sender"}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	k := &check{ctx: ctx, opts: c.opts, mail: m, from: from, raw: message.Trim(m.Raw), dns: &recorder{next: c.opts.Resolver}}
	if c.opts.AuthServID != "" && m.Relayed {
		k.relay()
	} else {
		k.all()
	}
	k.verdict.Results, k.verdict.Records = strings.Join(k.results, "; "), k.dns.records()
	if !k.verdict.Pass && k.temporary {
		return k.verdict, ErrTemporary
	}
	if !k.verdict.Pass {
		k.verdict.Reason = "nothing supports " + from
	}
	return k.verdict, nil
}

// check is one mail's check.
type check struct {
	ctx       context.Context //nolint:containedctx // it lives for one call
	opts      Options
	mail      Mail
	from      string // domain of From
	raw       []byte
	dns       *recorder
	temporary bool
	results   []string
	verdict   Verdict
}

func (k *check) result(format string, args ...any) {
	k.results = append(k.results, fmt.Sprintf(format, args...))
}

func (k *check) pass(by, domain string) {
	if !k.verdict.Pass {
		k.verdict = Verdict{Pass: true, By: by, Domain: domain}
	}
}

// all runs our own checks.
func (k *check) all() {
	strictDKIM, strictSPF := k.policy()
	k.dkim(strictDKIM)
	if !k.verdict.Pass {
		k.spf(strictSPF)
	}
	if !k.verdict.Pass && len(k.opts.Sealers) > 0 {
		k.arc()
	}
}

// aligned says whether a domain vouches for From's (RFC 7489 §3.1).
func (k *check) aligned(domain string, strict bool) bool {
	if strings.EqualFold(domain, k.from) {
		return true
	}
	return !strict && domain != "" && address.Organization(domain) == address.Organization(k.from)
}

// policy reads the alignment modes of From's DMARC record, or of its organization's. No record means relaxed.
func (k *check) policy() (strictDKIM, strictSPF bool) {
	for _, domain := range slices.Compact([]string{k.from, address.Organization(k.from)}) {
		record, err := dmarc.LookupWithOptions(domain, &dmarc.LookupOptions{LookupTXT: k.txt})
		switch {
		case err == nil:
			k.result("dmarc=%s policy.domain=%s", record.Policy, domain)
			return record.DKIMAlignment == dmarc.AlignmentStrict, record.SPFAlignment == dmarc.AlignmentStrict
		case dmarc.IsTempFail(err):
			k.temporary = true // the record may ask for strict alignment
			k.result("dmarc=temperror")
			return true, true
		}
	}
	k.result("dmarc=none")
	return false, false
}

func (k *check) txt(name string) ([]string, error) { return k.dns.LookupTXT(k.ctx, name) }

// dkim verifies signatures (RFC 6376). One that covers part of the body is none, and neither is one of a key in test
// mode.
func (k *check) dkim(strict bool) {
	lookup := func(name string) ([]string, error) {
		records, err := k.txt(name)
		return slices.DeleteFunc(slices.Clone(records), testMode), err
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(k.raw), &dkim.VerifyOptions{LookupTXT: lookup, MaxVerifications: maxSignatures})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		k.result("dkim=permerror")
	}
	for _, v := range found {
		domain := strings.ToLower(v.Domain)
		switch {
		case v.Err == nil:
			k.result("dkim=pass header.d=%s", domain)
			if k.aligned(domain, strict) {
				k.pass("dkim", domain)
			}
			k.google(domain, v.HeaderKeys)
		case dkim.IsTempFail(v.Err):
			k.temporary = true
			k.result("dkim=temperror header.d=%s", domain)
		case dkim.IsPermFail(v.Err):
			k.result("dkim=permerror header.d=%s", domain)
		default:
			k.result("dkim=fail header.d=%s", domain)
		}
	}
	if len(found) == 0 && err == nil {
		k.result("dkim=none")
	}
}

// testMode says that a key's owner is only trying: t=y (RFC 6376 §3.6.1).
func testMode(record string) bool {
	for tag := range strings.SplitSeq(record, ";") {
		if name, flags, ok := strings.Cut(strings.TrimSpace(tag), "="); ok && strings.TrimSpace(name) == "t" {
			return slices.ContainsFunc(strings.Split(flags, ":"), func(f string) bool { return strings.TrimSpace(f) == "y" })
		}
	}
	return false
}

// google accepts what Google Calendar sends in its users' names, with its own signature: answers From
// calendar-notification@google.com with the attendee as Reply-To, and requests From the organizer with
// calendar-notification@google.com as Sender. The header that names the user must be signed.
func (k *check) google(domain string, signed []string) {
	const service = "calendar-notification@google.com"
	if k.opts.NoGoogle || domain != "google.com" {
		return
	}
	covers := func(name string) bool {
		return slices.ContainsFunc(signed, func(s string) bool { return strings.EqualFold(s, name) })
	}
	msg := k.mail.Message
	switch {
	case msg.FromAddress == service && msg.ReplyTo != "" && covers("Reply-To"):
		k.pass("dkim", domain)
		k.verdict.Represents = msg.ReplyTo
	case msg.Sender == service && covers("Sender") && covers("From"):
		k.pass("dkim", domain)
	}
}

// spf checks that the client may send for the envelope's domain, and that this is From's (RFC 7208).
func (k *check) spf(strict bool) {
	host, _, err := net.SplitHostPort(k.mail.Client)
	ip := net.ParseIP(host)
	if err != nil || ip == nil {
		return
	}
	domain := address.Domain(k.mail.From)
	if domain == "" {
		domain = strings.ToLower(k.mail.HELO)
	}
	res, _ := spf.CheckHostWithSender(ip, k.mail.HELO, k.mail.From, spf.WithResolver(k.dns), spf.WithContext(k.ctx))
	k.result("spf=%s smtp.mailfrom=%s", res, domain)
	switch {
	case res == spf.TempError:
		k.temporary = k.temporary || k.aligned(domain, strict)
	case res == spf.Pass && k.aligned(domain, strict):
		k.pass("spf", domain)
	}
}
