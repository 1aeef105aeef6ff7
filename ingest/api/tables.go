package api

import (
	"context"
	"net/http"

	"github.com/calendar-invite-server/cis/commands"
	dombulk "github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/danielgtaylor/huma/v2"
)

// maxProblems is how many rows that cannot be used a preview names.
const maxProblems = 100

// Preview is what a table would lead to.
type Preview struct {
	Rows      int           `json:"rows"`
	Usable    int           `json:"usable" doc:"Rows that somebody can be invited by"`
	Duplicate int           `json:"duplicate" doc:"Rows that say again what one before them said"`
	Problems  []bulkProblem `json:"problems" doc:"The first 100 rows that cannot be used"`
	Sample    []NewInvite   `json:"sample" doc:"The first usable rows, to see that the columns were understood"`
	ID        string        `json:"id,omitempty" doc:"Of the table, if it was accepted"`
	Position  uint64        `json:"position,omitempty"`
}

type bulkProblem struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (a *API) registerTables(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/events/{uid}/invites/table", "invite-table", "invites", "Invite a table of people to an event")
	r.About = "CSV with the columns `email` and `name`, in any order, as spreadsheets write it. With `dry_run=true` nothing happens: the answer says what would. " +
		"The organizer's account needs the right to send in bulk; how far it has come is at `/v1/tables/{id}`."
	r.Scope, r.Own, r.MaxBody = key.InvitesWrite, true, bulk.MaxBytes
	r.Body = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"text/csv": {
		Schema: &huma.Schema{Type: "string", Examples: []any{"email,name\nann@example.com,Ann Example\n"}},
	}}}
	httpapi.Register(api, r, a.inviteTable)

	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/tables", ID: "list-tables", Tag: "invites", Summary: "Tables of people to invite, the newest first", Scope: key.EventsRead, Views: []string{"bulk"},
	}, func(ctx context.Context, in *struct {
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*answer[list[bulk.Progress]], error) {
		rows, err := bulk.List(ctx, a.Pool, access.From(ctx).Tenant, "", in.Limit)
		return &answer[list[bulk.Progress]]{newList(rows)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/tables/{table}", ID: "get-table", Tag: "invites", Summary: "How far a table has come", Scope: key.EventsRead, Own: true, Views: []string{"bulk"},
	}, a.table)
	for _, steer := range []struct{ name, summary string }{
		{"pause", "Let a table wait"}, {"resume", "Let a table go on"}, {"stop", "End a table for good"},
	} {
		r := route(http.MethodPost, "/v1/tables/{table}/"+steer.name, steer.name+"-table", "invites", steer.summary)
		r.Scope, r.Own = key.InvitesWrite, true
		httpapi.Register(api, r, func(ctx context.Context, in *struct {
			Call
			TablePath
		},
		) (*accepted, error) {
			if err := a.mayTable(ctx, in.Table); err != nil {
				return nil, err
			}
			meta, err := in.meta(ctx, nil)
			if err != nil {
				return nil, err
			}
			done, err := a.Handler.ForBulk(ctx, meta, commands.SteerBulk{Tenant: access.From(ctx).Tenant, BulkID: in.Table, To: steer.name, By: access.From(ctx).By()})
			return receipt(done, in.Table, "/v1/tables/"+in.Table), err
		})
	}
}

// list is a list that is the only page.
type list[T any] struct {
	Items []T `json:"items"`
}

func newList[T any](items []T) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{items}
}

type TablePath struct {
	Table string `path:"table" pattern:"^[0-9a-f]{16,32}$" example:"0123456789abcdef" doc:"The table's id"`
}

// mayTable says whether a table is the caller's.
func (a *API) mayTable(ctx context.Context, id string) error {
	s, err := a.Handler.Bulk(ctx, id)
	p := access.From(ctx)
	if err == nil && (!s.Exists || s.Tenant != p.Tenant || !p.Sees(s.OrganizerID)) {
		err = dombulk.ErrUnknown
	}
	return err
}

func (a *API) table(ctx context.Context, in *TablePath) (*answer[bulk.Progress], error) {
	p := access.From(ctx)
	rows, err := bulk.List(ctx, a.Pool, p.Tenant, in.Table, 1)
	if err == nil && (len(rows) == 0 || !p.Sees(rows[0].Organizer)) {
		err = dombulk.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return &answer[bulk.Progress]{rows[0]}, nil
}

type tableAnswer struct {
	Location string `header:"Location" doc:"Where to see how far it has come"`
	Body     Preview
}

func (a *API) inviteTable(ctx context.Context, in *struct {
	Call
	EventPath
	DryRun  bool `query:"dry_run" doc:"Only say what would happen"`
	RawBody []byte
},
) (*tableAnswer, error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	table, err := bulk.For(in.RawBody, ev.UID)
	if err != nil {
		return nil, err
	}
	out := &tableAnswer{Body: preview(table, ev.UID)}
	account, err := a.Handler.FreshOrganizer(ctx, ev.OrganizerID)
	switch {
	case err != nil:
		return nil, err
	case out.Body.Rows == 0:
		return nil, bulk.ErrEmpty
	case account.Suspended:
		return nil, organizer.ErrSuspended
	case !account.Bulk:
		return nil, organizer.ErrBulk
	case in.DryRun:
		return out, nil
	}
	meta, err := in.meta(ctx, in.RawBody)
	if err != nil {
		return nil, err
	}
	id := a.callID(meta, "table")
	if _, err := a.Facts.AppendRaw(ctx, ev.Tenant, id, bulk.Wrap(table)); err != nil {
		return nil, err
	}
	done, err := a.Handler.ForBulk(ctx, meta, commands.StartBulk{Started: dombulk.BulkStarted{
		Tenant: ev.Tenant, BulkID: id, OrganizerID: ev.OrganizerID, Rows: out.Body.Rows,
	}})
	out.Location, out.Body.ID, out.Body.Position = "/v1/tables/"+id, id, done.Position
	return out, err
}

// preview reads a table without doing anything.
func preview(table []byte, uid string) Preview {
	p := Preview{Problems: []bulkProblem{}, Sample: []NewInvite{}}
	seen := map[string]bool{}
	for row := range bulk.Rows(table) {
		p.Rows++
		reason := row.Problem
		if reason == "" && row.UID != uid {
			reason = event.ErrUnknown.Code
		}
		switch {
		case reason != "":
			if len(p.Problems) < maxProblems {
				p.Problems = append(p.Problems, bulkProblem{row.Line, reason})
			}
		case seen[row.Email]:
			p.Duplicate++
		default:
			seen[row.Email] = true
			p.Usable++
			if len(p.Sample) < 5 {
				p.Sample = append(p.Sample, NewInvite{row.Email, row.Name})
			}
		}
	}
	return p
}
