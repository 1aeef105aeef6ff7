package readapi

import (
	"context"
	"net/http"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/projector"
)

func (a *API) registerInstallation(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/projections", ID: "list-projections", Tag: "installation", Summary: "How the read models are: their generations, and how far behind the log they are",
		Scope: key.ProjectionsRead,
	}, func(ctx context.Context, _ *struct{}) (*answer[page[projector.ProjectionStatus]], error) {
		all, err := a.opts.Keeper.Overview(ctx)
		return &answer[page[projector.ProjectionStatus]]{page[projector.ProjectionStatus]{Items: all}}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/projections/jobs", ID: "list-projection-jobs", Tag: "installation", Summary: "What the read models' leaders were asked to do, the newest first", Scope: key.ProjectionsRead,
	}, func(ctx context.Context, _ *struct{}) (*answer[page[projector.JobRequest]], error) {
		all, err := a.opts.Keeper.Requests(ctx, 100)
		return &answer[page[projector.JobRequest]]{page[projector.JobRequest]{Items: all}}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/projections/jobs/{job}", ID: "get-projection-job", Tag: "installation", Summary: "How far something is that a read model's leader was asked to do", Scope: key.ProjectionsRead,
	}, func(ctx context.Context, in *struct {
		Job int64 `path:"job" minimum:"1" example:"1"`
	},
	) (*answer[projector.JobRequest], error) {
		job, err := a.opts.Keeper.Request(ctx, in.Job)
		return &answer[projector.JobRequest]{job}, err
	})
}
