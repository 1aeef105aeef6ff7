package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/history/audit"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func newPoison() *cobra.Command {
	cmd := &cobra.Command{
		Use: "poison", Short: "See what cannot be handled, have it tried again, or passed over",
		Long: `A mail that cannot be handled is set aside after an hour of attempts; its sender's other mails go on. A fact that a read
model cannot apply keeps that one still, and no other; it is tried again every few seconds. ID is a mail's id, or a read
model's name.`,
	}
	cmd.AddCommand(newPoisonList(), newPoisonShow(), newPoisonRetry(), newPoisonSkip())
	return cmd
}

// stuck is something that cannot be handled.
type stuck struct {
	ID     string    `json:"id"`   // of a mail, or a projection's name
	Kind   string    `json:"kind"` // mail, fact
	Tenant string    `json:"tenant,omitempty"`
	At     string    `json:"at,omitempty"`   // the fact: stream@revision
	Since  time.Time `json:"since,omitzero"` // received
	Why    string    `json:"why,omitempty"`  // of a mail the server's log says it
}

// poisoned lists all there is.
func (p *parts) poisoned(ctx context.Context) ([]stuck, error) {
	list := []stuck{}
	overview, err := p.keeper().Overview(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range overview {
		if o.Stuck != "" {
			list = append(list, stuck{ID: o.Name, Kind: "fact", At: o.Stuck, Why: o.Stopped})
		}
	}
	mails, err := inbox.ListPoison(ctx, p.pool)
	for _, m := range mails {
		list = append(list, stuck{ID: m.MailID, Kind: "mail", Tenant: m.Tenant, At: mail.Stream(m.MailID), Since: m.Received, Why: fmt.Sprintf("after %d attempts; the server's log says why", m.Attempts)})
	}
	return list, err
}

// withPoison runs a command about one of them.
func withPoison(cmd *cobra.Command, id string, do func(context.Context, *parts, stuck) error) error {
	return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
		list, err := p.poisoned(ctx)
		if err != nil {
			return err
		}
		for _, s := range list {
			if s.ID == id {
				return do(ctx, p, s)
			}
		}
		return fmt.Errorf("nothing called %q stands still or was set aside: `cis poison list`", id)
	})
}

func newPoisonList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List what cannot be handled", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				list, err := p.poisoned(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), list)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ID\tKIND\tAT\tWHY")
				for _, s := range list {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.ID, s.Kind, s.At, s.Why)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newPoisonShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show the mail's history, or the fact, what is personal left out", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPoison(cmd, args[0], func(ctx context.Context, p *parts, s stuck) error {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", s.Kind, s.At, s.Why)
				if s.Kind == "mail" {
					trail, err := audit.Teller{Log: p.facts, Keys: p.keys, Progress: func(int64) {}}.Tell(ctx, audit.Query{Tenant: s.Tenant, ID: s.ID, Sealed: true})
					if err != nil {
						return err
					}
					return printTrail(cmd.OutOrStdout(), trail)
				}
				return p.printStored(ctx, cmd.OutOrStdout(), s)
			})
		},
	}
}

// printStored prints a record as it is stored, sealed: it may not be readable at all.
func (p *parts) printStored(ctx context.Context, w io.Writer, s stuck) error {
	stream, revision, err := s.where()
	if err != nil {
		return err
	}
	records, err := p.store.ReadStream(ctx, stream, revision)
	if err != nil || len(records) == 0 {
		return errors.Join(err, fmt.Errorf("%s is not there", s.At))
	}
	r := records[0]
	if rec, err := facts.Decode(r); err == nil { // of what cannot be read nobody knows what opens doors
		if r.Data, err = facts.Shown(rec.Fact); err != nil {
			return err
		}
	}
	return printJSON(w, struct {
		Type     string          `json:"type"`
		ID       uuid.UUID       `json:"id"`
		Created  time.Time       `json:"created"`
		Data     json.RawMessage `json:"data"`
		Metadata json.RawMessage `json:"metadata"`
	}{r.Type, r.ID, r.Created.UTC(), r.Data, r.Metadata})
}

func (s stuck) where() (stream string, revision uint64, err error) {
	stream, number, _ := strings.Cut(s.At, "@")
	revision, err = strconv.ParseUint(number, 10, 64)
	return stream, revision, err
}

func newPoisonRetry() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Have it tried again now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPoison(cmd, args[0], func(ctx context.Context, p *parts, s stuck) error {
				said := "it is tried again every few seconds, by itself"
				if s.Kind == "mail" {
					if _, err := inbox.Retry(ctx, p.pool, s.ID); err != nil {
						return err
					}
					said = "it is tried again"
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), said)
				return err
			})
		},
	}
}

func newPoisonSkip() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "skip ID --why REASON", Short: "Pass over it: drop the mail, or have the read model go on without the fact", Args: cobra.ExactArgs(1),
		Long: `Pass over it: drop the mail, or have the read model go on without the fact. It is recorded in the log with your name, and
holds for every rebuild. Nothing is lost: the mail and the fact stay where they are.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPoison(cmd, args[0], func(ctx context.Context, p *parts, s stuck) error {
				meta := commands.From("operator", s.Tenant, uuid.NewString(), 0)
				if s.Kind == "mail" {
					if why == "" {
						return commands.ErrWhy
					}
					meta.By = operator() + ": " + why
					if _, err := p.handler().ForMail(ctx, meta, commands.JudgeMail{Tenant: s.Tenant, MailID: s.ID, Poison: true, By: meta.By}); err != nil {
						return err
					}
				} else {
					stream, revision, err := s.where()
					if err != nil {
						return err
					}
					if _, err := p.handler().ForLog(ctx, meta, commands.SkipFact{Skip: logbook.Skip{Projection: s.ID, Stream: stream, Revision: revision}, Why: why, By: operator()}); err != nil {
						return err
					}
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "passed over, and recorded")
				return err
			})
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for the record")
	return cmd
}
