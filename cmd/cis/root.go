package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in releases.
var version = "dev"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cis",
		Short: "Calendar Invite Server: one calendar invite in, native invitations out, every answer counted",
		Long: `The Calendar Invite Server turns a calendar invite mailed by an organizer into native, individual
invitations, collects the answers that calendars mail back, and keeps every fact of it.

It is configured by environment variables; "cis config" shows them with their values.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServe(), newDemo(), newEventStore(), newMail(), newEvent(), newRecipients(), newOrganizers(), newTenants(), newKeys(), newMembers(), newBulk(), newTemplates(), newDKIM(), newProjections(), newAudit(), newPoison(), newVault(), newExport(), newWhatIf(), newBackup(), newRestore(), newFence(), newMigrateStore(), newOpenAPI(), newConfig(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := version
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v += " (" + s.Value[:min(12, len(s.Value))] + ")"
					}
				}
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "cis", v)
			return err
		},
	}
}

// newLogger writes human-readable lines for a terminal and JSON for everything else.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(w, opts))
		}
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// printJSON prints what --json asks for.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
