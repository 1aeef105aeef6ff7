package senderauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/calendar-invite-server/cis/internal/mailsign"
)

func mailFrom(from string, extra ...string) string {
	return strings.Join(append(extra, "From: "+from, "To: create@cis.example", "Subject: Invitation", "Message-ID: <1@x>", "Reply-To: "+from, "",
		"BEGIN:VCALENDAR", "METHOD:REQUEST", "END:VCALENDAR", ""), "\r\n")
}

func sign(t *testing.T, s *dkimsign.Signer, mail string) string {
	t.Helper()
	out, err := s.Sign([]byte(mail))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func signer(t *testing.T, w *mailsign.World, domain, kind string) *dkimsign.Signer {
	t.Helper()
	s, err := w.Domain(domain, kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judge(t *testing.T, opts Options, raw string, with ...func(*Mail)) (Verdict, error) {
	t.Helper()
	msg, err := message.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	m := Mail{Raw: []byte(raw), Message: msg}
	for _, f := range with {
		f(&m)
	}
	return New(opts).Check(context.Background(), m)
}

// TestDKIM: what proves a sender, and what does not.
func TestDKIM(t *testing.T) {
	w := mailsign.New()
	ours, other, sub := signer(t, w, "organizer.example", "rsa"), signer(t, w, "evil.example", "ed25519"), signer(t, w, "mail.organizer.example", "ed25519")
	trying := signer(t, w, "trying.example", "ed25519")
	name, value, _ := trying.Record()
	w.TXT(name, value+"; t=y")
	strict := signer(t, w, "mail.strict.example", "ed25519")
	w.TXT("_dmarc.strict.example", "v=DMARC1; p=reject; adkim=s")
	good := sign(t, ours, mailFrom("Olga <olga@organizer.example>"))
	for _, c := range []struct {
		name, raw string
		pass      bool
	}{
		{"a signature of From's domain", good, true},
		{"of a domain of the same organization", sign(t, sub, mailFrom("olga@organizer.example")), true},
		{"over a mail whose From is below the signing domain", sign(t, ours, mailFrom("olga@dept.organizer.example")), true},
		{"behind an mbox separator", "From olga@organizer.example Fri Nov 20 12:00:00 2026\r\n" + good, true},
		{"with line feeds only", strings.ReplaceAll(good, "\r\n", "\n"), true},
		{"no signature", mailFrom("olga@organizer.example"), false},
		{"a signature of another domain", sign(t, other, mailFrom("olga@organizer.example")), false},
		{"a changed body", strings.Replace(good, "METHOD:REQUEST", "METHOD:CANCEL", 1), false},
		{"a longer body", good + "BEGIN:VCALENDAR\r\n", false},
		{"a changed From", strings.Replace(good, "olga@", "eve@", 1), false},
		{"a second From on top", "From: eve@organizer.example\r\n" + good, false},
		{"two senders in From", sign(t, ours, mailFrom("olga@organizer.example, eve@evil.example")), false},
		{"a broken signature", strings.Replace(good, "bh=", "bh=A", 1), false},
		{"a key in test mode", sign(t, trying, mailFrom("olga@trying.example")), false},
		{"relaxed alignment where the domain wants strict", sign(t, strict, mailFrom("olga@strict.example")), false},
		{"only part of the body signed", strings.Replace(good, "v=1;", "v=1; l=0;", 1), false},
		{"a display name that looks like an address", sign(t, other, mailFrom(`"olga@organizer.example" <eve@evil.example>`)), true}, // proves eve
	} {
		v, err := judge(t, Options{Resolver: w}, c.raw)
		if err != nil || v.Pass != c.pass || v.Results == "" && c.name != "a second From on top" && c.name != "two senders in From" || !v.Pass && v.Reason == "" {
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
	v, _ := judge(t, Options{Resolver: w}, good)
	if v.By != "dkim" || v.Domain != "organizer.example" || len(v.Records) != 1 || !strings.HasPrefix(v.Records[0], "rsa._domainkey.organizer.example TXT v=DKIM1") {
		t.Errorf("the evidence: %+v", v)
	}
}

// TestGoogle: answers and requests that Google Calendar sends in its users' names.
func TestGoogle(t *testing.T) {
	w := mailsign.New()
	google, evil := signer(t, w, "google.com", "rsa"), signer(t, w, "evil.example", "rsa")
	const service = "Google Calendar <calendar-notification@google.com>"
	reply := strings.Replace(mailFrom(service, "Auto-Submitted: auto-generated"), "Reply-To: "+service, "Reply-To: Ann <ann@corp.example>", 1)
	request := mailFrom("Olga <olga@corp.example>", "Sender: "+service)
	signedReply := sign(t, google, reply)
	v, err := judge(t, Options{Resolver: w}, signedReply)
	if err != nil || !v.Pass || v.Represents != "ann@corp.example" {
		t.Errorf("an answer: %+v, %v", v, err)
	}
	// dkimsign does not sign Sender, Google does: sign as it would.
	signedRequest := signWith(t, w, "google.com", "arc", []string{"From", "Sender", "Subject"}, request)
	if v, err = judge(t, Options{Resolver: w}, signedRequest); err != nil || !v.Pass || v.Represents != "" {
		t.Errorf("a request: %+v, %v", v, err)
	}
	for name, raw := range map[string]string{
		"an answer signed by somebody else":  sign(t, evil, reply),
		"a request signed by somebody else":  sign(t, evil, request),
		"a request whose Sender is unsigned": sign(t, google, request),
		"an answer in another name":          strings.Replace(signedReply, "ann@corp.example", "bob@corp.example", 1),
	} {
		if v, err := judge(t, Options{Resolver: w}, raw); err != nil || v.Pass {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	if v, err := judge(t, Options{Resolver: w, NoGoogle: true}, signedRequest); err != nil || v.Pass {
		t.Errorf("switched off: %+v, %v", v, err)
	}
}

func TestSPF(t *testing.T) {
	w := mailsign.New()
	w.TXT("organizer.example", "v=spf1 ip4:192.0.2.1 -all")
	w.TXT("evil.example", "v=spf1 +all")
	from := func(envelope, client string) func(*Mail) {
		return func(m *Mail) { m.From, m.Client, m.HELO = envelope, client, "mx.example" }
	}
	for _, c := range []struct {
		name, envelope, client string
		pass                   bool
	}{
		{"a client the domain names", "bounce@organizer.example", "192.0.2.1:25", true},
		{"another client", "bounce@organizer.example", "192.0.2.2:25", false},
		{"another domain's client", "eve@evil.example", "192.0.2.9:25", false},
		{"no client", "bounce@organizer.example", "", false},
	} {
		v, err := judge(t, Options{Resolver: w}, mailFrom("olga@organizer.example"), from(c.envelope, c.client))
		if err != nil || v.Pass != c.pass {
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
}

// TestTemporary: what the DNS does not answer is asked again later, and never taken for yes or no.
func TestTemporary(t *testing.T) {
	w := mailsign.New()
	ours := signer(t, w, "organizer.example", "ed25519")
	raw := sign(t, ours, mailFrom("olga@organizer.example"))
	w.Down("organizer.example", true)
	if v, err := judge(t, Options{Resolver: w}, raw); !errors.Is(err, ErrTemporary) || v.Pass {
		t.Errorf("got %+v, %v", v, err)
	}
	w.Down("organizer.example", false)
	if v, err := judge(t, Options{Resolver: w}, raw); err != nil || !v.Pass {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestRelay(t *testing.T) {
	believe := Options{Resolver: mailsign.New(), AuthServID: "mx.cis.example"}
	for _, c := range []struct {
		name, header string
		pass         bool
	}{
		{"DKIM passed", "Authentication-Results: mx.cis.example; dkim=pass header.d=organizer.example", true},
		{"DMARC passed", "Authentication-Results: mx.cis.example; dmarc=pass header.from=organizer.example", true},
		{"SPF passed", "Authentication-Results: mx.cis.example; spf=pass smtp.mailfrom=bounce@organizer.example", true},
		{"another domain's DKIM passed", "Authentication-Results: mx.cis.example; dkim=pass header.d=evil.example", false},
		{"it failed", "Authentication-Results: mx.cis.example; dkim=fail header.d=organizer.example", false},
		{"another host says so", "Authentication-Results: mx.evil.example; dkim=pass header.d=organizer.example", false},
		{"the mail brought it along, below another", "Authentication-Results: mx.other.example; none\r\nAuthentication-Results: mx.cis.example; dkim=pass header.d=organizer.example", false},
		{"nobody says anything", "X-Nothing: 1", false},
		{"it cannot be read", "Authentication-Results: mx.cis.example; ;;=;", false},
	} {
		v, err := judge(t, believe, mailFrom("olga@organizer.example", c.header), func(m *Mail) { m.Relayed = true })
		if err != nil || v.Pass != c.pass || c.pass && v.By != "relay" {
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
}

// TestNotRelayed: who comes past the relay may write what they like.
func TestNotRelayed(t *testing.T) {
	raw := mailFrom("olga@organizer.example", "Authentication-Results: mx.cis.example; dkim=pass header.d=organizer.example")
	if v, err := judge(t, Options{Resolver: mailsign.New(), AuthServID: "mx.cis.example"}, raw); err != nil || v.Pass {
		t.Errorf("got %+v, %v", v, err)
	}
}

// TestARC: a mailing list broke the signature and sealed what it had seen.
func TestARC(t *testing.T) {
	w := mailsign.New()
	seal := newSealer(t, w, "list.example")
	original := mailFrom("olga@organizer.example", "X-List: yes")
	sealed := seal.add(t, original, 1, "dkim=pass header.d=organizer.example", "none")
	trust := Options{Resolver: w, Sealers: []string{"list.example"}}
	twice := seal.add(t, sealed, 2, "arc=pass; dkim=pass header.d=organizer.example", "pass")
	for _, c := range []struct {
		name, raw string
		opts      Options
		pass      bool
	}{
		{"a trusted sealer", sealed, trust, true},
		{"a chain of two", twice, trust, true},
		{"a sealer nobody trusts", sealed, Options{Resolver: w}, false},
		{"another is trusted", sealed, Options{Resolver: w, Sealers: []string{"other.example"}}, false},
		{"a changed body", strings.Replace(sealed, "METHOD:REQUEST", "METHOD:CANCEL", 1), trust, false},
		{"a changed From", strings.Replace(sealed, "olga@", "eve@", 1), trust, false},
		{"changed results", strings.Replace(sealed, "dkim=pass", "dkim=pass ", 1) + "", trust, true}, // white space is no change
		{"results for another domain", strings.Replace(sealed, "header.d=organizer.example", "header.d=victim.example", 1), trust, false},
		{"the sealer saw a failure", seal.add(t, original, 1, "dkim=fail header.d=organizer.example", "none"), trust, false},
		{"a set is missing", seal.add(t, original, 2, "dkim=pass header.d=organizer.example", "pass"), trust, false},
		{"the chain is said to be broken", seal.add(t, sealed, 2, "dkim=pass header.d=organizer.example", "fail"), trust, false},
	} {
		v, err := judge(t, c.opts, c.raw)
		if err != nil || v.Pass != c.pass || c.pass && v.By != "arc" {
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
}

// sealer makes ARC sets as RFC 8617 describes, independently of how they are verified.
type sealer struct {
	domain string
	key    *rsa.PrivateKey
}

func newSealer(t *testing.T, w *mailsign.World, domain string) sealer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	w.TXT("arc._domainkey."+domain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(der))
	return sealer{domain, key}
}

func (s sealer) sign(t *testing.T, data string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(data))
	sig, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// signed makes a DKIM-like header over the given ones: DKIM-Signature or ARC-Message-Signature.
func (s sealer) signed(t *testing.T, name, prefix, mail string, headers []string) string {
	t.Helper()
	head, body, _ := strings.Cut(mail, "\r\n\r\n")
	sum := sha256.Sum256([]byte(strings.TrimRight(body, "\r\n") + "\r\n"))
	field := fmt.Sprintf("%s: %s a=rsa-sha256; c=relaxed/relaxed; d=%s; s=arc; h=%s; bh=%s; b=", name, prefix, s.domain,
		strings.ToLower(strings.Join(headers, ":")), base64.StdEncoding.EncodeToString(sum[:]))
	var data bytes.Buffer
	for _, h := range headers {
		for line := range strings.SplitSeq(head, "\r\n") {
			if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, h) {
				data.WriteString(strings.ToLower(n) + ":" + strings.TrimSpace(v) + "\r\n")
			}
		}
	}
	n, v, _ := strings.Cut(field, ":")
	return field + s.sign(t, data.String()+strings.ToLower(n)+":"+strings.TrimSpace(v))
}

func (s sealer) add(t *testing.T, mail string, i int, results, cv string) string {
	t.Helper()
	flat := func(field string) string {
		n, v, _ := strings.Cut(field, ":")
		return strings.ToLower(n) + ":" + strings.TrimSpace(v)
	}
	var before strings.Builder // the sets so far, oldest first
	head, _, _ := strings.Cut(mail, "\r\n\r\n")
	for n := 1; n < i; n++ {
		for _, name := range []string{"ARC-Authentication-Results: ", "ARC-Message-Signature: ", "ARC-Seal: "} {
			for line := range strings.SplitSeq(head, "\r\n") {
				if strings.HasPrefix(line, fmt.Sprintf("%si=%d;", name, n)) {
					before.WriteString(flat(line) + "\r\n")
				}
			}
		}
	}
	aar := fmt.Sprintf("ARC-Authentication-Results: i=%d; %s; %s", i, s.domain, results)
	ams := s.signed(t, "ARC-Message-Signature", fmt.Sprintf("i=%d;", i), mail, []string{"From", "Subject"})
	as := fmt.Sprintf("ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=%s; s=arc; b=", i, cv, s.domain)
	as += s.sign(t, before.String()+flat(aar)+"\r\n"+flat(ams)+"\r\n"+flat(as))
	return as + "\r\n" + ams + "\r\n" + aar + "\r\n" + mail
}

// signWith makes a DKIM signature over given headers.
func signWith(t *testing.T, w *mailsign.World, domain, _ string, headers []string, mail string) string {
	t.Helper()
	s := newSealer(t, w, domain)
	return s.signed(t, "DKIM-Signature", "v=1;", mail, headers) + "\r\n" + mail
}

// FuzzCheck: whatever stands in the headers, checking ends soon, and nobody is believed who has not signed.
func FuzzCheck(f *testing.F) {
	w := mailsign.New()
	if _, err := w.Domain("organizer.example", "ed25519"); err != nil {
		f.Fatal(err)
	}
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; d=organizer.example; s=ed25519; h=from; bh=; b=\r\n")
	f.Add("ARC-Seal: i=1; cv=none; d=list.example; s=arc; b=\r\nARC-Message-Signature: i=1; h=from; b=x; bh=\r\nARC-Authentication-Results: i=1; x; dkim=pass header.d=organizer.example\r\n")
	f.Add("Authentication-Results: mx.cis.example; dkim=pass (\"x\r\n y) header.d=\"organizer.example\"\r\n")
	f.Fuzz(func(t *testing.T, headers string) {
		raw := []byte(headers + "From: olga@organizer.example\r\n\r\nx\r\n")
		msg, err := message.Parse(raw)
		if err != nil {
			return
		}
		begin := time.Now()
		v, _ := New(Options{Resolver: w, Sealers: []string{"list.example"}}).Check(context.Background(), Mail{Raw: raw, Message: msg})
		if v.Pass || time.Since(begin) > 2*time.Second {
			t.Errorf("%+v after %v for %q", v, time.Since(begin), headers)
		}
	})
}
