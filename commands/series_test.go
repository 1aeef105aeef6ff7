package commands_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/decider/decidertest"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/recur"
)

func happened(f ...event.Fact) []event.Fact { return f }

// weekly is friday, three weeks in a row.
var weekly = func() event.Content {
	c := friday
	c.Recurrence.Rule = "FREQ=WEEKLY;COUNT=3"
	return c
}()

// The second instance, and what it is like when it is moved by an hour.
var (
	second = recur.At(friday.Start.UTC.AddDate(0, 0, 7), friday.Start.TZID).Instance()
	later  = func() event.Content {
		c := recur.Instance(weekly, second)
		c.Start, c.End = recur.At(c.Start.UTC.Add(time.Hour), c.Start.TZID), recur.At(c.End.UTC.Add(time.Hour), c.End.TZID)
		return c
	}()
)

func change(c event.Content, r event.Source) commands.UpdateInstance {
	return commands.UpdateInstance{Tenant: "default", UID: "e1", OrganizerID: "org", Instance: second, Source: r, Content: c, Now: now}
}

func instanceUpdated(c event.Content, r event.Source, revision, sequence int) event.InstanceUpdated {
	return event.InstanceUpdated{Tenant: "default", UID: "e1", Instance: second, Revision: revision, Sequence: sequence, Source: r, Content: c}
}

func instanceCancelled(r event.Source, revision, sequence int) event.InstanceCancelled {
	return event.InstanceCancelled{Tenant: "default", UID: "e1", Instance: second, Revision: revision, Sequence: sequence, Source: r}
}

func TestUpdateInstance(t *testing.T) {
	moved := instanceUpdated(later, at(1, 1), 2, 1)
	off := instanceCancelled(at(1, 1), 2, 1)
	renamed := later
	renamed.Summary = "Board, the second time"
	stranger, nowhere := change(later, at(1, 1)), change(later, at(1, 1))
	stranger.OrganizerID = "somebody"
	nowhere.Instance = "20300101T000000Z"
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "one instance is moved, with a higher SEQUENCE", Given: happened(created(weekly)), When: change(later, at(1, 1)), Then: happened(moved)},
		eventCase{Name: "the same again changes nothing", Given: happened(created(weekly), moved), When: change(later, at(1, 1))},
		eventCase{Name: "an older request changes nothing", Given: happened(created(weekly), moved), When: change(renamed, at(0, 0))},
		eventCase{Name: "what the series says already is no exception", Given: happened(created(weekly)), When: change(recur.Instance(weekly, second), at(1, 1))},
		eventCase{Name: "a new name does not raise SEQUENCE", Given: happened(created(weekly), moved), When: change(renamed, at(1, 2)), Then: happened(instanceUpdated(renamed, at(1, 2), 3, 1))},
		eventCase{Name: "a cancelled instance comes back", Given: happened(created(weekly), off), When: change(later, at(2, 2)), Then: happened(instanceUpdated(later, at(2, 2), 3, 2))},
		eventCase{Name: "only the organizer may", Given: happened(created(weekly)), When: stranger, Err: event.ErrNotYours},
		eventCase{Name: "an instance the series does not have is refused", Given: happened(created(weekly)), When: nowhere, Err: event.ErrInstance},
		eventCase{Name: "a single event has no instances", Given: happened(created(friday)), When: change(later, at(1, 1)), Err: event.ErrInstance},
		eventCase{Name: "a series nobody has seen is refused", When: change(later, at(1, 1)), Err: event.ErrNoSeries},
	)
}

func TestCancelInstance(t *testing.T) {
	cancel := func(r event.Source) commands.CancelInstance {
		return commands.CancelInstance{Tenant: "default", UID: "e1", OrganizerID: "org", Instance: second, Source: r}
	}
	off := instanceCancelled(at(1, 1), 2, 1)
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "the series stays", Given: happened(created(weekly)), When: cancel(at(1, 1)), Then: happened(off)},
		eventCase{Name: "once", Given: happened(created(weekly), off), When: cancel(at(1, 2))},
		eventCase{Name: "a newer request about it wins", Given: happened(created(weekly), instanceUpdated(later, at(2, 2), 2, 1)), When: cancel(at(1, 1))},
		eventCase{Name: "of a single event there is none", Given: happened(created(friday)), When: cancel(at(1, 1)), Err: event.ErrInstance},
	)
}

