package commands_test

import (
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/decider/decidertest"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/order"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/recur"
)

type organizerCase = decidertest.Case[organizer.State, organizer.Fact]

var (
	olga       = organizer.Ref{Tenant: "default", OrganizerID: "org"}
	registered = organizer.OrganizerRegistered{Ref: olga, Address: "olga@example.com", Name: "Olga"}
)

func account(f ...organizer.Fact) []organizer.Fact { return f }

func slot(uid string) organizer.EventSlotTaken {
	return organizer.EventSlotTaken{Ref: olga, EventUID: uid}
}

func TestTakeSlot(t *testing.T) {
	take := func(uid string, limit int) commands.TakeSlot {
		return commands.TakeSlot{Organizer: olga, Address: "olga@example.com", Name: "Olga", EventUID: uid, Limit: limit}
	}
	paid := organizer.SubscriptionStarted{Ref: olga, OrderID: "o", Item: 1}
	one := organizer.EventLimitChanged{Ref: olga, Limit: 1, By: "op"}
	decidertest.Run(t, organizer.Evolve,
		organizerCase{Name: "the first event registers its organizer", When: take("e1", 1), Then: account(registered, slot("e1"))},
		organizerCase{Name: "the same event takes no second slot", Given: account(registered, slot("e1")), When: take("e1", 1)},
		organizerCase{Name: "the limit is one too many", Given: account(registered, slot("e1")), When: take("e2", 1), Err: organizer.ErrLimit},
		organizerCase{Name: "no limit is none", Given: account(registered, slot("e1")), When: take("e2", 0), Then: account(slot("e2"))},
		organizerCase{Name: "who pays has none", Given: account(registered, slot("e1"), paid), When: take("e2", 1), Then: account(slot("e2"))},
		organizerCase{
			Name: "until it ends", Given: account(registered, slot("e1"), paid, organizer.SubscriptionEnded{Ref: olga, OrderID: "o", Item: 1}), When: take("e2", 1), Err: organizer.ErrLimit,
		},
		organizerCase{Name: "an account's own limit counts instead", Given: account(registered, slot("e1"), one), When: take("e2", 5), Err: organizer.ErrLimit},
		organizerCase{Name: "who is suspended gets none", Given: account(registered, organizer.OrganizerSuspended{Ref: olga}), When: take("e1", 0), Err: organizer.ErrSuspended},
	)
}

func TestJudgeOrganizer(t *testing.T) {
	judge := func(j commands.Judgement) commands.JudgeOrganizer {
		return commands.JudgeOrganizer{Organizer: olga, Address: "olga@example.com", Judgement: j, By: "op"}
	}
	unnamed := organizer.OrganizerRegistered{Ref: olga, Address: "olga@example.com"}
	suspended := organizer.OrganizerSuspended{Ref: olga, By: "op"}
	allowed := organizer.BulkAllowed{Ref: olga, By: "op"}
	decidertest.Run(t, organizer.Evolve,
		organizerCase{Name: "somebody never seen can be judged", When: judge(commands.AllowBulk), Then: account(unnamed, allowed)},
		organizerCase{Name: "once", Given: account(registered, allowed), When: judge(commands.AllowBulk)},
		organizerCase{Name: "and back", Given: account(registered, allowed), When: judge(commands.ForbidBulk), Then: account(organizer.BulkForbidden{Ref: olga, By: "op"})},
		organizerCase{Name: "suspended", Given: account(registered), When: judge(commands.Suspend), Then: account(suspended)},
		organizerCase{Name: "reinstated", Given: account(registered, suspended), When: judge(commands.Reinstate), Then: account(organizer.OrganizerReinstated{Ref: olga, By: "op"})},
		organizerCase{Name: "if suspended", Given: account(registered), When: judge(commands.Reinstate)},
	)
	german, name := "de", "Olga O."
	decidertest.Run(t, organizer.Evolve,
		organizerCase{
			Name: "a profile changes by parts", Given: account(registered), When: commands.ChangeProfile{Organizer: olga, Language: &german, By: "op"},
			Then: account(organizer.ProfileChanged{Ref: olga, Name: "Olga", Language: "de", By: "op"}),
		},
		organizerCase{Name: "a language is a code", Given: account(registered), When: commands.ChangeProfile{Organizer: olga, Language: &name}, Err: organizer.ErrLanguage},
		organizerCase{Name: "a limit of its own", Given: account(registered), When: commands.ChangeEventLimit{Organizer: olga, Limit: 9, By: "op"}, Then: account(organizer.EventLimitChanged{Ref: olga, Limit: 9, By: "op"})},
		organizerCase{Name: "as everybody's is what it has", Given: account(registered), When: commands.ChangeEventLimit{Organizer: olga, Limit: -1}},
	)
}

