package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/spf13/cobra"
)

func newMailReplay() *cobra.Command {
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use: "replay --dry-run", Short: "Read all received mail again and report what would be understood differently", Args: cobra.NoArgs,
		Long: `Read all mail in the log again with the current reader and report every mail whose meaning differs from what was
understood when it was handled. Senders are believed as they were then; nothing is changed and nothing is sent.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dry {
				return errors.New("only --dry-run is there: past mail is read again, never handled again")
			}
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				return p.replay(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON per difference")
	return cmd
}

// past is what the log says about one mail.
type past struct {
	received mail.MailReceived
	proof    mail.MailAuthenticated
	released bool
}

// difference is a mail that would be understood differently.
type difference struct {
	ID       string    `json:"id"`
	Received time.Time `json:"received"`
	Reader   int       `json:"reader"` // that handled it
	Was      string    `json:"was"`
	Now      string    `json:"now"`
}

// replay reads mail after mail; only those that are not handled yet are kept in memory.
func (p *parts) replay(ctx context.Context, out, progress io.Writer, asJSON bool) error {
	in := itip.Interpreter{Keys: p.keys, Addresses: p.directory(p.handler())}
	open := map[string]past{}
	read, differ, gone := 0, 0, 0
	last := time.Now()
	err := p.store.Scan(ctx, []string{mail.StreamPrefix}, func(page []eventstore.Recorded) error {
		for _, r := range page {
			rec, err := facts.Decode(r)
			if err != nil {
				return err
			}
			switch f := rec.Fact.(type) {
			case mail.MailReceived:
				open[f.MailID] = past{received: f}
			case mail.MailAuthenticated:
				m := open[f.MailID]
				m.proof = f
				open[f.MailID] = m
			case mail.MailReleased:
				m := open[f.MailID]
				m.released = true
				open[f.MailID] = m
			case mail.MailDropped:
				delete(open, f.MailID)
			case mail.MailHandled:
				m := open[f.MailID]
				delete(open, f.MailID)
				read++
				d, err := p.reread(ctx, in, m, f)
				switch {
				case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, vault.ErrNoKey):
					gone++
				case err != nil:
					return fmt.Errorf("mail %s: %w", f.MailID, err)
				case d != nil:
					differ++
					if asJSON {
						err = json.NewEncoder(out).Encode(d)
					} else {
						_, err = fmt.Fprintf(out, "%s  %s  was: %s  now: %s\n", d.ID, d.Received.Format(time.DateTime), d.Was, d.Now)
					}
					if err != nil {
						return err
					}
				}
			}
			if time.Since(last) > 2*time.Second {
				last = time.Now()
				_, _ = fmt.Fprintf(progress, "… %d mails read, %d differ\n", read, differ)
			}
		}
		return nil
	})
	if err == nil {
		_, _ = fmt.Fprintf(progress, "%d mails read again, %d would be understood differently, %d are no longer kept\n", read, differ, gone)
	}
	return err
}

// reread compares what a mail means to the current reader with what was done.
func (p *parts) reread(ctx context.Context, in itip.Interpreter, m past, done mail.MailHandled) (*difference, error) {
	raw, err := p.facts.LoadRaw(ctx, done.MailID)
	if err != nil {
		return nil, err
	}
	d := &difference{ID: done.MailID, Received: m.received.Received, Reader: done.Reader, Was: describeOutcome(done.Method, done.EventUID, done.Reason)}
	msg, err := message.Parse(raw)
	switch {
	case err != nil:
		if done.Reason == itip.ErrUnreadable.Code {
			return nil, nil
		}
		d.Now = itip.ErrUnreadable.Code
		return d, nil
	case msg.Report != nil, done.Plan == inbox.ByAddress: // decided by addresses and tokens, not by reading
		return nil, nil
	}
	from := inbox.SenderOf(itip.Sender{Address: msg.FromAddress, Name: msg.FromName, Vouched: m.released}, msg, m.proof)
	reading, err := inbox.Interpret(ctx, in, p.handler(), itip.Mail{Tenant: done.Tenant, Message: msg, Received: m.received.Received, From: from})
	if err != nil {
		return nil, err
	}
	if done.Plan != "" && done.Plan == inbox.Plan(in, reading) {
		return nil, nil
	}
	var method, uid, reason string
	if n := len(reading.Actions); n > 0 {
		method, uid = reading.Actions[n-1].Method, reading.Actions[n-1].EventUID
	} else if reading.Refusal != nil {
		reason = reading.Refusal.Code
	}
	if done.Plan == "" { // an older reader left no digest: what it did must do
		if method != "" && method == done.Method && uid == done.EventUID || method == "" && reason == done.Reason {
			return nil, nil
		}
	}
	d.Now = describeOutcome(method, uid, reason)
	if d.Now == d.Was {
		d.Now += " (in other words: times, people or texts differ)"
	}
	return d, nil
}

func describeOutcome(method, uid, reason string) string {
	switch {
	case method != "" && reason != "":
		return fmt.Sprintf("%s %s (%s)", method, uid, reason)
	case method != "":
		return method + " " + uid
	default:
		return reason
	}
}
