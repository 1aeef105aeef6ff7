package commands_test

import (
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/decider/decidertest"
	"github.com/calendar-invite-server/cis/domain/event"
)

var (
	now    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	friday = content("Board", "Room 1", time.Date(2026, 12, 4, 10, 0, 0, 0, time.UTC))
)

func content(summary, location string, start time.Time) event.Content {
	moment := func(t time.Time) event.Moment { return event.Moment{Local: t.Format("2006-01-02T15:04:05"), UTC: t} }
	return event.Content{Summary: summary, Location: location, Start: moment(start), End: moment(start.Add(time.Hour))}
}

// at is the n-th version of the source's event: one SEQUENCE, one minute later each.
func at(sequence, minute int) event.Source {
	return event.Source{UID: "src", Revision: event.Revision{Sequence: sequence, DTStamp: now.Add(time.Duration(minute) * time.Minute)}}
}

func created(c event.Content) event.EventCreated {
	return event.EventCreated{Tenant: "default", UID: "e1", OrganizerID: "org", Source: at(0, 0), Content: c}
}

func request(s event.Source, c event.Content) commands.CreateEvent {
	return commands.CreateEvent{Tenant: "default", UID: "e1", OrganizerID: "org", Source: s, Content: c, Now: now}
}

func cancelled(s event.Source, revision, sequence int) event.EventCancelled {
	return event.EventCancelled{Tenant: "default", UID: "e1", Revision: revision, Sequence: sequence, Source: s}
}

type eventCase = decidertest.Case[event.State, event.Fact]

func TestCreateEvent(t *testing.T) {
	saturday := content("Board", "Room 1", time.Date(2026, 12, 5, 10, 0, 0, 0, time.UTC))
	renamed := content("The board", "Room 1", friday.Start.UTC)
	past := content("Board", "", now.Add(-48*time.Hour))
	backwards := friday
	backwards.End = past.End
	facts := func(f ...event.Fact) []event.Fact { return f }
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "a first request creates the event", When: request(at(0, 0), friday), Then: facts(created(friday))},
		eventCase{Name: "the same request again changes nothing", Given: facts(created(friday)), When: request(at(0, 0), friday)},
		eventCase{Name: "a later DTSTAMP alone changes nothing", Given: facts(created(friday)), When: request(at(0, 5), friday)},
		eventCase{
			Name: "a new time is an update with a higher SEQUENCE", Given: facts(created(friday)), When: request(at(1, 5), saturday),
			Then: facts(event.EventUpdated{Tenant: "default", UID: "e1", Revision: 2, Sequence: 1, Source: at(1, 5), Content: saturday}),
		},
		eventCase{
			Name: "a new title is an update with the same SEQUENCE", Given: facts(created(friday)), When: request(at(0, 5), renamed),
			Then: facts(event.EventUpdated{Tenant: "default", UID: "e1", Revision: 2, Sequence: 0, Source: at(0, 5), Content: renamed}),
		},
		eventCase{Name: "an older request is ignored", Given: facts(created(friday)), When: request(at(0, -5), saturday)},
		eventCase{Name: "a request overtaken by its cancellation does not revive the event", Given: facts(cancelled(at(1, 5), 0, 0)), When: request(at(0, 0), friday)},
		eventCase{
			Name: "a request newer than a remembered cancellation creates the event", Given: facts(cancelled(at(1, 5), 0, 0)), When: request(at(2, 9), friday),
			Then: facts(event.EventCreated{Tenant: "default", UID: "e1", OrganizerID: "org", Source: at(2, 9), Content: friday}),
		},
		eventCase{
			Name: "a request newer than the cancellation brings the event back", Given: facts(created(friday), cancelled(at(1, 5), 2, 1)), When: request(at(2, 9), friday),
			Then: facts(event.EventReinstated{Tenant: "default", UID: "e1", Revision: 3, Sequence: 2, Source: at(2, 9), Content: friday}),
		},
		eventCase{Name: "an older one does not", Given: facts(created(friday), cancelled(at(1, 5), 2, 1)), When: request(at(1, 4), saturday)},
		eventCase{Name: "somebody else's request is refused", Given: facts(created(friday)), When: commands.CreateEvent{UID: "e1", OrganizerID: "eve", Source: at(1, 1), Content: saturday, Now: now}, Err: event.ErrNotYours},
		eventCase{Name: "an event without a start is refused", When: request(at(0, 0), event.Content{}), Err: event.ErrInvalid},
		eventCase{Name: "an event that ends before it starts is refused", When: request(at(0, 0), backwards), Err: event.ErrInvalid},
		eventCase{Name: "an event that is over is refused", When: request(at(0, 0), past), Err: event.ErrOver},
	)
}

func TestUpdateEvent(t *testing.T) {
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "an unknown event cannot be updated", When: commands.UpdateEvent{UID: "e1", OrganizerID: "org", Source: at(1, 1), Content: friday, Now: now}, Err: event.ErrUnknown},
	)
}

func TestCancelEvent(t *testing.T) {
	cancel := func(s event.Source) commands.CancelEvent {
		return commands.CancelEvent{Tenant: "default", UID: "e1", OrganizerID: "org", Source: s}
	}
	facts := func(f ...event.Fact) []event.Fact { return f }
	decidertest.Run(t, event.Evolve,
		eventCase{Name: "an event is cancelled with a higher SEQUENCE", Given: facts(created(friday)), When: cancel(at(1, 5)), Then: facts(cancelled(at(1, 5), 2, 1))},
		eventCase{Name: "with the source's SEQUENCE unchanged too", Given: facts(created(friday)), When: cancel(at(0, 5)), Then: facts(cancelled(at(0, 5), 2, 1))},
		eventCase{Name: "twice is once", Given: facts(created(friday), cancelled(at(1, 5), 2, 1)), When: cancel(at(1, 6))},
		eventCase{Name: "a cancellation older than the last request is ignored", Given: facts(created(friday)), When: cancel(at(0, -5))},
		eventCase{Name: "the cancellation of an unknown event is remembered", When: cancel(at(1, 5)), Then: facts(cancelled(at(1, 5), 0, 0))},
		eventCase{Name: "and remembered once", Given: facts(cancelled(at(1, 5), 0, 0)), When: cancel(at(1, 5))},
		eventCase{Name: "somebody else's is refused", Given: facts(created(friday)), When: commands.CancelEvent{UID: "e1", OrganizerID: "eve", Source: at(1, 5)}, Err: event.ErrNotYours},
	)
}
