package commands_test

import (
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/decider"
	"github.com/calendar-invite-server/cis/domain/decider/decidertest"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/notice"
)

type inviteCase = decidertest.Case[invitation.State, invitation.Fact]

var (
	ref       = invitation.Ref{Tenant: "default", EventUID: "e1", AttendeeID: "ann"}
	requested = invitation.InviteRequested{Ref: ref, OrganizerID: "org", Address: "ann@example.com", Name: "Ann", Origin: "api"}
)

func theEvent(facts ...event.Fact) event.State {
	return decider.Fold(event.State{}, event.Evolve, facts...)
}

func facts(f ...invitation.Fact) []invitation.Fact { return f }

func TestRequestInvite(t *testing.T) {
	ask := func(e event.State, origin invitation.Origin) commands.RequestInvite {
		return commands.RequestInvite{Tenant: "default", Event: e, EventUID: "e1", AttendeeID: "ann", Address: "ann@example.com", Name: "Ann", Origin: origin, Now: now}
	}
	live := theEvent(created(friday))
	off := theEvent(created(friday), cancelled(at(1, 1), 2, 1))
	denied := invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: "api", Reason: "event-cancelled"}
	again := invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: "wix", Reason: "already-invited"}
	late := ask(live, "api")
	late.Now = friday.End.UTC.Add(time.Second)
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "the first request is granted", When: ask(live, "api"), Then: facts(requested)},
		inviteCase{Name: "the second is denied, as a fact", Given: facts(requested), When: ask(live, "wix"), Then: facts(again)},
		inviteCase{Name: "which is recorded once too", Given: facts(requested, again), When: ask(live, "wix")},
		inviteCase{Name: "an unknown event is refused", When: ask(event.State{}, "api"), Err: event.ErrUnknown},
		inviteCase{Name: "an unknown origin is refused", When: ask(live, "nowhere"), Err: invitation.ErrOrigin},
		inviteCase{Name: "a cancelled event is denied, as a fact", When: ask(off, "api"), Then: facts(denied)},
		inviteCase{Name: "which is recorded once", Given: facts(denied), When: ask(off, "api")},
		inviteCase{Name: "and not for ever: the event may come back", Given: facts(denied), When: ask(live, "api"), Then: facts(requested)},
		inviteCase{Name: "a past event is denied", When: late, Then: facts(invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: "api", Reason: "event-over"})},
	)
}

// annSays is an answer of Ann's, minutes after now.
func annSays(ev event.State, instance event.InstanceID, minute int) commands.Answer {
	return commands.Answer{
		Tenant: "default", Event: ev, EventUID: "e1", AttendeeID: "ann", Address: "ann@example.com", Instance: instance,
		Reply: event.Revision{Sequence: ev.Sequence, DTStamp: now.Add(time.Duration(minute) * time.Minute)},
	}
}

func TestRecordReply(t *testing.T) {
	live := theEvent(created(friday))
	reply := func(status invitation.Status, prodid string, minute int) commands.RecordReply {
		return commands.RecordReply{Answer: annSays(live, "", minute), Status: status, ProdID: prodid}
	}
	received := func(status, previous invitation.Status, prodid, before string, minute int) invitation.RsvpReceived {
		return invitation.RsvpReceived{
			Ref: ref, OrganizerID: "org", Address: "ann@example.com", Name: "Ann", Status: status, Previous: previous,
			ProdID: prodid, PreviousProdID: before, Reply: event.Revision{DTStamp: now.Add(time.Duration(minute) * time.Minute)},
		}
	}
	yes := received(invitation.Accepted, invitation.NoAction, "G", "", 1)
	crasher := received(invitation.Accepted, "", "G", "", 1)
	crasher.Origin, crasher.Told, crasher.Name = invitation.Shared, 1, ""
	unknown := reply(invitation.Accepted, "G", 1)
	unknown.Event = event.State{}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "an answer counts, moving from what was before", Given: facts(requested), When: reply(invitation.Accepted, "G", 1), Then: facts(yes)},
		inviteCase{Name: "a newer answer replaces it", Given: facts(requested, yes), When: reply(invitation.Declined, "O", 2), Then: facts(received(invitation.Declined, invitation.Accepted, "O", "G", 2))},
		inviteCase{Name: "the same answer again changes nothing", Given: facts(requested, yes), When: reply(invitation.Accepted, "G", 1)},
		inviteCase{Name: "an older answer changes nothing", Given: facts(requested, yes), When: reply(invitation.Declined, "G", 0)},
		inviteCase{Name: "somebody never invited becomes an attendee", When: reply(invitation.Accepted, "G", 1), Then: facts(crasher)},
		inviteCase{Name: "an unknown event is refused", Given: facts(requested), When: unknown, Err: event.ErrUnknown},
		inviteCase{Name: "no answer is not an answer", Given: facts(requested), When: reply(invitation.NoAction, "G", 1), Err: invitation.ErrAnswer},
	)
}

