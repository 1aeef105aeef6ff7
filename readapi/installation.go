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
		Method: http.MethodGet, Path: "/v1/projections", ID: "list-projections", Tag: "installation", Summary: "How far the read models are in this process", Scope: key.ProjectionsRead,
	}, func(context.Context, *struct{}) (*answer[page[projector.Status]], error) {
		return &answer[page[projector.Status]]{page[projector.Status]{Items: a.opts.Status()}}, nil
	})
}
