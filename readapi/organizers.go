package readapi

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/organizers"
)

// Organizer is an account.
type Organizer struct {
	Person
	Events    int       `json:"events" doc:"How many they have"`
	Limit     *int      `json:"limit,omitempty" doc:"How many they may have, if they have a limit of their own; 0: any number"`
	Paid      bool      `json:"paid"`
	Suspended bool      `json:"suspended"`
	Bulk      bool      `json:"bulk" doc:"They may invite many at once"`
	Language  string    `json:"language,omitempty" doc:"Of mails to them and their attendees"`
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"`
}

func newOrganizer(o organizers.Organizer, people map[string]attendees.Person) Organizer {
	who := people[o.ID]
	return Organizer{
		Person: Person{o.ID, who.Address, who.Name}, Events: o.Events, Limit: o.Limit, Paid: o.Paid > 0, Suspended: o.Suspended, Bulk: o.Bulk,
		Language: o.Language, Created: o.First.UTC(), Changed: o.Changed.UTC(),
	}
}

func (a *API) registerOrganizers(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/organizers", ID: "list-organizers", Tag: "organizers", Summary: "Accounts, the newest change first",
		Scope: key.OrganizersRead, Views: []string{viewOrganizers, viewAttendees},
	}, a.listOrganizers)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/organizers/{organizer}", ID: "get-organizer", Tag: "organizers", Summary: "One account",
		Scope: key.OrganizersRead, Views: []string{viewOrganizers, viewAttendees},
	}, a.getOrganizer)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/organizers/{organizer}/statistics", ID: "get-organizer-statistics", Tag: "organizers", Summary: "One organizer's events in numbers",
		Scope: key.EventsRead, Own: true, Views: []string{viewStatistics},
	}, a.organizerStatistics)
}

func (a *API) listOrganizers(ctx context.Context, in *PageQuery) (*answer[page[Organizer]], error) {
	after, err := decodeCursor[organizers.Cursor](in.Cursor)
	if err != nil {
		return nil, err
	}
	tenant := access.From(ctx).Tenant
	list, err := a.organizers.Newest(ctx, tenant, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list))
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	a.disclosed(ctx, "list-organizers", "")
	people, err := a.attendees.People(ctx, tenant, ids)
	next := func(o organizers.Organizer) organizers.Cursor { return organizers.Cursor{At: o.Changed, ID: o.ID} }
	return &answer[page[Organizer]]{pageOf(list, in.Limit, next, func(o organizers.Organizer) Organizer { return newOrganizer(o, people) })}, err
}

// OrganizerPath names an account.
type OrganizerPath struct {
	Organizer string `path:"organizer" maxLength:"254" example:"olga@example.com" doc:"The organizer's mail address, or id"`
}

func (a *API) getOrganizer(ctx context.Context, in *OrganizerPath) (*answer[Organizer], error) {
	id, err := a.organizerID(ctx, in.Organizer)
	if err != nil {
		return nil, err
	}
	tenant := access.From(ctx).Tenant
	o, err := a.organizers.Organizer(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	a.disclosed(ctx, "get-organizer", id)
	people, err := a.attendees.People(ctx, tenant, []string{id})
	return &answer[Organizer]{newOrganizer(o, people)}, err
}

func (a *API) organizerStatistics(ctx context.Context, in *OrganizerPath) (*answer[Statistics], error) {
	id, err := a.organizerID(ctx, in.Organizer)
	if err == nil && !access.From(ctx).Sees(id) {
		err = organizer.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	s, err := a.statistics.Organizer(ctx, access.From(ctx).Tenant, id)
	return &answer[Statistics]{newStatistics(s, true)}, err
}
