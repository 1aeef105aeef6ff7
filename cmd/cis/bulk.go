package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	dombulk "github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/spf13/cobra"
)

func newBulk() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bulk", Short: "Look at tables of people that are worked off, and steer them",
		Long: `A table is a CSV file mailed to bulk@ by an organizer who may send in bulk. Its rows are worked off in blocks; a crash
costs nothing and invites nobody twice.`,
	}
	steer := func(to, short, said string) *cobra.Command {
		return &cobra.Command{
			Use: to + " ID", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return order(cmd, func(ctx context.Context, h *commands.Handler, meta commands.Meta, p *parts) (string, error) {
					_, err := h.ForBulk(ctx, meta, commands.SteerBulk{Tenant: p.tenant, BulkID: args[0], To: to, By: operator()})
					return args[0] + " " + said, err
				})
			},
		}
	}
	cmd.AddCommand(newBulkStatus(),
		steer("pause", "Have a table wait, and the invitations of it that were not sent", "waits"),
		steer("resume", "Let a table go on", "goes on"),
		steer("stop", "End a table where it is; what was asked for is sent", "ends where it is"),
	)
	return cmd
}

// bulkLine is how far a table is.
type bulkLine struct {
	bulk.Progress
	Sent int64 `json:"sent"` // of the accepted
	Owed int64 `json:"owed"`
}

func newBulkStatus() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "status [ID]", Short: "Show how far tables are, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				id := ""
				if len(args) > 0 {
					id = args[0]
				}
				list, err := bulk.List(ctx, p.pool, p.tenant, id, limit)
				if err == nil && id != "" && len(list) == 0 {
					err = dombulk.ErrUnknown.With(id)
				}
				if err != nil {
					return err
				}
				lines := make([]bulkLine, 0, len(list))
				for _, b := range list {
					l := bulkLine{Progress: b}
					if l.Sent, l.Owed, err = notifier.Progress(ctx, p.pool, b.ID); err != nil {
						return err
					}
					lines = append(lines, l)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ID\tSTARTED\tSTATE\tROWS\tDONE\tACCEPTED\tREJECTED\tDUPLICATE\tSUPPRESSED\tSENT\tOWED")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", l.ID, l.Started.UTC().Format(time.DateTime), l.state(), l.Rows, l.Done, l.Accepted, l.Rejected, l.Duplicate, l.Suppressed, l.Sent, l.Owed)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", 20, "tables at most")
	return cmd
}

func (l bulkLine) state() string {
	switch {
	case l.Paused:
		return "paused"
	case l.Finished == nil:
		return "running"
	case l.Stopped:
		return "stopped"
	case l.Owed > 0:
		return "sending"
	}
	return "finished"
}
