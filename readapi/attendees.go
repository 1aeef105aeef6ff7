package readapi

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/projections/attendees"
)

// Attendee is somebody who was invited, or answered without having been.
type Attendee struct {
	ID            string     `json:"id"`
	Address       string     `json:"address,omitempty" example:"ann@example.com" doc:"Masked for those without attendees:read; missing: the person was erased"`
	Name          string     `json:"name,omitempty" example:"Ann Example"`
	Masked        bool       `json:"masked,omitempty" doc:"Address and name are shown by their first character"`
	Status        string     `json:"status" enum:"noaction,accepted,tentative,declined"`
	Origin        string     `json:"origin" example:"api"`
	ProdID        string     `json:"prodid,omitempty" doc:"The calendar that answered"`
	Stale         bool       `json:"stale,omitempty" doc:"The answer is to an older version of the event"`
	Undeliverable bool       `json:"undeliverable,omitempty" doc:"Mail to them came back"`
	Comment       string     `json:"comment,omitempty" doc:"With their last answer"`
	Changed       time.Time  `json:"changed"`
	Answered      *time.Time `json:"answered,omitempty"`
}

// newAttendee shapes an attendee for a caller.
func newAttendee(ctx context.Context) func(attendees.Attendee) Attendee {
	full := unmasked(ctx)
	return func(a attendees.Attendee) Attendee {
		out := Attendee{
			ID: a.ID, Address: a.Address, Name: a.Name, Masked: !full, Status: a.Status, Origin: a.Origin, ProdID: a.ProdID, Stale: a.Stale,
			Undeliverable: a.Bounced, Comment: a.Comment, Changed: a.Changed.UTC(),
		}
		if a.Answered != nil {
			at := a.Answered.UTC()
			out.Answered = &at
		}
		if !full {
			out.Address, out.Name, out.Comment = maskAddress(a.Address), maskName(a.Name), ""
		}
		return out
	}
}

func (a *API) registerAttendees(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/attendees", ID: "list-attendees", Tag: "attendees", Summary: "An event's attendees, in the order in which they became ones",
		About: "Addresses, names and comments are shown in full with the scope `attendees:read`, else masked.",
		Scope: key.EventsRead, Own: true, Views: []string{viewAttendees, viewEvents},
	}, func(ctx context.Context, in *listAttendeesInput) (*answer[page[Attendee]], error) {
		return asOf(ctx, a, in.UID, in.AsOfQuery, func(a *API) (*answer[page[Attendee]], error) { return a.listAttendees(ctx, in, false) })
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/replies", ID: "list-replies", Tag: "attendees", Summary: "Who answered, the newest answer first",
		Scope: key.EventsRead, Own: true, Views: []string{viewAttendees, viewEvents},
	}, func(ctx context.Context, in *listAttendeesInput) (*answer[page[Attendee]], error) {
		return asOf(ctx, a, in.UID, in.AsOfQuery, func(a *API) (*answer[page[Attendee]], error) { return a.listAttendees(ctx, in, true) })
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/attendees/{attendee}", ID: "get-attendee", Tag: "attendees", Summary: "One attendee",
		Scope: key.EventsRead, Own: true, Views: []string{viewAttendees},
	}, a.getAttendee)
}

type listAttendeesInput struct {
	EventPath
	InstanceQuery
	PageQuery
	AsOfQuery
	Status string `query:"status" enum:"noaction,accepted,tentative,declined"`
	Origin string `query:"origin" maxLength:"40"`
	Text   string `query:"q" maxLength:"100" doc:"In address or name, in any case; needs attendees:read"`
}

func (a *API) listAttendees(ctx context.Context, in *listAttendeesInput, answers bool) (*answer[page[Attendee]], error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	f := attendees.Filter{Instance: id, Status: in.Status, Origin: in.Origin, Answers: answers, Limit: in.Limit + 1}
	if unmasked(ctx) { // else guesses could be tried
		f.Text = in.Text
	}
	if f.After, err = decodeCursor[attendees.Cursor](in.Cursor); err != nil {
		return nil, err
	}
	if _, err := a.event(ctx, in.UID); err != nil {
		return nil, err
	}
	list, err := a.attendees.Find(ctx, access.From(ctx).Tenant, in.UID, f)
	if len(list) > 0 && unmasked(ctx) {
		a.disclosed(ctx, "list-attendees", in.UID)
	}
	return &answer[page[Attendee]]{pageOf(list, in.Limit, f.Cursor, newAttendee(ctx))}, err
}

// AttendeePath names an attendee of an event.
type AttendeePath struct {
	EventPath
	Attendee string `path:"attendee" pattern:"^[0-9a-f]{32}$" example:"00112233445566778899aabbccddeeff" doc:"The attendee's id, from a list"`
}

func (a *API) getAttendee(ctx context.Context, in *AttendeePath) (*answer[Attendee], error) {
	if err := a.may(ctx, in.UID); err != nil {
		return nil, err
	}
	one, err := a.attendees.One(ctx, access.From(ctx).Tenant, in.UID, in.Attendee)
	if err == nil && unmasked(ctx) {
		a.disclosed(ctx, "get-attendee", in.UID+"/"+in.Attendee)
	}
	return &answer[Attendee]{newAttendee(ctx)(one)}, err
}
