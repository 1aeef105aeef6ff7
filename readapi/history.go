package readapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// History is the one door to the log itself: everything else here reads the projections.
type History interface {
	// Stream returns a stream's facts; none if there is no such stream.
	Stream(ctx context.Context, stream string) ([]facts.Recorded, error)
	// After returns facts of all streams behind a position in log order, at most limit of those that keep wants, and how
	// far it has looked.
	After(ctx context.Context, position uint64, limit int, keep func(facts.Recorded) bool) ([]facts.Recorded, uint64, error)
	// Event goes through the records of an event and its invitations, in log order, as long as while says so.
	Event(ctx context.Context, uid string, while func(eventstore.Recorded) bool, each func([]eventstore.Recorded) error) (found bool, err error)
	// Open returns a fact with what is personal in it readable.
	Open(ctx context.Context, rec facts.Recorded) (facts.Recorded, error)
}

// Fact is something that happened, as the log has it.
type Fact struct {
	Position    uint64          `json:"position"`
	Stream      string          `json:"stream"`
	Revision    uint64          `json:"revision"`
	ID          string          `json:"id"`
	Type        string          `json:"type" example:"RsvpReceived"`
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor,omitempty" doc:"What kind of caller: mail, api, courier"`
	By          string          `json:"by,omitempty" doc:"Which of them"`
	Command     string          `json:"command,omitempty"`
	Correlation string          `json:"correlation,omitempty" doc:"Everything that started with the same mail or call"`
	Causation   string          `json:"causation,omitempty"`
	Data        json.RawMessage `json:"data" doc:"The fact; what is personal in it is shown to those who may see attendees in full"`
}

func (a *API) registerHistory(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/history", ID: "list-history", Tag: "history", Summary: "Everything that happened, in the order of the log",
		Scope: key.HistoryRead,
	}, a.listHistory)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/history", ID: "event-history", Tag: "history", Summary: "What happened to an event", Scope: key.HistoryRead,
	}, func(ctx context.Context, in *EventPath) (*answer[page[Fact]], error) {
		return a.stream(ctx, event.Stream(in.UID), event.ErrUnknown)
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/mails/{mail}/history", ID: "mail-history", Tag: "history", Summary: "What became of a received mail, with what was found out about its sender",
		About: "What it led to elsewhere is in `/v1/history?correlation=` with the mail's id.", Scope: key.HistoryRead,
	}, func(ctx context.Context, in *struct {
		Mail string `path:"mail" pattern:"^[0-9a-f]{32}$" example:"00112233445566778899aabbccddeeff" doc:"The mail's id, a correlation of facts"`
	},
	) (*answer[page[Fact]], error) {
		return a.stream(ctx, mail.Stream(in.Mail), mail.ErrUnknown)
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/attendees/{attendee}/history", ID: "attendee-history", Tag: "history", Summary: "What happened between an attendee and an event",
		Scope: key.HistoryRead,
	}, func(ctx context.Context, in *AttendeePath) (*answer[page[Fact]], error) {
		return a.stream(ctx, invitation.Stream(in.UID, in.Attendee), invitation.ErrUnknown)
	})
}

func (a *API) listHistory(ctx context.Context, in *struct {
	After uint64 `query:"after" doc:"Behind which position"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Type  string `query:"type" maxLength:"60" doc:"Only facts of this type"`

	Actor       string    `query:"actor" maxLength:"60" doc:"Only what this kind of caller did: mail, api, courier"`
	By          string    `query:"by" maxLength:"100" doc:"Only what this one did: key:ID, member:PERSON"`
	Correlation string    `query:"correlation" maxLength:"100" doc:"Only what began with this mail or call"`
	Since       time.Time `query:"since" doc:"Only from this time on"`
	Until       time.Time `query:"until" doc:"Only before this time"`
},
) (*answer[history], error) {
	tenant := access.From(ctx).Tenant
	list, position, err := a.opts.History.After(ctx, in.After, in.Limit, func(rec facts.Recorded) bool {
		meta, err := rec.Meta()
		return err == nil && meta.Tenant == tenant && (in.Type == "" || rec.Fact.FactName() == in.Type) &&
			(in.Actor == "" || meta.Actor == in.Actor) && (in.By == "" || meta.By == in.By) && (in.Correlation == "" || meta.Correlation == in.Correlation) &&
			!rec.Created.Before(in.Since) && (in.Until.IsZero() || rec.Created.Before(in.Until))
	})
	if err != nil {
		return nil, err
	}
	if unmasked(ctx) && slices.ContainsFunc(list, hasPersonal) {
		a.disclosed(ctx, "list-history", "")
	}
	out := history{Items: []Fact{}, Position: position}
	for _, rec := range list {
		f, err := a.fact(ctx, rec)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, f)
	}
	return &answer[history]{out}, nil
}

// history is a part of the log.
type history struct {
	Items    []Fact `json:"items"`
	Position uint64 `json:"position" doc:"How far was looked: after of the next call"`
}

// stream is all of a stream of the caller's tenant. Another's is not there.
func (a *API) stream(ctx context.Context, name string, unknown error) (*answer[page[Fact]], error) {
	list, err := a.opts.History.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	out := page[Fact]{Items: []Fact{}}
	for _, rec := range list {
		meta, err := rec.Meta()
		if err != nil {
			return nil, err
		}
		if meta.Tenant != access.From(ctx).Tenant {
			return nil, unknown
		}
		f, err := a.fact(ctx, rec)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, f)
	}
	if len(out.Items) == 0 {
		return nil, unknown
	}
	if unmasked(ctx) && slices.ContainsFunc(list, hasPersonal) {
		a.disclosed(ctx, "read-history", name)
	}
	return &answer[page[Fact]]{out}, nil
}

func hasPersonal(rec facts.Recorded) bool { return facts.HasPersonal(rec.Fact) }

// fact shapes a fact for a caller.
func (a *API) fact(ctx context.Context, rec facts.Recorded) (Fact, error) {
	meta, err := rec.Meta()
	if err != nil {
		return Fact{}, err
	}
	if unmasked(ctx) {
		if rec, err = a.opts.History.Open(ctx, rec); err != nil {
			return Fact{}, err
		}
	}
	data, err := facts.Shown(rec.Fact)
	return Fact{
		Position: rec.Position, Stream: rec.Stream, Revision: rec.Revision, ID: rec.ID.String(), Type: rec.Fact.FactName(), At: rec.Created.UTC(),
		Actor: meta.Actor, By: meta.By, Command: meta.Command.String(), Correlation: meta.Correlation, Causation: meta.Causation, Data: data,
	}, err
}
