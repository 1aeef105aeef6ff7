package audit

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/disclosure"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// words says what a fact says, in a sentence. A fact that is not listed is told by its name.
func words(f schema.Fact) string {
	for _, say := range []func(schema.Fact) string{ofMail, ofEvent, ofInvitation, ofDelivery, ofOthers} {
		if text := say(f); text != "" {
			return text
		}
	}
	return strings.ToLower(strings.TrimSpace(capitals.ReplaceAllString(f.FactName(), " $0")))
}

var capitals = regexp.MustCompile(`[A-Z]`)

func ofMail(f schema.Fact) string {
	switch f := f.(type) {
	case mail.MailReceived:
		return fmt.Sprintf("a mail of %d bytes came by %s from <%s> for %s", f.Size, f.Door, f.From, cmp.Or(f.Recipients, "(erased)"))
	case mail.MailAuthenticated:
		switch {
		case f.Verdict == mail.VerdictPass:
			return fmt.Sprintf("its sender is proven, by %s of %s", f.By, f.Domain)
		case f.Verdict == mail.VerdictFail:
			return "nothing proves its sender: " + cmp.Or(f.Reason, f.Results)
		}
		return "its sender was not checked"
	case mail.MailHandled:
		said := fmt.Sprintf("it was handled: %s", f.Outcome)
		if f.Method != "" {
			said += fmt.Sprintf(" (METHOD:%s)", f.Method)
		}
		if f.Reason != "" {
			said += ", " + f.Reason
		}
		if f.Detail != "" {
			said += ": " + f.Detail
		}
		return said
	case mail.MailHeld:
		return "it is held until somebody decides: " + f.Reason
	case mail.MailReleased:
		return f.By + " vouched for it"
	case mail.MailDropped:
		return f.By + " dropped it"
	}
	return ""
}

func ofEvent(f schema.Fact) string {
	switch f := f.(type) {
	case event.EventCreated:
		return fmt.Sprintf("%q was created for %s", f.Content.Summary, person(f.OrganizerName, f.OrganizerAddress))
	case event.EventUpdated:
		return fmt.Sprintf("it was changed: revision %d, %q", f.Revision, f.Content.Summary)
	case event.EventCancelled:
		return fmt.Sprintf("it was cancelled: revision %d", f.Revision)
	case event.EventReinstated:
		return fmt.Sprintf("it takes place after all: revision %d", f.Revision)
	case event.InstanceUpdated:
		return fmt.Sprintf("the date %s was changed: revision %d", f.Instance, f.Revision)
	case event.InstanceCancelled:
		return fmt.Sprintf("the date %s was cancelled: revision %d", f.Instance, f.Revision)
	case event.ChangeUndone:
		return fmt.Sprintf("the last change was undone: revision %d", f.Revision)
	case event.EventDenied:
		return "it was refused: " + f.Reason
	case event.RemindersDue:
		return fmt.Sprintf("reminder %d is due", f.Number)
	}
	return ""
}

func ofInvitation(f schema.Fact) string {
	switch f := f.(type) {
	case invitation.InviteRequested:
		return fmt.Sprintf("%s is to be invited (%s)", person(f.Name, f.Address), f.Origin)
	case invitation.InviteDenied:
		return fmt.Sprintf("an invitation was refused: %s", f.Reason)
	case invitation.RsvpReceived:
		said := fmt.Sprintf("%s answered %s", person(f.Name, f.Address), f.Status)
		if f.Instance != "" {
			said += " for " + string(f.Instance)
		}
		if f.Previous != "" && f.Previous != invitation.NoAction {
			said += fmt.Sprintf(", after %s", f.Previous)
		}
		if f.Proof != "" {
			said += ", known by " + f.Proof
		}
		return said
	case invitation.InviteDelegated:
		return "they send somebody else: " + cmp.Or(f.Delegate, "(erased)")
	case invitation.InviteWithdrawn:
		return "they are not invited any more, says " + f.By
	case invitation.CounterReceived:
		return fmt.Sprintf("they propose something else (%d): %s", f.Number, f.Comment)
	case invitation.CounterDeclined:
		return fmt.Sprintf("their proposal %d is not taken up", f.Number)
	case invitation.ResendRequested:
		return "the invitation is to be sent again"
	case invitation.CrasherTurnedAway:
		return person(f.Name, f.Address) + " answered without being invited, and is turned away"
	}
	return ""
}

func ofDelivery(f schema.Fact) string {
	handed := func(what string, h invitation.Handover) string {
		return fmt.Sprintf("%s was handed over, telling revision %d, SEQUENCE %d: %s", what, h.Revision, h.Sequence, h.Answer)
	}
	switch f := f.(type) {
	case invitation.InviteSent:
		return handed("the invitation", f.Handover)
	case invitation.UpdateSent:
		return handed("an update", f.Handover)
	case invitation.CancellationSent:
		return handed("the cancellation", f.Handover)
	case invitation.ReminderSent:
		return fmt.Sprintf("reminder %d was handed over: %s", f.Number, f.Answer)
	case invitation.DeliveryFailed:
		return fmt.Sprintf("the mail server refused the %s of revision %d: %d %s", f.Method, f.Revision, f.Code, f.Answer)
	case invitation.Bounced:
		return fmt.Sprintf("mail to them came back: %s %s", f.Status, f.Diagnostic)
	case notice.NoticeRequested:
		return fmt.Sprintf("a notice %s is to be sent: %s", f.Kind, cmp.Or(f.Reason, f.Code))
	case notice.NoticeSent:
		return fmt.Sprintf("the notice %s was handed over: %s", f.Kind, f.Answer)
	case notice.NoticeFailed:
		return fmt.Sprintf("the mail server refused the notice %s: %d %s", f.Kind, f.Code, f.Answer)
	}
	return ""
}

func ofOthers(f schema.Fact) string {
	switch f := f.(type) {
	case bulk.BulkStarted:
		return fmt.Sprintf("a table of %d rows is worked off", f.Rows)
	case bulk.BulkBlockDone:
		return fmt.Sprintf("block %d: %d rows, %d accepted", f.Block, f.Rows, f.Accepted)
	case recipient.RecipientSuppressed:
		return "nothing is sent to them any more: " + f.Status
	case recipient.RecipientErased:
		return fmt.Sprintf("they are erased, says %s; %d mails named them", f.By, len(f.Mails))
	case recipient.ErasureCertified:
		return "it was certified: SHA-256 " + f.SHA256
	case disclosure.PersonalDataRead:
		return strings.TrimSpace(fmt.Sprintf("%s was shown personal data: %s %s", f.By, f.What, f.About))
	case logbook.CheckpointSigned:
		return fmt.Sprintf("the first %d records were signed", f.Size)
	case logbook.FactSkipped:
		return fmt.Sprintf("%s goes on without %s@%d, says %s: %s", f.Projection, f.Stream, f.Revision, f.By, f.Why)
	case logbook.LogRestored:
		return "the log was brought back from a backup by " + f.By
	}
	return ""
}

func person(name, address string) string {
	if name == "" && address == "" {
		return "somebody who was erased"
	}
	return strings.TrimSpace(fmt.Sprintf("%s <%s>", name, address))
}