// TestSeriesChanges: what becomes of exceptions when the whole series changes.
func TestSeriesChanges(t *testing.T) {
	daily := weekly
	daily.Recurrence.Rule = "FREQ=DAILY;COUNT=3"
	fewer := weekly
	fewer.Recurrence.Rule = "FREQ=WEEKLY;COUNT=5"
	update := func(c event.Content) commands.UpdateEvent {
		return commands.UpdateEvent{Tenant: "default", UID: "e1", OrganizerID: "org", Source: at(5, 5), Content: c, Now: now}
	}
	updated := func(c event.Content, dropped ...event.InstanceID) event.EventUpdated {
		return event.EventUpdated{Tenant: "default", UID: "e1", Revision: 3, Sequence: 2, Source: at(5, 5), Content: c, Dropped: dropped}
	}
	moved := instanceUpdated(later, at(1, 1), 2, 1)
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "those that still exist stay", Given: happened(created(weekly), moved), When: update(fewer), Then: happened(updated(fewer))},
		eventCase{Name: "the others are dropped", Given: happened(created(weekly), moved), When: update(daily), Then: happened(updated(daily, second))},
	)
	if s := theEvent(created(weekly), moved, updated(fewer)); s.Instances[second].Revision != 3 {
		t.Error("an exception that stays is told again after its series")
	}
	if s := theEvent(created(weekly), moved, updated(daily, second)); len(s.Instances) != 0 {
		t.Error("a dropped exception is still there")
	}
}

func TestReplyToInstance(t *testing.T) {
	series := theEvent(created(weekly))
	reply := func(id event.InstanceID, status invitation.Status, minute int) commands.RecordReply {
		return commands.RecordReply{Answer: annSays(series, id, minute), Status: status, ProdID: "G"}
	}
	received := func(id event.InstanceID, status, previous invitation.Status, before string, minute int) invitation.RsvpReceived {
		return invitation.RsvpReceived{
			Ref: ref, OrganizerID: "org", Address: "ann@example.com", Name: "Ann", Instance: id, Status: status, Previous: previous,
			ProdID: "G", PreviousProdID: before, Reply: annSays(series, id, minute).Reply,
		}
	}
	all := received("", invitation.Accepted, invitation.NoAction, "", 1)
	one := received(second, invitation.Declined, invitation.Accepted, "", 2)
	again := received("", invitation.Tentative, invitation.Accepted, "G", 3)
	again.Apart = []event.InstanceID{second}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "an instance can be answered on its own", Given: facts(requested, all), When: reply(second, invitation.Declined, 2), Then: facts(one)},
		inviteCase{Name: "in any order: each has its own newest answer", Given: facts(requested, one), When: reply("", invitation.Accepted, 1), Then: func() []invitation.Fact {
			f := all
			f.Apart = []event.InstanceID{second}
			return facts(f)
		}()},
		inviteCase{Name: "an older answer to it is ignored", Given: facts(requested, all, one), When: reply(second, invitation.Accepted, 1)},
		inviteCase{Name: "a later answer to the series says which instances stand apart", Given: facts(requested, all, one), When: reply("", invitation.Tentative, 3), Then: facts(again)},
		inviteCase{Name: "an instance the series does not have is refused", Given: facts(requested), When: reply("20300101T000000Z", invitation.Accepted, 1), Err: event.ErrInstance},
	)
}

func TestAnswers(t *testing.T) {
	live := theEvent(created(friday))
	held, cancelling := live, live
	held.Crashers, cancelling.Crashers = event.CrashersHold, event.CrashersCancel
	moved := live
	moved.Sequence = 3
	reply := func(ev event.State) commands.RecordReply {
		a := annSays(ev, "", 1)
		a.Reply.Sequence = 0
		return commands.RecordReply{Answer: a, Status: invitation.Accepted, ProdID: "G"}
	}
	vouched, assisted, stale := reply(held), reply(live), reply(moved)
	vouched.Vouched = true
	assisted.SentBy = "pa@example.com"
	stale.Reply.Sequence = 2
	crasher := invitation.RsvpReceived{
		Ref: ref, OrganizerID: "org", Address: "ann@example.com", Status: invitation.Accepted, ProdID: "G", Reply: reply(live).Reply, Origin: invitation.Shared, Told: 1,
	}
	known := crasher
	known.Name, known.Previous, known.Origin, known.Told = "Ann", invitation.NoAction, "", 0
	bySomebody, old := known, known
	bySomebody.SentBy = "pa@example.com"
	old.Stale, old.Reply = true, stale.Reply
	raised := reply(live)
	raised.Reply.Sequence = 7
	away := invitation.CrasherTurnedAway{Ref: ref, OrganizerID: "org", Address: "ann@example.com"}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "a stranger's answer can be held", When: reply(held), Err: event.ErrCrasher},
		inviteCase{Name: "until somebody vouches", When: vouched, Then: facts(crasher)},
		inviteCase{Name: "or be turned away", When: reply(cancelling), Then: facts(away)},
		inviteCase{Name: "once", Given: facts(away), When: reply(cancelling)},
		inviteCase{Name: "policies are for strangers", Given: facts(requested), When: reply(held), Then: facts(known)},
		inviteCase{Name: "somebody else may answer for an attendee", Given: facts(requested), When: assisted, Then: facts(bySomebody)},
		inviteCase{Name: "but not for a stranger", When: assisted, Err: invitation.ErrProof},
		inviteCase{Name: "a SEQUENCE nobody has sent counts as the current one", Given: facts(requested), When: raised, Then: facts(known)},
		inviteCase{Name: "an answer to an older version is shown as stale", Given: facts(requested), When: stale, Then: facts(old)},
	)
}

