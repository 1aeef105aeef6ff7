package inbox

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
)

// checkFor is how long a sender is looked up again while the DNS does not answer.
const checkFor = 24 * time.Hour

// relayed says whether the mail came through a mail server of ours: by a door only that one uses, or from an address
// that is trusted.
func (w *Worker) relayed(m mail.MailReceived) bool {
	switch m.Door {
	case "lmtp", "imap", "import":
		return true
	case "smtp":
		host, _, _ := net.SplitHostPort(m.Client)
		ip := net.ParseIP(host)
		return ip != nil && (ip.IsLoopback() || slices.ContainsFunc(w.relays, func(n *net.IPNet) bool { return n.Contains(ip) }))
	}
	return false
}

// client is who brought the mail, where that is its sender's mail server.
func (l *letter) client() string {
	if l.received.Door == "smtp" {
		return l.received.Client
	}
	return ""
}

// authenticate finds out who sent the mail, unless that is known, or is nobody's business here.
func (w *Worker) authenticate(ctx context.Context, l *letter) error {
	l.from = itip.Sender{Address: l.msg.FromAddress, Name: l.msg.FromName, Vouched: l.Released}
	if w.auth == nil {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone}
		return nil
	}
	if l.proof.Verdict == "" {
		v, err := w.auth.Check(ctx, senderauth.Mail{
			Raw: l.raw, Message: l.msg, From: l.received.From, Client: l.client(), HELO: l.received.HELO,
			Relayed: w.relayed(l.received),
		})
		if err != nil && time.Since(l.Received) < checkFor {
			return err
		}
		l.proof = Proof(l.Tenant, l.MailID, v)
	}
	l.from = SenderOf(l.from, l.msg, l.proof)
	return nil
}

// Proof is a verdict as a fact.
func Proof(tenant, mailID string, v senderauth.Verdict) mail.MailAuthenticated {
	f := mail.MailAuthenticated{
		Tenant: tenant, MailID: mailID, Verdict: mail.VerdictFail, By: v.By, Domain: v.Domain, Reason: v.Reason, Results: v.Results, Records: v.Records,
		Service: v.Represents != "",
	}
	if v.Pass {
		f.Verdict = mail.VerdictPass
	}
	return f
}

// SenderOf adds what a recorded verdict says to what the header says.
func SenderOf(from itip.Sender, msg *message.Message, f mail.MailAuthenticated) itip.Sender {
	switch f.Verdict {
	case mail.VerdictPass:
		from.Proof = f.By + " " + f.Domain
		if f.Service {
			from.Represents = msg.ReplyTo
		}
	case mail.VerdictFail:
		from.Unproven = true
	}
	return from
}
