package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Tell the whole story against a throw-away instance", Args: cobra.NoArgs,
		Long: `Tell the whole story, a line a step: an organizer mails an invite, people are invited, answer, are told of a change and
a cancellation. Everything is real (SMTP, HTTP, event store, PostgreSQL) and gone afterwards.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelError
			if verbose {
				level = slog.LevelInfo
			}
			return demo(cmd.Context(), cmd.OutOrStdout(), newLogger(os.Stderr, level))
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the server's log too")
	return cmd
}

// demo tells the story.
func demo(ctx context.Context, out io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tuneGC()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	say("starting a throw-away instance …")
	s, err := newStage(ctx, log, nil)
	if err != nil {
		return err
	}
	defer s.close()
	say("  mail in on %s, HTTP on %s, mail out to a mail server on %s", s.app.SMTPAddr, s.app.HTTPAddr, s.sink.Addr())
	if err := story(ctx, s, say); err != nil {
		return err
	}
	say("that is the whole story; nothing of it is left on this machine")
	return nil
}

// story is what must work, step by step.
func story(ctx context.Context, s *stage, say func(string, ...any)) error {
	const olga, ann, bob = "olga@organizer.example", "ann@gmail.example", "bob@outlook.example"
	create := "create@" + s.app.cfg.Domain
	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 14)
	ev := clientmail.Event{
		UID: "demo-" + rand.Text() + "@google.com", DTStamp: time.Now(), Start: start, End: start.Add(time.Hour),
		Summary: "Summer party", Location: "The garden", Description: "Bring a chair.", OrganizerName: "Olga", Organizer: olga, To: create,
	}
	if err := s.mail(olga, create, clientmail.GoogleRequest(ev)); err != nil {
		return err
	}
	say("1. Olga invites %s from her calendar, as Google Calendar writes it", create)
	confirmation, err := s.sink.Wait(ctx, olga, 1)
	if err != nil {
		return err
	}
	uid := findUID(string(confirmation.Data))
	say("   the event exists, UID %s; Olga has a confirmation with its links", uid)
	if err := s.mail(olga, create, clientmail.GoogleRequest(ev)); err != nil {
		return err
	}
	say("   the same mail again has no effect")

	for i, who := range []string{ann, bob, ann} {
		if err := s.invite(ctx, uid, who, []string{"Ann", "Bob", "Ann"}[i]); err != nil {
			return err
		}
	}
	say("2. invite links are followed for Ann, Bob, and Ann once more")
	invitations := map[string]received{}
	for _, who := range []string{ann, bob} {
		if invitations[who], err = s.calendar(ctx, who, 1); err != nil {
			return err
		}
		say("   %s got METHOD:%s, SEQUENCE %d, from %s", who, invitations[who].Method, invitations[who].Event.Sequence, invitations[who].Msg.FromAddress)
	}
	answer := func(who, name, partstat string, write func(clientmail.Reply) []byte) error {
		r := invitations[who].Event
		return s.mail(who, r.Organizer.Address, write(clientmail.Reply{
			UID: r.UID, Sequence: r.Sequence, DTStamp: time.Now(), Organizer: r.Organizer.Address, Attendee: who, Name: name, PartStat: partstat, Start: start,
		}))
	}
	if err := answer(ann, "Ann", "ACCEPTED", clientmail.GmailReply); err != nil {
		return err
	}
	if err := answer(bob, "Bob", "DECLINED", clientmail.OutlookReply); err != nil {
		return err
	}
	began := time.Now()
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 1, "declined": 1, "noaction": 0}); err != nil {
		return err
	}
	say("3. Ann accepts with Gmail, Bob declines with Outlook.com: counted %d ms later", time.Since(began).Milliseconds())

	ev.Sequence, ev.DTStamp, ev.Start, ev.End = 1, time.Now().Add(time.Second), ev.Start.Add(24*time.Hour), ev.End.Add(24*time.Hour)
	if err := s.mail(olga, create, clientmail.GoogleRequest(ev)); err != nil {
		return err
	}
	say("4. Olga moves the party by a day")
	for _, who := range []string{ann, bob} {
		got, err := s.calendar(ctx, who, 2)
		if err != nil {
			return err
		}
		say("   %s got METHOD:%s, SEQUENCE %d, starting %s", who, got.Method, got.Event.Sequence, got.Event.Start.UTC.Format(time.RFC3339))
	}
	ev.Sequence, ev.DTStamp = 2, time.Now().Add(2*time.Second)
	if err := s.mail(olga, create, clientmail.GoogleCancel(ev)); err != nil {
		return err
	}
	say("5. Olga cancels it")
	for _, who := range []string{ann, bob} {
		got, err := s.calendar(ctx, who, 3)
		if err != nil {
			return err
		}
		say("   %s got METHOD:%s, STATUS:%s, SEQUENCE %d", who, got.Method, got.Event.Status, got.Event.Sequence)
	}
	if n := len(s.sink.Mails("")); n != 7 {
		return fmt.Errorf("%d mails went out, 7 were due", n)
	}
	say("   seven mails went out in all: one confirmation, two invitations, two updates, two cancellations")
	return nil
}

// findUID finds the event's UID in a confirmation.
func findUID(mail string) string {
	_, after, _ := strings.Cut(mail, "Its UID: ")
	return after[:min(40, len(after))]
}
