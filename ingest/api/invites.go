package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"golang.org/x/sync/errgroup"
)

// NewInvites is whom to invite.
type NewInvites struct {
	Invites []NewInvite `json:"invites" minItems:"1" maxItems:"1000"`
	Origin  string      `json:"origin,omitempty" maxLength:"40" default:"api" doc:"Where the invitations come from"`
}

// NewInvite is one of them.
type NewInvite struct {
	Address string `json:"address" maxLength:"254" example:"ann@example.com"`
	Name    string `json:"name,omitempty" maxLength:"200" example:"Ann Example"`
}

// Invited says what became of each request.
type Invited struct {
	Results  []InviteResult `json:"results" doc:"In the order of the requests"`
	Position uint64         `json:"position,omitempty"`
}

// InviteResult is what became of one.
type InviteResult struct {
	Address string `json:"address"`
	ID      string `json:"id,omitempty" doc:"The attendee's id"`
	Result  string `json:"result" enum:"requested,denied,unchanged" doc:"unchanged: this very request was carried out before"`
	Reason  string `json:"reason,omitempty" example:"already-invited" doc:"Why it was denied"`
}

func (a *API) registerInvites(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/events/{uid}/invites", "invite-attendees", "invites", "Invite people to an event")
	r.About = "Each is granted or denied for itself, and either is on the record. The mails go out right after."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, a.invite)
}

type invited struct {
	Location string `header:"Location" doc:"The attendees"`
	Position string `header:"X-Position" doc:"For X-Min-Position of a read that is to contain the invitations"`
	Body     Invited
}

// atOnce is how many requests of a call are under way at the same time.
const atOnce = 8

func (a *API) invite(ctx context.Context, in *struct {
	Call
	EventPath
	Body NewInvites
},
) (*invited, error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	origin := invitation.Origin(strings.ToLower(in.Body.Origin))
	if !slices.Contains(invitation.Origins, origin) {
		return nil, invitation.ErrOrigin.With(string(origin))
	}
	if len(in.Body.Invites) == 0 {
		return nil, problem.ErrNothing
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	out := &invited{Location: "/v1/events/" + in.UID + "/attendees", Body: Invited{Results: make([]InviteResult, len(in.Body.Invites))}}
	positions := make([]uint64, len(in.Body.Invites))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, one := range in.Body.Invites {
		group.Go(func() (err error) {
			m := commands.Aside(meta, strconv.Itoa(i))
			out.Body.Results[i], positions[i], err = a.inviteOne(ctx, m, ev, origin, one)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if last := slices.Max(positions); last > 0 {
		out.Body.Position, out.Position = last, strconv.FormatUint(last, 10)
	}
	return out, nil
}

// inviteOne asks for one invitation.
func (a *API) inviteOne(ctx context.Context, meta commands.Meta, ev event.State, origin invitation.Origin, one NewInvite) (InviteResult, uint64, error) {
	res := InviteResult{Address: strings.ToLower(strings.TrimSpace(one.Address)), Result: "denied", Reason: invitation.ErrAddress.Code}
	if !address.Valid(res.Address) {
		return res, 0, nil
	}
	name := strings.TrimSpace(one.Name)
	if name == "" {
		name = "customer"
	}
	res.ID = a.Keys.PersonID(ev.Tenant, res.Address)
	done, err := a.Handler.RequestInvite(ctx, meta, commands.RequestInvite{
		Tenant: ev.Tenant, Event: ev, EventUID: ev.UID, AttendeeID: res.ID, Address: res.Address, Name: name, Origin: origin, Now: time.Now().UTC(),
	}, nil)
	if why, refused := fault.From(err); refused {
		res.Reason = why.Code
		return res, 0, nil
	}
	res.Result, res.Reason = "unchanged", ""
	switch f := done.Last.(type) {
	case invitation.InviteRequested, invitation.ResendRequested:
		res.Result = "requested"
	case invitation.InviteDenied:
		res.Result, res.Reason = "denied", f.Reason
	default: // decided before, and denied then as now
		if seen, err := a.Handler.Invitation(ctx, ev.UID, res.ID); err == nil && seen.State.Denied != "" {
			res.Result, res.Reason = "denied", seen.State.Denied
		}
	}
	return res, done.Position, err
}
