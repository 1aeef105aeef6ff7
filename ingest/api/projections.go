package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/projector"
)

// ProjectionJob is what is to be done to read models.
type ProjectionJob struct {
	Do         string   `json:"do" enum:"rebuild,verify,diff,switch,rollback,drop" doc:"rebuild: fill new tables from the log, beside those that serve, and switch. verify: fold the log again and report rows that differ. diff: the same with a generation that does not serve. switch, rollback: have another generation serve. drop: remove what does not serve."`
	Names      []string `json:"names,omitempty" maxItems:"50" example:"[\"statistics\"]" doc:"Of read models; none: all, of rebuild and verify"`
	Hold       bool     `json:"hold,omitempty" doc:"rebuild: do not switch"`
	Old        bool     `json:"old,omitempty" doc:"drop: also what other versions of the program filled"`
	Generation int      `json:"generation,omitempty" minimum:"0" maximum:"1000000000" doc:"diff, switch, drop: the one meant; 0: the one there is"`
}

func (a *API) registerProjections(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/projections/jobs", "create-projection-job", "installation", "Have read models rebuilt, verified, switched")
	r.About = "The process that leads the read model does it; the answer says where to see how far it is. Reads and facts go on meanwhile."
	r.Scope = key.ProjectionsWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct{ Body ProjectionJob }) (*accepted, error) {
		b := in.Body
		id, err := a.Keeper.Ask(ctx, projector.Job{Do: b.Do, Names: b.Names, Hold: b.Hold, Generation: b.Generation, Old: b.Old, By: access.From(ctx).By()})
		if err != nil {
			return nil, err
		}
		number := strconv.FormatInt(id, 10)
		href := "/v1/projections/jobs/" + number
		return &accepted{Location: href, Body: Receipt{Changed: true, ID: number, Href: href}}, nil
	})
}