func TestLinkAddress(t *testing.T) {
	type linkCase = decidertest.Case[identity.State, identity.Fact]
	link := func(to string, role identity.Role) commands.LinkAddress {
		return commands.LinkAddress{Tenant: "default", AddressID: "a", Address: "o2@example.com", OrganizerID: to, Role: role, By: "op"}
	}
	alias := identity.AddressLinked{Tenant: "default", AddressID: "a", Address: "o2@example.com", OrganizerID: "org", Role: identity.Alias, By: "op"}
	off := link("org", "")
	off.Unlink = true
	decidertest.Run(t, identity.Evolve,
		linkCase{Name: "an alias", When: link("org", identity.Alias), Then: []identity.Fact{alias}},
		linkCase{Name: "once", Given: []identity.Fact{alias}, When: link("org", identity.Alias)},
		linkCase{Name: "of one organizer", Given: []identity.Fact{alias}, When: link("other", identity.Alias), Err: organizer.ErrLinked},
		linkCase{Name: "nobody is their own alias", When: link("a", identity.Alias)},
		linkCase{Name: "nothing else", When: link("org", "friend"), Err: identity.ErrRole},
		linkCase{Name: "unlinked", Given: []identity.Fact{alias}, When: off, Then: []identity.Fact{identity.AddressUnlinked{Tenant: "default", AddressID: "a", OrganizerID: "org", By: "op"}}},
		linkCase{Name: "once", When: off},
	)
}

// TestVerification is the table of what rules out an invitation (S0-031).
func TestVerification(t *testing.T) {
	live := theEvent(created(friday))
	ask := func(origin invitation.Origin, change func(*commands.Standing)) commands.RequestInvite {
		c := commands.RequestInvite{Tenant: "default", Event: live, EventUID: "e1", AttendeeID: "ann", Address: "ann@example.com", Name: "Ann", Origin: origin, Now: now}
		change(&c.Standing)
		return c
	}
	denied := func(origin invitation.Origin, reason string) []invitation.Fact {
		return facts(invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: origin, Reason: reason})
	}
	granted := func(origin invitation.Origin) []invitation.Fact {
		f := requested
		f.Origin = origin
		return facts(f)
	}
	sent := invitation.InviteSent{Ref: ref, Handover: invitation.Handover{Revision: 1}}
	fromTable := func(line int) commands.RequestInvite {
		c := ask("bulk", func(s *commands.Standing) { s.Organizer.Bulk = true })
		c.Bulk, c.Line = "b", line
		return c
	}
	inTable := requested
	inTable.Origin, inTable.Bulk, inTable.Line = "bulk", "b", 2
	decidertest.Run(t, invitation.Evolve,
		inviteCase{Name: "a suspended organizer", When: ask("api", func(s *commands.Standing) { s.Organizer.Suspended = true }), Then: denied("api", "organizer-suspended")},
		inviteCase{Name: "an organizer the attendee blocked", When: ask("api", func(s *commands.Standing) { s.Recipient.Blocked = map[string]bool{"org": true} }), Then: denied("api", "organizer-blocked")},
		inviteCase{Name: "another one does not matter", When: ask("api", func(s *commands.Standing) { s.Recipient.Blocked = map[string]bool{"eve": true} }), Then: granted("api")},
		inviteCase{Name: "somebody who unsubscribed", When: ask("api", func(s *commands.Standing) { s.Recipient.Unsubscribed = true }), Then: denied("api", "unsubscribed")},
		inviteCase{Name: "bulk without the right", When: ask("vip", func(*commands.Standing) {}), Then: denied("vip", "bulk-not-allowed")},
		inviteCase{Name: "bulk without a slot", When: ask("bulk", func(s *commands.Standing) { s.Organizer.Bulk, s.NoSlot = true, true }), Then: denied("bulk", "invite-limit-reached")},
		inviteCase{Name: "bulk with both", When: ask("bulk", func(s *commands.Standing) { s.Organizer.Bulk = true }), Then: granted("bulk")},
		inviteCase{Name: "a test is sent again", Given: facts(requested, sent), When: ask("test", func(*commands.Standing) {}), Then: facts(invitation.ResendRequested{Ref: ref, Number: 1, At: now})},
		inviteCase{Name: "a test of somebody who wants none is not", Given: facts(requested, sent), When: ask("test", func(s *commands.Standing) { s.Recipient.Unsubscribed = true }), Then: denied("test", "unsubscribed")},
		inviteCase{Name: "the same row again is the same request", Given: facts(inTable), When: fromTable(2)},
		inviteCase{Name: "another row is a duplicate", Given: facts(inTable), When: fromTable(3), Then: facts(invitation.InviteDenied{Ref: ref, OrganizerID: "org", Origin: "bulk", Reason: "already-invited", Bulk: "b", Line: 3})},
	)
}