func TestRecordDelivery(t *testing.T) {
	sent := func(revision int) invitation.Handover {
		return invitation.Handover{Revision: revision, Sequence: revision - 1, MessageID: "m"}
	}
	record := func(method string, h invitation.Handover) commands.RecordDelivery {
		return commands.RecordDelivery{Ref: ref, Method: method, Handover: h}
	}
	again := sent(1)
	again.Repeat = true
	refused := record("REQUEST", sent(1))
	refused.Failed, refused.Code = true, 550
	refusedOnce, refusedCancel := refused, refused
	refusedOnce.Handover.Instance, refusedCancel.Method = "20261211T090000Z", "CANCEL"
	first := invitation.InviteSent{Ref: ref, Handover: sent(1)}
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "the first request is the invite", Given: facts(requested), When: record("REQUEST", sent(1)), Then: facts(first)},
		inviteCase{Name: "also when an update overtook it", Given: facts(requested), When: record("REQUEST", sent(2)), Then: facts(invitation.InviteSent{Ref: ref, Handover: sent(2)})},
		inviteCase{Name: "the next is an update", Given: facts(requested, first), When: record("REQUEST", sent(2)), Then: facts(invitation.UpdateSent{Ref: ref, Handover: sent(2)})},
		inviteCase{Name: "the same revision again is recorded as a repeat", Given: facts(requested, first), When: record("REQUEST", sent(1)), Then: facts(invitation.InviteSent{Ref: ref, Handover: again})},
		inviteCase{Name: "a cancellation is one", Given: facts(requested, first), When: record("CANCEL", sent(2)), Then: facts(invitation.CancellationSent{Ref: ref, Handover: sent(2)})},
		inviteCase{Name: "a refusal is a fact", Given: facts(requested), When: refused, Then: facts(invitation.DeliveryFailed{Ref: ref, Revision: 1, Method: "REQUEST", Code: 550})},
		inviteCase{Name: "a refusal of what was told is not", Given: facts(requested, first), When: refused},
		inviteCase{Name: "a refusal of an exception is, although the series was told", Given: facts(requested, first), When: refusedOnce, Then: facts(invitation.DeliveryFailed{Ref: ref, Revision: 1, Method: "REQUEST", Code: 550})},
		inviteCase{Name: "and of a cancellation, although the event was told", Given: facts(requested, first), When: refusedCancel, Then: facts(invitation.DeliveryFailed{Ref: ref, Revision: 1, Method: "CANCEL", Code: 550})},
		inviteCase{Name: "once", Given: facts(requested, first, invitation.DeliveryFailed{Ref: ref, Revision: 1, Method: "CANCEL", Code: 550}), When: refusedCancel},
	)
}

func TestRecordNotice(t *testing.T) {
	ref := notice.Ref{Tenant: "default", NoticeID: "n", Kind: notice.EventCreated, EventUID: "e1", OrganizerID: "org"}
	type noticeCase = decidertest.Case[notice.State, notice.Fact]
	sent := notice.NoticeSent{Ref: ref, MessageID: "m"}
	decidertest.Run(t, notice.Evolve,
		noticeCase{Name: "a notice is sent", When: commands.RecordNotice{Ref: ref, MessageID: "m"}, Then: []notice.Fact{sent}},
		noticeCase{Name: "once", Given: []notice.Fact{sent}, When: commands.RecordNotice{Ref: ref, MessageID: "m2"}},
		noticeCase{Name: "or refused", When: commands.RecordNotice{Ref: ref, Failed: true, Code: 550}, Then: []notice.Fact{notice.NoticeFailed{Ref: ref, Code: 550}}},
	)
}
