package api

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// HeldMail is a mail that somebody must decide about.
type HeldMail struct {
	ID       string    `json:"id"`
	Reason   string    `json:"reason" example:"sender-unproven" doc:"Why it waits"`
	Received time.Time `json:"received"`
}

type MailPath struct {
	Mail string `path:"mail" pattern:"^[0-9a-f]{32}$" example:"00112233445566778899aabbccddeeff" doc:"The mail's id"`
}

func (a *API) registerMails(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/mails/held", ID: "list-held-mails", Tag: "mails", Summary: "Mails that wait for somebody to decide, the oldest first",
		Scope: key.MailsRead, Views: []string{"inbox"},
	}, func(ctx context.Context, in *struct {
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*answer[list[HeldMail]], error) {
		rows, err := inbox.ListHeld(ctx, a.Pool, access.From(ctx).Tenant, in.Limit)
		out := make([]HeldMail, 0, len(rows))
		for _, m := range rows {
			out = append(out, HeldMail{m.MailID, m.Reason, m.Received.UTC()})
		}
		return &answer[list[HeldMail]]{newList(out)}, err
	})
	for _, judge := range []struct {
		name, summary string
		release       bool
	}{
		{"release", "Handle a held mail as if its sender were proven", true},
		{"drop", "Drop a held mail", false},
	} {
		r := route(http.MethodPost, "/v1/mails/{mail}/"+judge.name, judge.name+"-mail", "mails", judge.summary)
		r.Scope = key.MailsWrite
		httpapi.Register(api, r, func(ctx context.Context, in *struct {
			Call
			MailPath
		},
		) (*accepted, error) {
			p := access.From(ctx)
			seen, err := a.Handler.Mail(ctx, in.Mail)
			if err == nil && (!seen.State.Exists || seen.State.Tenant != p.Tenant) {
				err = mail.ErrUnknown
			}
			if err != nil {
				return nil, err
			}
			meta, err := in.meta(ctx, nil)
			if err != nil {
				return nil, err
			}
			done, err := a.Handler.ForMail(ctx, meta, commands.JudgeMail{Tenant: p.Tenant, MailID: in.Mail, Release: judge.release, By: p.By()})
			return receipt(done, in.Mail, "/v1/mails/held"), err
		})
	}
}