func TestUnsubscribe(t *testing.T) {
	type recipientCase = decidertest.Case[recipient.State, recipient.Fact]
	off := recipient.RecipientUnsubscribed{Tenant: "default", RecipientID: "ann", By: "page"}
	block := recipient.OrganizerBlocked{Tenant: "default", RecipientID: "ann", OrganizerID: "org", By: "page"}
	wish := func(undo bool) commands.Unsubscribe {
		return commands.Unsubscribe{Tenant: "default", RecipientID: "ann", Undo: undo, By: "page"}
	}
	none := func(undo bool) commands.BlockOrganizer {
		return commands.BlockOrganizer{Tenant: "default", RecipientID: "ann", OrganizerID: "org", Undo: undo, By: "page"}
	}
	decidertest.Run(t, recipient.Evolve,
		recipientCase{Name: "unsubscribed", When: wish(false), Then: []recipient.Fact{off}},
		recipientCase{Name: "once", Given: []recipient.Fact{off}, When: wish(false)},
		recipientCase{Name: "and back", Given: []recipient.Fact{off}, When: wish(true), Then: []recipient.Fact{recipient.RecipientResubscribed{Tenant: "default", RecipientID: "ann", By: "page"}}},
		recipientCase{Name: "blocked", When: none(false), Then: []recipient.Fact{block}},
		recipientCase{Name: "once", Given: []recipient.Fact{block}, When: none(false)},
		recipientCase{Name: "unblocked", Given: []recipient.Fact{block}, When: none(true), Then: []recipient.Fact{recipient.OrganizerUnblocked{Tenant: "default", RecipientID: "ann", OrganizerID: "org", By: "page"}}},
		recipientCase{Name: "unsubscribing forgets no block", Given: []recipient.Fact{block, off}, When: none(false)},
	)
}

