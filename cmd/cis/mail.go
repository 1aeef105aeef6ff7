package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/mailbox"
	"github.com/calendar-invite-server/cis/ingest/message"
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
		Use: "import PATH…", Short: "Take mails in as if they had come over SMTP: .eml files, mbox, Maildir", Args: cobra.MinimumNArgs(1),
		Long: `Take mails in as if they had come over SMTP: .eml files, mbox files, Maildirs and folders of files. A mail imported twice is
one mail. Sender and recipients are taken from Return-Path, Delivered-To, To and Cc unless they are given. Beside a running
server the mails are handled at once, else at its next start.`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
				directory := p.directory(p.handler())
				receiver := inbox.NewReceiver(p.facts, p.keys, directory)
				n := 0
				var failed []error
				for _, path := range paths {
					failed = append(failed, mailbox.Each(path, smtpd.MaxBytes, func(name string, raw []byte) error {
						env := inbox.Envelope{Door: "import", From: from, Recipients: strings.Fields(to)}
						sender, recipients := message.Envelope(raw, directory.Accepts)
						if env.From == "" {
							env.From = sender
						}
						if len(env.Recipients) == 0 {
							env.Recipients = recipients
						}
						if len(env.Recipients) == 0 {
							env.Recipients = []string{p.cfg.book().Create()}
						}
						id, err := receiver.Receive(ctx, env, raw)
						if err != nil {
							return err
						}
						_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", id, name)
						if n++; n%1000 == 0 {
							_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "… %d mails\n", n)
						}
						return err
					}))
				}
				return errors.Join(failed...)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "envelope sender (default: Return-Path)")
	cmd.Flags().StringVar(&to, "to", "", "envelope recipient (default: those of ours in Delivered-To, To and Cc, else create@CIS_DOMAIN)")
	return cmd
}
