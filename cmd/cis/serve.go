package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: `Run the server: mail in over SMTP, the API over HTTP, mail out through CIS_RELAY or into CIS_DATA/outbox.

With nothing configured it keeps everything in ./data: an embedded event store, a private PostgreSQL, and the mails it
would send as a Maildir. SIGTERM or Ctrl-C ends it in order.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, newLogger(os.Stderr, cfg.LogLevel), cmd.OutOrStdout())
		},
	}
}

// serve runs until ctx ends or a part fails for good.
func serve(ctx context.Context, cfg *Config, log *slog.Logger, out io.Writer) error {
	tuneGC()
	app, err := Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer app.Close()
	welcome(out, app)
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out, "ending …")
		return nil
	case err := <-app.Failed():
		return err
	}
}

// tuneGC trades memory for time: most of what is allocated here lives for one mail, so collecting half as often costs
// little memory and gives a good part of a core back; but not beyond softLimit, where it collects as often as it must.
// GOGC and GOMEMLIMIT, if set, win.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}

// softLimit is how much memory the process takes before it trades time for memory again, in bytes.
const softLimit = 256 << 20

func welcome(out io.Writer, app *App) {
	cfg := app.cfg
	_, _ = fmt.Fprintf(out, "Calendar Invite Server, data in %s\n\n", cfg.Data)
	_, _ = fmt.Fprintf(out, "  mail in    smtp://%s  (create@%s, rsvp@%s)\n", app.SMTPAddr, cfg.Domain, cfg.Domain)
	_, _ = fmt.Fprintf(out, "  HTTP       %s\n", app.publicURL())
	if cfg.Relay == "" {
		_, _ = fmt.Fprintf(out, "  mail out   %s (a Maildir; set CIS_RELAY to send)\n", app.outbox())
	} else {
		_, _ = fmt.Fprintln(out, "  mail out   through CIS_RELAY")
	}
	if app.NewKey != "" {
		_, _ = fmt.Fprintf(out, "  API key    %s  (shown this once)\n", app.NewKey)
	}
	_, _ = fmt.Fprintf(out, `
Try: %[1]s/docs   what the API can do (docs/guide.md walks through it)
     curl -s -H "x-api-key: $KEY" %[1]s/v1/events
     mail a calendar invitation to create@%[2]s through the SMTP address above, then read the answer in the outbox
     make demo   shows the whole story against a throw-away instance

`, app.publicURL(), cfg.Domain)
}
