package readapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// Chain is what happened about something, from the mail it began with to what mail servers answered.
type Chain struct {
	Kind  string `json:"kind" enum:"event,attendee,person,mail,command,stream" doc:"What the id is of"`
	Items []Told `json:"items"`
}

// Told is a fact, and what it says.
type Told struct {
	Fact
	Words string `json:"words" doc:"The fact in a sentence"`
}

// errNoHistory says that the log holds nothing about something.
var errNoHistory = &fault.Error{Kind: fault.NotFound, Code: "history-empty", Title: "the log holds nothing about this"}

func (a *API) registerChain(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/audit", ID: "get-audit", Tag: "history", Summary: "All that happened about something, from the received mail to the last SMTP answer",
		About: "It goes through the whole log, some 100,000 facts a second; two calls do so at a time. What is personal is shown with the scope `attendees:read`; without it, addresses find nothing.",
		Scope: key.HistoryRead,
	}, func(ctx context.Context, in *struct {
		ID string `query:"id" required:"true" minLength:"1" maxLength:"400" doc:"An event's UID, UID/ADDRESS for one attendee, an address, a mail's id, a command's id, or a stream"`
	},
	) (*answer[Chain], error) {
		full := unmasked(ctx)
		if !full && strings.Contains(in.ID, "@") { // guesses could be tried
			return nil, errNoHistory
		}
		done, err := a.turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
		c, err := a.opts.Chain(ctx, access.From(ctx).Tenant, in.ID, !full)
		if err != nil {
			return nil, err
		}
		if full {
			a.disclosed(ctx, "get-audit", c.subject())
		}
		return &answer[Chain]{c}, nil
	})
}

// subject is the stream it begins with: an address does not go into the log.
func (c Chain) subject() string {
	if len(c.Items) == 0 {
		return ""
	}
	return c.Items[0].Stream
}
