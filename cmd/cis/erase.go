package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/calendar-invite-server/cis/history/erasure"
	"github.com/spf13/cobra"
)

func newRecipientsErase() *cobra.Command {
	var yes, asJSON bool
	var out string
	var r erasure.Request
	cmd := &cobra.Command{
		Use: "erase ADDRESS", Short: "Make everything personal about somebody unreadable, for ever", Args: cobra.ExactArgs(1),
		Long: `Make everything personal about somebody unreadable, for ever: the keys are destroyed under which the log has sealed what
is theirs, and those of received mails that name them; the database's rows about them go, with all that it keeps of deleted rows;
so do mails in the outbox. Counts, answers and proofs stay, of somebody who has no name. They cannot be invited again.

Without --yes it only says what there is. Asked again, it finishes what was interrupted and erases what came in since.
The certificate says what was done and what you must still do; its digest is recorded in the log.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				bar := newBar(cmd.ErrOrStderr())
				e := erasure.Eraser{
					Facts: p.facts, Keys: p.keys, Handler: p.handler(), Pool: p.pool, Keeper: p.keeper(), Private: p.private != nil,
					Outbox: p.outbox(), Tell: bar.show,
				}
				r.Tenant, r.Address, r.By, r.Look = p.tenant, args[0], operator(), !yes
				c, err := e.Erase(ctx, r)
				bar.end()
				if err != nil {
					return err
				}
				if r.Look {
					return printFound(cmd.OutOrStdout(), c, asJSON)
				}
				if out != "" {
					if err := os.WriteFile(out, c.Bytes(), 0o600); err != nil {
						return errors.Join(fmt.Errorf("they are erased, but the certificate could not be written; ask again: %w", err))
					}
				}
				if asJSON {
					_, err = cmd.OutOrStdout().Write(c.Bytes())
					return err
				}
				return printCertificate(cmd.OutOrStdout(), c)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it; this cannot be undone")
	cmd.Flags().BoolVar(&r.Names, "names", false, "also erase mails that say their full name but not their address")
	cmd.Flags().StringVar(&out, "out", "", "write the certificate, as JSON, into a file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// outbox is the Maildir that mails go into where there is no relay.
func (p *parts) outbox() string { return filepath.Join(p.cfg.Data, "outbox") }

func printFound(w io.Writer, c erasure.Certificate, asJSON bool) error {
	if asJSON {
		return printJSON(w, struct {
			Person      string   `json:"person"`
			Mails       []string `json:"mails"`
			MailsByName []string `json:"mails_by_name"`
		}{c.Person, c.Mails, c.MailsByName})
	}
	_, _ = fmt.Fprintf(w, "person %s\n%d received mails name them; their content would go, too\n", c.Person, len(c.Mails))
	if len(c.MailsByName) > 0 {
		_, _ = fmt.Fprintf(w, "%d more mails say their full name, but not their address; with --names they would go, too\n", len(c.MailsByName))
	}
	_, err := fmt.Fprintln(w, "nothing was changed: say --yes to erase them, for ever")
	return err
}

func printCertificate(w io.Writer, c erasure.Certificate) error {
	_, _ = fmt.Fprintf(w, "person %s is erased: %d keys destroyed, %d received mails, %d mails of the outbox\n", c.Person, c.Keys, len(c.Mails), c.Outbox)
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		_, _ = fmt.Fprintln(w, title)
		for _, l := range lines {
			_, _ = fmt.Fprintln(w, "  "+l)
		}
	}
	list("the database:", c.Database)
	list("removed, as they did not serve:", c.Dropped)
	var mentions []string
	for _, m := range c.Remaining {
		mentions = append(mentions, fmt.Sprintf("%s@%d %s.%s", m.Stream, m.Revision, m.Fact, m.Field))
	}
	list("facts about others still mention the address, and cannot be changed:", mentions)
	list("mails that say their full name but not their address are kept (--names):", c.MailsByName)
	list("webhooks that were sent facts; their owners may keep them:", c.Endpoints)
	list("what you must still do:", c.ToDo)
	_, err := fmt.Fprintf(w, "the log holds the certificate's SHA-256: %s\n", c.Digest())
	return err
}
