package inbox

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
)

var (
	errDialogue = &fault.Error{Kind: fault.NotFound, Code: "dialogue-unknown", Title: "the address stands for no event"}
	errOften    = &fault.Error{Kind: fault.Conflict, Code: "answer-limit", Title: "the sender was answered very often"}
	errVerb     = &fault.Error{Kind: fault.Invalid, Code: "command-unknown", Title: "its first line is none of report, status, undo and help"}
)

// dialogue carries out what an organizer writes in answer to a mail of ours about an event: report, status, undo, help.
func (w *Worker) dialogue(ctx context.Context, l *letter, done mail.MailHandled, token string) (schema.Fact, error) {
	prefix, organizer, ok := w.in.Keys.OpenAddressToken("event", token)
	if l.msg.Vacation {
		return ignored(done, errAutomatic), nil
	}
	if !ok {
		return refused(done, errDialogue), nil
	}
	uid, err := w.todo.eventWith(ctx, prefix)
	if err != nil {
		return nil, err
	}
	if uid == "" {
		return refused(done, errDialogue), nil
	}
	done.EventUID = uid
	if l.from.Unproven && !l.from.Vouched {
		return w.refuse(ctx, l, done, itip.ErrUnproven)
	}
	if mine, err := w.speaksFor(ctx, l, organizer); err != nil || !mine {
		return refused(done, event.ErrNotYours), err
	}
	if !w.asked.allow(organizer, time.Now()) {
		return refused(done, errOften), nil
	}
	return w.obey(ctx, l, done, uid, organizer)
}

// obey is the table of what can be asked.
func (w *Worker) obey(ctx context.Context, l *letter, done mail.MailHandled, uid, organizer string) (schema.Fact, error) {
	verb := firstWord(l.msg)
	done.Method = strings.ToUpper(verb)
	subject := uid + "." + l.MailID
	switch verb {
	case "report":
		return done, w.notify(ctx, l, notice.Report, subject, organizer, nil)
	case "status":
		return done, w.notify(ctx, l, notice.Status, subject, organizer, nil)
	case "help":
		return done, w.notify(ctx, l, notice.Help, subject, organizer, nil)
	case "undo":
		why, err := w.undo(ctx, l, uid, organizer)
		if refusal, ok := fault.From(err); ok {
			return refused(done, refusal), w.notify(ctx, l, notice.Help, subject, organizer, refusal)
		}
		if err != nil {
			return nil, err
		}
		return done, w.notify(ctx, l, notice.Undone, subject, organizer, why)
	}
	done.Method = ""
	return refused(done, errVerb), w.notify(ctx, l, notice.Help, subject, organizer, errVerb)
}

// undo takes the last change back and says what holds now.
func (w *Worker) undo(ctx context.Context, l *letter, uid, organizer string) (*fault.Error, error) {
	if err := w.handler.Active(ctx, organizer); err != nil {
		return nil, err
	}
	_, err := w.handler.ForEvent(ctx, commands.From("mail", l.Tenant, l.MailID, 1), commands.UndoChange{
		UID: uid, OrganizerID: organizer, Cause: l.MailID, Now: l.received.Received,
	})
	if err != nil {
		return nil, err
	}
	ev, err := w.handler.FreshEvent(ctx, uid)
	said := &fault.Error{Code: "undone", Title: "the event is as it was before"}
	if was := ev.Before; was != nil && was.Instance == "" && was.Status != ev.Status {
		if said.Title = "the event takes place again"; ev.Cancelled() {
			said.Title = "the event is cancelled"
		}
	} else if was != nil && was.Instance != "" {
		said.Title = "the date of the series is as it was before"
	}
	return said, err
}

// speaksFor says whether the sender is an organizer, by whatever address of theirs, or writes for them.
func (w *Worker) speaksFor(ctx context.Context, l *letter, organizer string) (bool, error) {
	sender := w.in.Keys.PersonID(l.Tenant, l.from.Address)
	if sender == organizer {
		return true, nil
	}
	acts, err := Acts(ctx, w.handler, sender)
	return slices.ContainsFunc(acts, func(p itip.Principal) bool { return p.ID == organizer }), err
}

// firstWord is the first word somebody wrote above what they answer to, in lower case.
func firstWord(msg *message.Message) string {
	for line := range strings.Lines(msg.Text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if strings.HasPrefix(line, ">") {
			return ""
		}
		word, _, _ := strings.Cut(line, " ")
		return strings.ToLower(strings.Trim(word, ".,;:!?\"'*_“”"))
	}
	return ""
}