func TestDelegateInvite(t *testing.T) {
	delegate := func(to string, minute int) commands.DelegateInvite {
		return commands.DelegateInvite{Answer: annSays(theEvent(created(friday)), "", minute), DelegateID: to, Delegate: to + "@example.com"}
	}
	toBob := invitation.InviteDelegated{Ref: ref, OrganizerID: "org", DelegateID: "bob", Delegate: "bob@example.com", Reply: delegate("bob", 1).Reply}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "an attendee may send somebody else", Given: facts(requested), When: delegate("bob", 1), Then: facts(toBob)},
		inviteCase{Name: "once", Given: facts(requested, toBob), When: delegate("bob", 2)},
		inviteCase{Name: "a stranger may not", When: delegate("bob", 1), Err: invitation.ErrUnknown},
		inviteCase{Name: "nor anybody themselves", Given: facts(requested), When: delegate("ann", 1), Err: invitation.ErrDelegate},
	)
}

func TestCounter(t *testing.T) {
	counter := func(minute int) commands.RecordCounter {
		return commands.RecordCounter{Answer: annSays(theEvent(created(friday)), "", minute), Start: friday.Start, End: friday.End, Comment: "later?"}
	}
	received := invitation.CounterReceived{Ref: ref, OrganizerID: "org", Number: 1, Reply: counter(1).Reply, Start: friday.Start, End: friday.End, Comment: "later?"}
	decline := commands.DeclineCounter{Tenant: "default", EventUID: "e1", AttendeeID: "ann"}
	declined := invitation.CounterDeclined{Ref: ref, Number: 1}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "a proposal is kept", Given: facts(requested), When: counter(1), Then: facts(received)},
		inviteCase{Name: "once", Given: facts(requested, received), When: counter(1)},
		inviteCase{Name: "a stranger's is not", When: counter(1), Err: invitation.ErrUnknown},
		inviteCase{Name: "it can be declined", Given: facts(requested, received), When: decline, Then: facts(declined)},
		inviteCase{Name: "once", Given: facts(requested, received, declined), When: decline},
		inviteCase{Name: "if there is one", Given: facts(requested), When: decline, Err: invitation.ErrCounter},
	)
}

func TestRequestResend(t *testing.T) {
	ask := func(minutes int) commands.RequestResend {
		return commands.RequestResend{Answer: annSays(theEvent(created(friday)), "", 1), Now: now.Add(time.Duration(minutes) * time.Minute)}
	}
	sent := invitation.InviteSent{Ref: ref, Handover: invitation.Handover{Revision: 1}}
	again := invitation.ResendRequested{Ref: ref, Number: 1, At: now}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "an attendee gets it once more", Given: facts(requested, sent), When: ask(0), Then: facts(again)},
		inviteCase{Name: "the same request again changes nothing", Given: facts(requested, sent, again), When: ask(0)},
		inviteCase{Name: "not again at once", Given: facts(requested, sent, again, sent), When: ask(5), Err: invitation.ErrSoon},
		inviteCase{Name: "but later", Given: facts(requested, sent, again, sent), When: ask(61), Then: facts(invitation.ResendRequested{Ref: ref, Number: 2, At: now.Add(61 * time.Minute)})},
		inviteCase{Name: "a stranger gets nothing", When: ask(0), Err: invitation.ErrUnknown},
		inviteCase{Name: "the first one is still to come", Given: facts(requested), When: ask(0)},
	)
}

