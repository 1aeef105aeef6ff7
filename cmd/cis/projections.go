package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/spf13/cobra"
)

func newProjections() *cobra.Command {
	cmd := &cobra.Command{Use: "projections", Short: "Look at the read models"}
	cmd.AddCommand(newProjectionsStatus())
	return cmd
}

// projectionStatus is a line of the status.
type projectionStatus struct {
	projector.Stored
	Head   uint64 `json:"head"`
	Behind int64  `json:"behind"` // positions; other streams' facts count too
}

func newProjectionsStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show how far each projection has come", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				head, err := p.store.Head(ctx)
				if err != nil {
					return err
				}
				stored, err := projector.List(ctx, p.pool)
				if err != nil {
					return err
				}
				lines := make([]projectionStatus, 0, len(stored))
				for _, s := range stored {
					lines = append(lines, projectionStatus{Stored: s, Head: head, Behind: max(0, int64(head)-s.Position)})
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "NAME\tVERSION\tGENERATION\tSERVING\tPOSITION\tHEAD\tBEHIND")
				for _, l := range lines {
					_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%v\t%d\t%d\t%d\n", l.Name, l.Version, l.Generation, l.Serving, l.Position, l.Head, l.Behind)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
