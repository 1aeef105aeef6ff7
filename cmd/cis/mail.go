package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/spf13/cobra"
)

func newMail() *cobra.Command {
	cmd := &cobra.Command{Use: "mail", Short: "Work with received mail"}
	cmd.AddCommand(newMailImport(), newMailInspect(), newMailHeld(), newMailReplay())
	return cmd
}

func newMailImport() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "import FILE…", Short: "Take .eml files in as if they had come over SMTP", Args: cobra.MinimumNArgs(1),
		Long: `Take .eml files in as if they had come over SMTP. A file imported twice is one mail. Beside a running server the
mails are handled at once, else at its next start.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			if to == "" {
				to = "create@" + cfg.Domain
			}
			p, err := openLog(cmd.Context(), cfg, newLogger(os.Stderr, cfg.LogLevel))
			if err != nil {
				return err
			}
			defer p.close()
			receiver := inbox.NewReceiver(p.facts, p.keys, tenant)
			var failed []error
			for _, file := range files {
				id, err := importFile(cmd.Context(), receiver, file, inbox.Envelope{Door: "import", From: from, Recipients: strings.Fields(to)})
				if err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", file, err))
					continue
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", id, file)
			}
			return errors.Join(failed...)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "envelope sender (default: none)")
	cmd.Flags().StringVar(&to, "to", "", "envelope recipient (default create@CIS_DOMAIN)")
	return cmd
}

func importFile(ctx context.Context, r *inbox.Receiver, file string, env inbox.Envelope) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > smtpd.MaxBytes {
		return "", fmt.Errorf("it has %d bytes, a mail may have %d", info.Size(), smtpd.MaxBytes)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if len(raw) == 0 {
		return "", errors.New("it is empty")
	}
	return r.Receive(ctx, env, raw)
}
