package api

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/google/uuid"
)

// registerPublished adds the published routes that do something.
func (a *API) registerPublished(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/event/{uid}/invite", ID: "invite", Tag: "published", Summary: "Invite somebody to an event, as a link does",
		About: "Answers with the page to go on to. A prefetch is a 503 and does nothing; a HEAD is a 405. Where the tenant's `legacy_invite` is " +
			"`confirm`, it leads to a page whose button sends; where it is `off`, it is a 404.",
		Status: http.StatusFound, NoHead: true, Errors: []int{http.StatusConflict},
	}, a.inviteLink)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/event/{uid}/report", ID: "event-report", Tag: "published", Summary: "Mail the list of attendees to the organizer",
		About: "A CSV file with `email,name,status,origin,prodid`; at most one mail a minute.", Scope: key.EventsRead, Own: true, Open: true, NoHead: true,
	}, a.mailReport)
}

// mailReport asks for the report that organizers also get by answering a mail. Asking again within a minute is the same
// question.
func (a *API) mailReport(ctx context.Context, in *EventPath) (*answer[string], error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	subject := ev.UID + "." + time.Now().UTC().Format("20060102T1504")
	ref := notice.Ref{
		Tenant: ev.Tenant, NoticeID: a.Keys.NoticeID(ev.Tenant, string(notice.Report), subject), Kind: notice.Report, EventUID: subject, OrganizerID: ev.OrganizerID,
	}
	meta := commands.From("api", ev.Tenant, uuid.NewString(), 0)
	meta.By = access.From(ctx).By()
	if _, err := a.Handler.ForNotice(ctx, meta, commands.RequestNotice{Ref: ref}); err != nil {
		return nil, err
	}
	return &answer[string]{"Acknowledged"}, nil
}

// linkInput is what the published link says. Values are checked by hand: what the original took is taken.
type linkInput struct {
	UID     string `path:"uid" doc:"The event's UID: 40 characters of a-z and 0-9"`
	Email   string `query:"email" doc:"Whom to invite"`
	Name    string `query:"name" doc:"Their name; customer, if there is none"`
	Origin  string `query:"origin" doc:"Where the invitation comes from; api, if it does not say"`
	Landing string `query:"landing" doc:"The page to go on to. A host that is not on the tenant's list is replaced by the default page"`

	Purpose    string `header:"Purpose" hidden:"true"`
	SecPurpose string `header:"Sec-Purpose" hidden:"true"`
	XPurpose   string `header:"X-Purpose" hidden:"true"`
	XMoz       string `header:"X-Moz" hidden:"true"`
}

type redirect struct {
	Location string `header:"Location" doc:"The page to go on to"`
}

// inviteLink is the one published GET that changes something (the key-less link in mails and web forms), so it acts for
// nothing but a plain GET.
func (a *API) inviteLink(ctx context.Context, in *linkInput) (*redirect, error) {
	if isPrefetch(in.Purpose, in.SecPurpose, in.XPurpose, in.XMoz) {
		return nil, problem.ErrPrefetch
	}
	if err := a.allowLink(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if !event.ValidUID(in.UID) {
		return nil, ErrUID
	}
	c, err := a.wanted(ctx, in.UID, in.Email, in.Name, in.Origin)
	if err != nil {
		return nil, err
	}
	t, err := a.Handler.Tenant(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	switch {
	case t.Suspended, t.Settings.LegacyInvite == tenant.LegacyOff:
		return nil, event.ErrUnknown
	case t.Settings.LegacyInvite == tenant.LegacyConfirm:
		page, err := a.invitePage(c.EventUID, in.Email, in.Name, string(c.Origin))
		return &redirect{page}, err
	}
	if err := a.request(ctx, "api", c); err != nil {
		return nil, err
	}
	return &redirect{a.landing(t).For(in.Landing)}, nil
}
