package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/history/whatif"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/spf13/cobra"
)

func newWhatIf() *cobra.Command {
	cmd := &cobra.Command{
		Use: "whatif", Short: "See who would be treated otherwise, under another policy or by a table that is not sent yet",
		Long: "See who would be treated otherwise. Nothing is recorded but that you looked, and nobody is mailed.",
	}
	cmd.AddCommand(newWhatIfPolicy(), newWhatIfTable())
	return cmd
}

func newWhatIfPolicy() *cobra.Command {
	var events, invites int
	var p whatif.Policy
	var since, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "policy", Short: "Replay the log under other limits, another policy for party crashers, or other checks of senders", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cmd.Flags().Changed("events") {
				p.Events = &events
			}
			if cmd.Flags().Changed("invites") {
				p.Invites = &invites
			}
			switch {
			case !slices.Contains([]event.Crashers{"", event.CrashersAdd, event.CrashersHold, event.CrashersCancel}, p.Crashers):
				return fmt.Errorf("--crashers is none of add, hold, cancel: %q", p.Crashers)
			case p.MailAuth != "" && p.MailAuth != "enforce" && p.MailAuth != "off":
				return fmt.Errorf("--mail-auth is neither enforce nor off: %q", p.MailAuth)
			case p == whatif.Policy{}:
				return fmt.Errorf("say what should have been otherwise: --events, --invites, --crashers, --mail-auth")
			}
			s := whatif.Stretch{}
			if s.Since, err = moment(since); err == nil {
				s.Until, err = moment(until)
			}
			if err != nil {
				return err
			}
			return withParts(cmd.Context(), false, func(ctx context.Context, parts *parts) error {
				s.Tenant = parts.tenant
				bar := newBar(cmd.ErrOrStderr())
				found, err := whatif.Replay(ctx, parts.facts, p, s, counting(bar, "replaying"))
				bar.end()
				if err != nil {
					return err
				}
				if len(found) > 0 {
					parts.disclose(ctx, "cis whatif policy", "")
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), slices.Concat([]whatif.Finding{}, found))
				}
				for _, f := range found {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s; %s  (%s)\n", f.At.Format(time.DateTime), f.Who, f.Was, f.Would, f.Stream)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d would have been treated otherwise\n", len(found))
				return err
			})
		},
	}
	cmd.Flags().IntVar(&events, "events", 0, "events of an organizer nobody pays for (EVENT_LIMIT); 0: any number")
	cmd.Flags().IntVar(&invites, "invites", 0, "invitations to an event in bulk (EVENT_INVITE_LIMIT); 0: any number")
	cmd.Flags().StringVar((*string)(&p.Crashers), "crashers", "", "answers of people who were never invited: add, hold, cancel")
	cmd.Flags().StringVar(&p.MailAuth, "mail-auth", "", "whether senders must be proven: enforce, off (CIS_MAIL_AUTH)")
	cmd.Flags().StringVar(&since, "since", "", "from this time on; what was before counts towards limits")
	cmd.Flags().StringVar(&until, "until", "", "before this time")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newWhatIfTable() *cobra.Command {
	var organizer, uid string
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "table FILE", Short: "Say what would become of each row of a table of people, before it is sent", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			table, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			if uid != "" {
				if table, err = bulk.For(table, uid); err != nil {
					return err
				}
			}
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				id, err := p.organizerID(ctx, organizer)
				if err != nil {
					return err
				}
				bar := newBar(cmd.ErrOrStderr())
				rows, err := whatif.Table(ctx, p.handler(), p.keys, p.tenant, id, table, counting(bar, "weighing"))
				bar.end()
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), slices.Concat([]whatif.Row{}, rows))
				}
				counts := map[string]int{}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				for _, r := range rows {
					if counts[r.Would]++; all || r.Would != whatif.Invite {
						_, _ = fmt.Fprintf(w, "line %d\t%s\t%s\n", r.Line, r.Email, r.Would)
					}
				}
				for _, what := range slices.Sorted(maps.Keys(counts)) {
					_, _ = fmt.Fprintf(w, "%d\t%s\n", counts[what], what)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&organizer, "organizer", "", "address of who would send it")
	cmd.Flags().StringVar(&uid, "event", "", "the event, if the table has no column for it")
	cmd.Flags().BoolVar(&all, "all", false, "list rows that would be invited, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("organizer")
	return cmd
}