func TestBounce(t *testing.T) {
	bounce := commands.RecordBounce{Ref: ref, Status: "5.1.1", Diagnostic: "no such user", Hard: true}
	bounced := invitation.Bounced{Ref: ref, Status: "5.1.1", Diagnostic: "no such user", Hard: true}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "marks the attendee", Given: facts(requested), When: bounce, Then: facts(bounced)},
		inviteCase{Name: "once", Given: facts(requested, bounced), When: bounce},
		inviteCase{Name: "nobody else", When: bounce, Err: invitation.ErrUnknown},
	)
	type recipientCase = decidertest.Case[recipient.State, recipient.Fact]
	suppress := commands.SuppressRecipient{Tenant: "default", RecipientID: "ann", Status: "5.1.1"}
	restore := commands.SuppressRecipient{Tenant: "default", RecipientID: "ann", Restore: true, By: "op"}
	suppressed := recipient.RecipientSuppressed{Tenant: "default", RecipientID: "ann", Status: "5.1.1"}
	decidertest.Run(t, recipient.Evolve,
		recipientCase{Name: "an address is suppressed", When: suppress, Then: []recipient.Fact{suppressed}},
		recipientCase{Name: "once", Given: []recipient.Fact{suppressed}, When: suppress},
		recipientCase{Name: "and restored", Given: []recipient.Fact{suppressed}, When: restore, Then: []recipient.Fact{recipient.RecipientRestored{Tenant: "default", RecipientID: "ann", By: "op"}}},
		recipientCase{Name: "if it was suppressed", When: restore},
	)
	erase := func(mails ...string) commands.EraseRecipient {
		return commands.EraseRecipient{Tenant: "default", RecipientID: "ann", Mails: mails, By: "op"}
	}
	erased := func(mails ...string) recipient.RecipientErased {
		return recipient.RecipientErased{Tenant: "default", RecipientID: "ann", Mails: mails, By: "op"}
	}
	certify := commands.CertifyErasure{Tenant: "default", RecipientID: "ann", SHA256: "aa"}
	certified := recipient.ErasureCertified{Tenant: "default", RecipientID: "ann", SHA256: "aa"}
	many := make([]string, 5_001)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	decidertest.Run(t, recipient.Evolve,
		recipientCase{Name: "somebody is erased", When: erase("m1"), Then: []recipient.Fact{erased("m1")}},
		recipientCase{Name: "once", Given: []recipient.Fact{erased("m1")}, When: erase("m1")},
		recipientCase{Name: "without a mail", When: erase(), Then: []recipient.Fact{erased()}},
		recipientCase{Name: "what came in since, too", Given: []recipient.Fact{erased("m1")}, When: erase("m1", "m2"), Then: []recipient.Fact{erased("m2")}},
		recipientCase{Name: "no fact is too large", When: erase(many...), Then: []recipient.Fact{erased(many[:5_000]...), erased(many[5_000])}},
		recipientCase{Name: "a certificate is recorded", Given: []recipient.Fact{erased()}, When: certify, Then: []recipient.Fact{certified}},
		recipientCase{Name: "each once", Given: []recipient.Fact{erased(), certified}, When: certify},
		recipientCase{Name: "and only of what was done", When: certify},
	)
	denied := commands.RequestInvite{Tenant: "default", Event: theEvent(created(friday)), EventUID: "e1", AttendeeID: "ann", Address: "ann@example.com", Origin: "api", Now: now, Standing: commands.Standing{Recipient: recipient.State{Suppressed: true}}}
	decidertest.Run(t, invitation.Evolve, inviteCase{
		Name: "nobody is invited at an address that does not work", When: denied,
		Then: facts(invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: "api", Reason: recipient.ErrSuppressed.Code}),
	})
}

func TestWithdrawInvite(t *testing.T) {
	off := commands.WithdrawInvite{Tenant: "default", EventUID: "e1", AttendeeID: "ann", By: "op"}
	series := theEvent(created(weekly))
	yes := invitation.RsvpReceived{Ref: ref, OrganizerID: "org", Address: "ann@example.com", Status: invitation.Accepted, ProdID: "G", Reply: annSays(series, "", 1).Reply}
	one := yes
	one.Instance, one.Status = second, invitation.Declined
	withdrawn := invitation.InviteWithdrawn{
		Ref: ref, OrganizerID: "org", Origin: "api", Status: invitation.Accepted, ProdID: "G", By: "op",
		Apart: []event.InstanceID{second}, Answers: []invitation.Status{invitation.Declined},
	}
	again := commands.RequestInvite{Tenant: "default", Event: series, EventUID: "e1", AttendeeID: "ann", Address: "ann@example.com", Name: "Ann", Origin: "api", Now: now}
	late := commands.RecordReply{Answer: annSays(series, "", 9), Status: invitation.Declined}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "takes somebody out of all counters", Given: facts(requested, yes, one), When: off, Then: facts(withdrawn)},
		inviteCase{Name: "once", Given: facts(requested, withdrawn), When: off},
		inviteCase{Name: "who was invited", When: off, Err: invitation.ErrUnknown},
		inviteCase{Name: "what they answer then is refused", Given: facts(requested, withdrawn), When: late, Err: invitation.ErrWithdrawn},
		inviteCase{Name: "they can be invited again", Given: facts(requested, yes, withdrawn), When: again, Then: facts(requested)},
	)
}
