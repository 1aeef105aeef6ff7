package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/calendar-invite-server/cis/history/export"
	"github.com/spf13/cobra"
)

func newExport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write facts and read models for analysts: CSV, lines of JSON, Parquet",
		Long: `Write facts and read models of a tenant (CIS_TENANT) for analysts. What is personal is replaced by pseudonyms, the same for
the same text everywhere, unless --personal is given, which is recorded.`,
	}
	cmd.AddCommand(newExportFacts(), newExportModel())
	return cmd
}

// exporting runs an export.
func exporting(cmd *cobra.Command, o *export.Options, database bool, what string, do func(context.Context, *parts) error) error {
	return withParts(cmd.Context(), database, func(ctx context.Context, p *parts) error {
		if o.Dir == "" && o.Format == export.Parquet {
			return errors.New("parquet needs a folder: --out")
		}
		bar := newBar(cmd.ErrOrStderr())
		o.Tenant, o.Keys, o.Source, o.Tell, o.Out = p.tenant, p.keys, p.cfg.PublicURL, counting(bar, "exporting"), cmd.OutOrStdout()
		if o.Personal {
			p.disclose(ctx, "cis export", what)
		}
		err := do(ctx, p)
		bar.end()
		return err
	})
}

func exportFlags(cmd *cobra.Command, o *export.Options) {
	cmd.Flags().StringVar((*string)(&o.Format), "format", string(export.NDJSON), "ndjson (facts: CloudEvents), csv, parquet")
	cmd.Flags().BoolVar(&o.Personal, "personal", false, "addresses, names and comments in full; it is recorded that you did")
}

func newExportFacts() *cobra.Command {
	var o export.Options
	cmd := &cobra.Command{
		Use: "facts", Short: "Write the tenant's facts, in the order of the log", Args: cobra.NoArgs,
		Long: `Write the tenant's facts, in the order of the log. Into a folder (--out) they go in parts of 100,000, named for the position they go
up to; asked again, it goes on behind the last part, whether it was interrupted or there is more by now.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exporting(cmd, &o, false, "facts", func(ctx context.Context, p *parts) error {
				n, err := export.Facts(ctx, p.facts, o)
				if err == nil && o.Dir != "" {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d facts in %s\n", n, o.Dir)
				}
				return err
			})
		},
	}
	exportFlags(cmd, &o)
	cmd.Flags().StringVar(&o.Dir, "out", "", "a folder; default standard output")
	return cmd
}

func newExportModel() *cobra.Command {
	var o export.Options
	cmd := &cobra.Command{
		Use: "model NAME", Short: "Write what a read model holds of the tenant, a file a table", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return exporting(cmd, &o, true, args[0], func(ctx context.Context, p *parts) error {
				model, err := p.keeper().Projection(args[0])
				if err != nil {
					return err
				}
				tables, err := export.Model(ctx, p.pool, model, o)
				for _, name := range slices.Sorted(maps.Keys(tables)) {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s.%s.%s: %d rows\n", model.Name, name, o.Format, tables[name])
				}
				return err
			})
		},
	}
	exportFlags(cmd, &o)
	cmd.Flags().StringVar(&o.Dir, "out", ".", "the folder that gets the files")
	return cmd
}
