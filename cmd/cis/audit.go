package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/calendar-invite-server/cis/domain/disclosure"
	"github.com/calendar-invite-server/cis/history/audit"
	"github.com/spf13/cobra"
)

func newAuditShow() *cobra.Command {
	var q audit.Query
	return auditCommand(&cobra.Command{
		Use: "show ID", Short: "Tell all that happened about an event, an attendee, a person, a mail, a command", Args: cobra.ExactArgs(1),
		Long: `Tell all that happened about something, from the received mail with what was found out about its sender, through commands and
facts, to the mails that were sent and what mail servers answered. ID is an event's UID (its invitations are told, too), EVENT/ADDRESS or
EVENT/PERSON for one attendee, an address or a person's id, a mail's id, a command's id, or a stream.`,
	}, &q, func(args []string) { q.ID = args[0] })
}

func newAuditSearch() *cobra.Command {
	var q audit.Query
	var since, until string
	cmd := auditCommand(&cobra.Command{
		Use: "search", Short: "Find facts by person, by who did it, by type and time", Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if q.Since, err = moment(since); err == nil {
				q.Until, err = moment(until)
			}
			return err
		},
	}, &q, func([]string) {})
	cmd.Flags().StringVar(&q.Person, "person", "", "an address, or a person's id")
	cmd.Flags().StringVar(&q.Actor, "actor", "", "what kind of caller: mail, api, courier, operator, read …")
	cmd.Flags().StringVar(&q.By, "by", "", "which of them: key:ID, member:PERSON")
	cmd.Flags().StringVar(&q.Type, "type", "", "a stored fact name, like RsvpReceived")
	cmd.Flags().StringVar(&since, "since", "", "from this time on: 2026-11-21 or 2026-11-21T09:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "before this time")
	return cmd
}

// moment reads a time, or a date, in UTC.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time like 2026-11-21 or 2026-11-21T09:00:00Z", text)
}

// disclose records that the operator is about to be shown what is personal; about is whose, where it is one person's or event's.
func (p *parts) disclose(ctx context.Context, what, about string) {
	audit.NewReads(p.facts, p.log).Note(ctx, disclosure.PersonalDataRead{Tenant: p.tenant, By: operator(), What: what, About: about})
}

// auditCommand makes a command that tells what happened.
func auditCommand(cmd *cobra.Command, q *audit.Query, read func(args []string)) *cobra.Command {
	var asJSON bool
	var report string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		read(args)
		return withParts(cmd.Context(), false, func(ctx context.Context, p *parts) error {
			q.Tenant = p.tenant
			bar := newBar(cmd.ErrOrStderr())
			teller := audit.Teller{Log: p.facts, Keys: p.keys, Progress: counting(bar, "reading the log")}
			trail, err := teller.Tell(ctx, *q)
			bar.end()
			if err != nil {
				return err
			}
			if !q.Sealed {
				p.disclose(ctx, "cis audit", teller.Subject(*q))
			}
			if report != "" {
				if err := trail.Report(report, time.Now(), operator()); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d facts in %s: report.html, report.csv, report.json\n", len(trail.Entries), report)
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), trail)
			}
			return printTrail(cmd.OutOrStdout(), trail)
		})
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&q.Sealed, "sealed", false, "leave out what is personal")
	cmd.Flags().StringVar(&report, "report", "", "write report.html, report.csv and report.json into this folder, to be taken away")
	return cmd
}

func printTrail(w io.Writer, t audit.Trail) error {
	var err error
	if t.ID != "" {
		_, err = fmt.Fprintf(w, "%s %s\n", t.Kind, t.ID)
	}
	for _, e := range t.Entries {
		_, more := fmt.Fprintln(w, e)
		err = errors.Join(err, more)
	}
	return err
}
