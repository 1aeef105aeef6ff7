// Package inbox takes mails in and works them off. A mail is a fact before it is anything else: its bytes first, then
// MailReceived, then the sender hears 250. What it means is found out later, in parallel, in order within a lane, and
// ends in one MailHandled whatever crashes in between.
//
// Start reading at [Receiver.Receive] and [Worker].
package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/secret"
)

// Envelope is what is known about a mail besides its bytes.
type Envelope struct {
	Door       string // smtp, import
	From       string // empty: the null sender
	Recipients []string
	Client     string
	HELO       string
	TLS        bool
}

// Receiver makes mails durable.
type Receiver struct {
	log     *facts.Log
	keys    secret.Keys
	tenants *address.Directory
	recent  *recent
}

// NewReceiver makes a receiver for the mail of all tenants.
func NewReceiver(log *facts.Log, keys secret.Keys, tenants *address.Directory) *Receiver {
	return &Receiver{log: log, keys: keys, tenants: tenants, recent: newRecent(64 << 20)}
}

// Receive stores a mail and returns its id. When it returns without error the mail is durable and will be handled. The
// same mail from the same sender to the same recipients is one mail, however often it comes. To several tenants it is
// one for each, and the id is that of the first.
func (r *Receiver) Receive(ctx context.Context, env Envelope, raw []byte) (first string, err error) {
	for i, part := range r.split(env) {
		id, err := r.receive(ctx, part.tenant, part.env, raw)
		if err != nil {
			return "", err
		}
		if i == 0 {
			first = id
		}
	}
	return first, nil
}

type envelopeOf struct {
	tenant string
	env    Envelope
}

// split sorts an envelope's recipients by whose they are. What is nobody's (a door may not know recipients) is the
// default tenant's.
func (r *Receiver) split(env Envelope) []envelopeOf {
	var parts []envelopeOf
	for _, rcpt := range env.Recipients {
		code, ok := r.tenants.Tenant(rcpt)
		if !ok {
			code = tenant.Default
		}
		i := slices.IndexFunc(parts, func(p envelopeOf) bool { return p.tenant == code })
		if i < 0 {
			own := env
			own.Recipients = nil
			parts, i = append(parts, envelopeOf{code, own}), len(parts)
		}
		parts[i].env.Recipients = append(parts[i].env.Recipients, rcpt)
	}
	if len(parts) == 0 {
		return []envelopeOf{{tenant.Default, env}}
	}
	return parts
}

func (r *Receiver) receive(ctx context.Context, tenant string, env Envelope, raw []byte) (string, error) {
	id := r.keys.MailID(env.From, env.Recipients, raw)
	chunks, err := r.log.AppendRaw(ctx, tenant, id, raw)
	if err != nil {
		return "", fmt.Errorf("receiving a mail: %w", err)
	}
	sum := sha256.Sum256(raw)
	meta := commands.From("mail", tenant, id, 0)
	received := mail.MailReceived{
		Tenant: tenant, MailID: id, Door: env.Door, SHA256: hex.EncodeToString(sum[:]), Size: len(raw), Chunks: chunks,
		Lane: r.lane(env, raw), Received: time.Now().UTC().Truncate(time.Microsecond),
		From: env.From, Recipients: strings.Join(env.Recipients, " "), Client: env.Client, HELO: env.HELO, TLS: env.TLS,
	}
	_, err = r.log.Append(ctx, mail.Stream(id), eventstore.NoStream, meta, received)
	if err != nil && !errors.Is(err, eventstore.ErrWrongRevision) { // wrong: it has been received before
		return "", fmt.Errorf("receiving a mail: %w", err)
	}
	r.recent.put(received, raw)
	return id, nil
}

// lane puts mails about the same event from the same sender into one lane: an organizer's update must not overtake the
// request, an attendee's second thought not the first; but a hundred thousand attendees do not wait for each other.
func (r *Receiver) lane(env Envelope, raw []byte) string {
	sender := strings.ToLower(env.From)
	msg, err := message.Parse(raw)
	if err != nil {
		return r.keys.Lane(sender)
	}
	if msg.FromAddress != "" { // calendar services write envelopes and, for all their users, From of their own
		sender = msg.FromAddress + " " + msg.ReplyTo
	}
	for _, part := range msg.Calendars {
		cal, err := ical.Read(part.Data)
		if err == nil && len(cal.Events) > 0 {
			return r.keys.Lane(sender, strings.ToLower(cal.Events[0].UID))
		}
	}
	return r.keys.Lane(sender, msg.MessageID)
}
