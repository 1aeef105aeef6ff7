package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/notifier/webhooks"
	"github.com/calendar-invite-server/cis/projections"
	"github.com/calendar-invite-server/cis/projections/own"
	"github.com/spf13/cobra"
)

func newProjections() *cobra.Command {
	cmd := &cobra.Command{
		Use: "projections", Short: "Look at the read models; rebuild, verify and switch them",
		Long: `Everything in PostgreSQL is a projection of the log: it can be thrown away and filled again. Each filling is a
generation in tables of its own, beside the one that serves readers.

Beside a running server, what is asked for here is done by the process that leads the projection; without one,
by the command itself. Readers and mail go on meanwhile.`,
	}
	cmd.AddCommand(newProjectionsList(), newProjectionsStatus(),
		newProjectionsTry(),
		newProjectionsJob("rebuild NAME…", "Fill new tables from the log, beside those that serve, and switch to them", "rebuild"),
		newProjectionsJob("verify [NAME…]", "Fold the log again and report every row that differs from what serves", "verify"),
		newProjectionsJob("diff NAME", "Compare what serves with the generation that does not", "diff"),
		newProjectionsJob("switch NAME", "Have a complete generation serve that does not yet", "switch"),
		newProjectionsJob("rollback NAME", "Have the generation serve that did before", "rollback"),
		newProjectionsJob("drop NAME", "Remove generations that do not serve", "drop"),
	)
	return cmd
}

// keeper looks after all projections there are, without running them.
func (p *parts) keeper() *projector.Keeper {
	return p.keeperOf(p.cfg.own)
}

// keeperOf looks after the program's own, and after others.
func (p *parts) keeperOf(others []projector.Projection) *projector.Keeper {
	all := slices.Concat(projections.All(p.facts), []projector.Projection{
		inbox.Projection(nil), bulk.Projection(nil), notifier.Projection(time.Duration(p.cfg.Window)*time.Second, nil), webhooks.Projection(),
	}, others)
	return projector.NewKeeper(p.pool, p.store, p.place, p.log, all...)
}

// withOverview runs a command that shows how the projections are.
func withOverview(cmd *cobra.Command, asJSON bool, header string, line func(projector.ProjectionStatus) string) error {
	return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
		all, err := p.keeper().Overview(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), all)
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, header)
		for _, o := range all {
			_, _ = fmt.Fprint(w, line(o))
		}
		return w.Flush()
	})
}

func newProjectionsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the projections and their generations", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOverview(cmd, asJSON, "NAME\tVERSION\tGENERATION\tSTATE\tPOSITION\tSIZE\tCREATED", func(o projector.ProjectionStatus) string {
				var lines strings.Builder
				for _, g := range o.Generations {
					_, _ = fmt.Fprintf(&lines, "%s\t%d\t%d\t%s\t%d\t%s\t%s\n", o.Name, g.Version, g.Generation, g.State, g.Position, size(g.Bytes), g.Created.Local().Format(time.DateTime))
				}
				if len(o.Generations) == 0 {
					_, _ = fmt.Fprintf(&lines, "%s\t%d\t-\tnot filled yet\t-\t-\t-\n", o.Name, o.Version)
				}
				return lines.String()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newProjectionsStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show how far each projection is behind the log, and why if one stands still", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOverview(cmd, asJSON, "NAME\tGENERATION\tPOSITION\tHEAD\tFACTS BEHIND\tFOR\tSTANDS STILL", func(o projector.ProjectionStatus) string {
				since := "-"
				if o.Lag.Facts > 0 {
					since = (time.Duration(o.Lag.Seconds * float64(time.Second))).Round(time.Second).String()
				}
				return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%s\t%s\n", o.Name, o.Generation, o.Position, o.Head, o.Lag.Facts, since, o.Stopped)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newProjectionsTry() *cobra.Command {
	var most, rows int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "try FILE", Short: "Show what an analyst's own read model would make of the first facts", Args: cobra.ExactArgs(1),
		Long: `Show what an analyst's own read model, a file NAME.sql, would make of the first facts it looks at. Nothing is kept. To have it
filled and followed like all others, put the file into the folder CIS_PROJECTIONS and start the server again; analysts read
the views analysts.NAME_TABLE (GRANT cis_analyst TO them). A changed file needs a higher version.

  -- version: 1
  -- tables
  CREATE TABLE @.answers (tenant text, day date, status text, n bigint NOT NULL, PRIMARY KEY (tenant, day, status));
  -- on RsvpReceived
  INSERT INTO @.answers AS a VALUES (:tenant, (:at AT TIME ZONE 'UTC')::date, :status, 1)
  ON CONFLICT (tenant, day, status) DO UPDATE SET n = a.n + 1;

:name is a field of the fact, :content.summary one inside another; :at, :position, :stream, :revision and :type are the record's.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tried, err := own.LoadFile(args[0])
			if err != nil {
				return err
			}
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				tables, n, err := own.Sample(ctx, p.keeperOf([]projector.Projection{tried}), tried.Name, most, rows)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), tables)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d facts\n", n)
				for _, t := range tables {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rows\n", t.Table, t.Count)
					for _, r := range t.Rows {
						_, _ = fmt.Fprintln(cmd.OutOrStdout(), "  "+pairs(r))
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&most, "facts", 10_000, "facts at most")
	cmd.Flags().IntVar(&rows, "rows", 20, "rows of each table shown")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// errDiffers ends a comparison that found something, so that scripts notice.
var errDiffers = errors.New("rows differ; nothing was changed. `cis projections rebuild NAME` fills the tables again")

func newProjectionsJob(use, short, do string) *cobra.Command {
	var asJSON, all bool
	job := projector.Job{Do: do}
	args := cobra.ExactArgs(1)
	switch do {
	case "verify":
		args = cobra.ArbitraryArgs
	case "rebuild":
		args = func(_ *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return errors.New("name the projections to rebuild, or say --all; `cis projections list` shows them")
			}
			return nil
		}
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, names []string) error {
			return withParts(cmd.Context(), true, func(ctx context.Context, p *parts) error {
				job.Names, job.By = names, operator()
				bar := newBar(cmd.ErrOrStderr())
				out, err := carryOutJob(ctx, p.keeper(), job, bar.show)
				bar.end()
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), out)
				} else {
					printOutcome(cmd.OutOrStdout(), job, out)
				}
				if err == nil && out.Differences() > 0 {
					err = errDiffers
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	switch do {
	case "rebuild":
		cmd.Flags().BoolVar(&all, "all", false, "all projections, from one reading of the log")
		cmd.Flags().BoolVar(&job.Hold, "no-switch", false, "keep the old tables serving; `switch` changes over")
	case "drop":
		cmd.Flags().BoolVar(&job.Old, "old-versions", false, "also what other versions of the program filled")
	}
	if do == "diff" || do == "switch" || do == "drop" {
		cmd.Flags().IntVar(&job.Generation, "generation", 0, "the generation meant (default the one there is)")
	}
	return cmd
}

// carryOutJob leaves a job to the server that is running, or does it here if there is none.
func carryOutJob(ctx context.Context, k *projector.Keeper, job projector.Job, tell func(projector.JobProgress)) (projector.JobOutcome, error) {
	release, idle, err := k.Idle(ctx, job.Names)
	if err != nil {
		return projector.JobOutcome{}, err
	}
	if !idle {
		return k.Leave(ctx, job, tell)
	}
	defer release()
	return k.Do(ctx, job, tell)
}

func printOutcome(w io.Writer, job projector.Job, out projector.JobOutcome) {
	for _, name := range out.Dropped {
		_, _ = fmt.Fprintln(w, "dropped", name)
	}
	for _, r := range out.Reports {
		with := "the log, folded again"
		if r.With > 0 {
			with = fmt.Sprintf("generation %d", r.With)
		}
		if r.Differences == 0 {
			_, _ = fmt.Fprintf(w, "%s: %d rows, the same as %s, at position %d\n", r.Name, r.Rows, with, r.Position)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s: %d of %d rows differ from %s, at position %d\n", r.Name, r.Differences, r.Rows, with, r.Position)
		for _, d := range r.Examples {
			_, _ = fmt.Fprintf(w, "  %s %s: %s", d.Table, pairs(d.Key), d.Kind)
			for _, c := range slices.Sorted(maps.Keys(d.Columns)) {
				_, _ = fmt.Fprintf(w, "; %s is %v, should be %v", c, d.Columns[c].Serving, d.Columns[c].Other)
			}
			_, _ = fmt.Fprintln(w)
		}
		if shown := int64(len(r.Examples)); shown < r.Differences {
			_, _ = fmt.Fprintf(w, "  and %d more\n", r.Differences-shown)
		}
	}
	switch {
	case job.Do == "rebuild" && job.Hold:
		_, _ = fmt.Fprintln(w, "filled; `cis projections diff` compares, `cis projections switch` has it serve")
	case job.Do == "rebuild":
		_, _ = fmt.Fprintln(w, "rebuilt and serving; `cis projections rollback` goes back")
	case job.Do == "switch" || job.Do == "rollback":
		_, _ = fmt.Fprintln(w, "switched")
	case job.Do == "drop" && len(out.Dropped) == 0:
		_, _ = fmt.Fprintln(w, "there is nothing that does not serve")
	}
}

func pairs(m map[string]any) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s=%v", k, m[k]))
	}
	return strings.Join(out, " ")
}

// size is bytes for people.
func size(n int64) string {
	f, unit := float64(n), 0
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.3g %s", f, []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
