package inbox

import (
	"context"

	"github.com/calendar-invite-server/cis/commands"
	dombulk "github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/itip"
)

// startBulk accepts a table of people to invite. Its rows are worked off by a worker of their own.
func (w *Worker) startBulk(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	done.Method = "BULK"
	if l.msg.Vacation && len(l.msg.Tables) == 0 {
		return ignored(done, errAutomatic), nil
	}
	if l.from.Unproven && !l.from.Vouched {
		return w.refuse(ctx, l, done, itip.ErrUnproven)
	}
	id, account, err := w.account(ctx, l)
	if err != nil {
		return nil, err
	}
	table, err := bulk.Only(l.msg)
	rows := bulk.Count(table)
	why, _ := fault.From(err)
	switch {
	case account.Suspended:
		why = organizer.ErrSuspended
	case !account.Bulk:
		why = organizer.ErrBulk
	case why == nil && rows == 0:
		why = bulk.ErrEmpty
	}
	if why != nil {
		return w.refuse(ctx, l, done, why)
	}
	_, err = w.handler.ForBulk(ctx, commands.From("mail", l.Tenant, l.MailID, 1), commands.StartBulk{Started: dombulk.BulkStarted{
		Tenant: l.Tenant, BulkID: l.MailID, OrganizerID: id, Rows: rows,
	}})
	return done, err
}

// account is the sender's own, or that of whom the address is an alias.
func (w *Worker) account(ctx context.Context, l *letter) (id string, account organizer.State, err error) {
	id = w.in.Keys.PersonID(l.Tenant, l.from.Address)
	acts, err := Acts(ctx, w.handler, id)
	if err != nil {
		return id, account, err
	}
	for _, p := range acts {
		if p.Alias {
			id = p.ID
		}
	}
	account, err = w.handler.FreshOrganizer(ctx, id)
	return id, account, err
}

// unsubscribe stops all mail to somebody who wants none: whom the address stands for, or, without a tag, the sender.
func (w *Worker) unsubscribe(ctx context.Context, l *letter, done mail.MailHandled, token string) (schema.Fact, error) {
	done.Method = "UNSUBSCRIBE"
	person, ok := w.in.Keys.OpenPersonToken("unsubscribe", token)
	if token == "" {
		if err := w.authenticate(ctx, l); err != nil {
			return nil, err
		}
		switch {
		case l.msg.Vacation:
			return ignored(done, errAutomatic), nil
		case l.from.Unproven && !l.from.Vouched:
			return w.refuse(ctx, l, done, itip.ErrUnproven)
		case l.from.Address == "":
			return refused(done, itip.ErrSender), nil
		}
		person, ok = w.in.Keys.PersonID(l.Tenant, l.from.Address), true
	} else {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone} // the address is the proof
	}
	if !ok {
		return refused(done, errToken), nil
	}
	_, err := w.handler.ForRecipient(ctx, commands.From("mail", l.Tenant, l.MailID, 1), commands.Unsubscribe{Tenant: l.Tenant, RecipientID: person, By: "mail"})
	return done, err
}

var errToken = &fault.Error{Kind: fault.NotFound, Code: "unsubscribe-unknown", Title: "the address stands for nobody"}

// operator passes a mail to postmaster@ or abuse@ on to who runs the server, if they said where (RFC 5321 §4.5.1).
func (w *Worker) operator(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	if !w.hasOperator || l.msg.Vacation || l.msg.Loop != "" {
		return ignored(done, itip.ErrNoCalendar), nil
	}
	done.Outcome = mail.Forwarded
	return done, w.notify(ctx, l, notice.Operator, l.MailID, "operator", nil)
}
