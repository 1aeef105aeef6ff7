package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func newMailHeld() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "held", Short: "List mails that wait for somebody's decision", Args: cobra.NoArgs,
		Long: `List mails that wait for somebody's decision: nothing proves who sent them, they answer for somebody else, or come from
somebody who was never invited. They have changed nothing. "cis mail held release ID" has a mail handled as if its sender
were proven; "cis mail held drop ID" ends it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				held, err := inbox.ListHeld(ctx, p.pool, p.tenant, limit)
				if err != nil {
					return err
				}
				if len(held) > 0 {
					p.disclose(ctx, "cis mail held", "")
				}
				lines := make([]heldLine, 0, len(held))
				for _, h := range held {
					lines = append(lines, p.describeHeld(ctx, h))
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ID\tRECEIVED\tREASON\tFROM\tSUBJECT\tCHECKS")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Received.Format(time.DateTime), l.Reason, l.From, l.Subject, l.Checks)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", 100, "mails at most")
	cmd.AddCommand(newJudge("release", "Have held mails handled as if their senders were proven", true), newJudge("drop", "End held mails without doing anything", false))
	return cmd
}

type heldLine struct {
	ID       string    `json:"id"`
	Received time.Time `json:"received"`
	Reason   string    `json:"reason"`
	From     string    `json:"from"` // as the header says
	Subject  string    `json:"subject"`
	Checks   string    `json:"checks,omitempty"` // RFC 8601
}

// describeHeld adds what the mail itself says; it is not kept in the database.
func (p *parts) describeHeld(ctx context.Context, h inbox.HeldMail) heldLine {
	l := heldLine{ID: h.MailID, Received: h.Received.UTC(), Reason: h.Reason}
	if raw, err := p.facts.LoadRaw(ctx, h.MailID); err == nil {
		if msg, err := message.Parse(raw); err == nil {
			l.From, l.Subject = msg.FromAddress, msg.Subject
		}
	}
	if seen, err := p.handler().Mail(ctx, h.MailID); err == nil {
		l.Checks = seen.State.Proof.Results
	}
	return l
}

func newJudge(use, short string, release bool) *cobra.Command {
	var age time.Duration
	cmd := &cobra.Command{
		Use: use + " ID…", Short: short,
		Args: func(_ *cobra.Command, ids []string) error {
			if len(ids) == 0 && age == 0 {
				return errors.New("name the mails, as \"cis mail held\" lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			return withParts(cmd.Context(), age > 0, func(ctx context.Context, p *parts) error {
				var failed []error
				if age > 0 {
					held, err := inbox.ListHeld(ctx, p.pool, p.tenant, 10_000)
					if err != nil {
						return err
					}
					for _, h := range held {
						if time.Since(h.Received) > age {
							ids = append(ids, h.MailID)
						}
					}
				}
				for _, id := range ids {
					meta := commands.From("operator", p.tenant, uuid.NewString(), 0)
					_, err := p.handler().ForMail(ctx, meta, commands.JudgeMail{Tenant: p.tenant, MailID: id, Release: release, By: operator()})
					if err != nil {
						failed = append(failed, fmt.Errorf("%s: %w", id, err))
						continue
					}
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", id, map[bool]string{true: "released", false: "dropped"}[release])
				}
				return errors.Join(failed...)
			})
		},
	}
	if !release {
		cmd.Flags().DurationVar(&age, "older-than", 0, "also all that came in longer ago than this, like 720h")
	}
	return cmd
}

// operator is who works at this machine.
func operator() string {
	if u, err := user.Current(); err == nil {
		return "operator " + u.Username
	}
	return "operator"
}