func TestUndoChange(t *testing.T) {
	saturday := content("Board", "Room 1", friday.Start.UTC.AddDate(0, 0, 1))
	renamed := content("The board", "Room 1", friday.Start.UTC)
	updated := func(c event.Content, sequence int) event.EventUpdated {
		return event.EventUpdated{Tenant: "default", UID: "e1", Revision: 2, Sequence: sequence, Source: at(1, 1), Content: c}
	}
	undone := func(revision, sequence int, status event.Status, c event.Content) []event.Fact {
		return []event.Fact{event.ChangeUndone{Tenant: "default", UID: "e1", Revision: revision, Sequence: sequence, Status: status, Content: c}}
	}
	undo := commands.UndoChange{UID: "e1", OrganizerID: "org", Now: now}
	history := func(f ...event.Fact) []event.Fact { return f }
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "an update is reversed", Given: history(created(friday), updated(saturday, 1)), When: undo, Then: undone(3, 2, event.Confirmed, friday)},
		eventCase{Name: "without a question where none was asked", Given: history(created(friday), updated(renamed, 0)), When: undo, Then: undone(3, 0, event.Confirmed, friday)},
		eventCase{Name: "a cancellation is reinstated", Given: history(created(friday), cancelled(at(1, 1), 2, 1)), When: undo, Then: undone(3, 2, event.Confirmed, friday)},
		eventCase{Name: "a creation is cancelled", Given: history(created(friday)), When: undo, Then: undone(2, 1, event.Cancelled, friday)},
		eventCase{
			Name: "undoing can be undone", Given: append(history(created(friday), updated(saturday, 1)), undone(3, 2, event.Confirmed, friday)...), When: undo,
			Then: undone(4, 3, event.Confirmed, saturday),
		},
		eventCase{Name: "nobody else's", Given: history(created(friday)), When: commands.UndoChange{UID: "e1", OrganizerID: "eve", Now: now}, Err: event.ErrNotYours},
		eventCase{
			Name: "a change of one date", Given: history(created(weekly), event.InstanceCancelled{Tenant: "default", UID: "e1", Instance: second, Revision: 2, Sequence: 1, Source: at(1, 1)}), When: undo,
			Then: history(event.ChangeUndone{Tenant: "default", UID: "e1", Instance: second, Revision: 3, Sequence: 2, Status: event.Confirmed, Content: recur.Instance(weekly, second)}),
		},
	)
}

func TestReserveSlots(t *testing.T) {
	limited := created(friday)
	limited.InviteLimit = 10
	reserve := func(block string, n int) commands.ReserveSlots {
		return commands.ReserveSlots{Tenant: "default", UID: "e1", Block: block, Wanted: n}
	}
	got := func(block string, n int) event.InviteSlotsReserved {
		return event.InviteSlotsReserved{Tenant: "default", UID: "e1", Block: block, Count: n}
	}
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "what is wanted", Given: []event.Fact{limited}, When: reserve("a", 6), Then: []event.Fact{got("a", 6)}},
		eventCase{Name: "once", Given: []event.Fact{limited, got("a", 6)}, When: reserve("a", 6)},
		eventCase{Name: "what is left", Given: []event.Fact{limited, got("a", 6)}, When: reserve("b", 6), Then: []event.Fact{got("b", 4)}},
		eventCase{Name: "nothing is left", Given: []event.Fact{limited, got("a", 10)}, When: reserve("b", 6)},
		eventCase{
			Name: "what came back", Given: []event.Fact{limited, got("a", 10), event.InviteSlotsReturned{UID: "e1", Block: "a", Count: 3}}, When: reserve("b", 6),
			Then: []event.Fact{got("b", 3)},
		},
		eventCase{Name: "no limit needs no slots", Given: []event.Fact{created(friday)}, When: reserve("a", 6)},
		eventCase{
			Name: "what was not used is returned", Given: []event.Fact{limited, got("a", 6)}, When: commands.ReturnSlots{UID: "e1", Block: "a", Used: 4},
			Then: []event.Fact{event.InviteSlotsReturned{Tenant: "default", UID: "e1", Block: "a", Count: 2}},
		},
		eventCase{Name: "once", Given: []event.Fact{limited, got("a", 6), event.InviteSlotsReturned{UID: "e1", Block: "a", Count: 2}}, When: commands.ReturnSlots{UID: "e1", Block: "a", Used: 4}},
	)
}

func TestRemindAttendees(t *testing.T) {
	start := friday.Start.UTC
	remind := func(at time.Time, when ...string) commands.RemindAttendees {
		return commands.RemindAttendees{UID: "e1", Default: when, Since: now, Now: at}
	}
	due := func(number int, at time.Time, id event.InstanceID) []event.Fact {
		return []event.Fact{event.RemindersDue{Tenant: "default", UID: "e1", Number: number, Instance: id, Due: at}}
	}
	day := start.Add(-24 * time.Hour)
	reminded := due(1, day, "")[0]
	noon := time.Date(start.Year(), start.Month(), start.Day()-1, 12, 0, 0, 0, time.UTC)
	given := func(f ...event.Fact) []event.Fact { return f }
	own := event.RemindersChanged{UID: "e1", Before: []string{"2h"}}
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "not yet", Given: given(created(friday)), When: remind(day.Add(-time.Second), "24h")},
		eventCase{Name: "when it is due", Given: given(created(friday)), When: remind(day, "24h", "1h"), Then: due(1, day, "")},
		eventCase{Name: "once", Given: given(created(friday), reminded), When: remind(day.Add(time.Hour), "24h", "1h")},
		eventCase{Name: "and the next", Given: given(created(friday), reminded), When: remind(start.Add(-time.Hour), "24h", "1h"), Then: due(2, start.Add(-time.Hour), "")},
		eventCase{Name: "what was missed is one reminder", Given: given(created(friday)), When: remind(start.Add(-time.Minute), "24h", "1h"), Then: due(1, start.Add(-time.Hour), "")},
		eventCase{Name: "not of what has begun", Given: given(created(friday)), When: remind(start, "24h")},
		eventCase{Name: "not of what is off", Given: given(created(friday), cancelled(at(1, 1), 2, 1)), When: remind(day, "24h")},
		eventCase{Name: "daily, of everything within 24 hours", Given: given(created(friday)), When: remind(noon, "daily@12:00"), Then: due(1, noon, "")},
		eventCase{Name: "the event's own count instead", Given: given(created(friday), own), When: remind(day, "24h")},
		eventCase{Name: "of every date of a series", Given: given(created(weekly), due(1, weekly.Start.UTC.Add(-time.Hour), event.InstanceID(""))[0]), When: remind(weekly.Start.UTC.AddDate(0, 0, 7).Add(-time.Hour), "1h"), Then: due(2, weekly.Start.UTC.AddDate(0, 0, 7).Add(-time.Hour), second)},
		eventCase{
			Name: "but those that are off", Given: given(created(weekly), event.InstanceCancelled{UID: "e1", Instance: second, Revision: 2, Sequence: 1}, due(1, weekly.Start.UTC.Add(-time.Hour), "")[0]),
			When: remind(weekly.Start.UTC.AddDate(0, 0, 7).Add(-time.Hour), "1h"),
		},
	)
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "changed", Given: given(created(friday)), When: commands.ChangeReminders{UID: "e1", Before: []string{"2h"}}, Then: given(event.RemindersChanged{Tenant: "default", UID: "e1", Before: []string{"2h"}})},
		eventCase{Name: "nonsense is refused", Given: given(created(friday)), When: commands.ChangeReminders{UID: "e1", Before: []string{"soon"}}, Err: event.ErrReminder},
	)
}

func TestOrder(t *testing.T) {
	type orderCase = decidertest.Case[order.State, order.Fact]
	placed := order.OrderPlaced{Tenant: "default", OrderID: "o", Number: "1001", Via: "shopify"}
	item := order.ItemOrdered{Tenant: "default", OrderID: "o", Item: 1, Line: "77", OrganizerID: "org"}
	place := commands.PlaceOrder{Order: placed, Items: []order.ItemOrdered{item}}
	ended := order.ItemEnded{Tenant: "default", OrderID: "o", Line: "77", Reason: "refunded"}
	decidertest.Run(t, order.Evolve,
		orderCase{Name: "an order is recorded", When: place, Then: []order.Fact{placed, item}},
		orderCase{Name: "once", Given: []order.Fact{placed, item}, When: place},
		orderCase{Name: "an order of nothing is refused", When: commands.PlaceOrder{Order: placed}, Err: order.ErrIncomplete},
		orderCase{Name: "a line is refunded, also before its order came", When: commands.EndOrder{Tenant: "default", OrderID: "o", Lines: []string{"77", "77"}, Reason: "refunded"}, Then: []order.Fact{ended}},
		orderCase{Name: "once", Given: []order.Fact{placed, item, ended}, When: commands.EndOrder{Tenant: "default", OrderID: "o", Lines: []string{"77"}, Reason: "refunded"}},
		orderCase{Name: "all of it", Given: []order.Fact{placed, item}, When: commands.EndOrder{Tenant: "default", OrderID: "o", Reason: "cancelled"}, Then: []order.Fact{order.OrderEnded{Tenant: "default", OrderID: "o", Reason: "cancelled"}}},
	)
}
