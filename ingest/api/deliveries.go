package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
)

// Deliveries are what goes out: to endpoints, and by mail.
type Deliveries interface {
	// Attempts returns the newest attempts to tell an endpoint something, before a number if that is not 0.
	Attempts(ctx context.Context, ref webhook.Ref, before int64, limit int) ([]Attempt, error)
	// Again tells an endpoint something once more.
	Again(ctx context.Context, ref webhook.Ref, message string) (Attempt, error)
	// Owed returns mails that are owed, the one that is due first in front.
	Owed(ctx context.Context, tenant string, limit int) ([]OwedMail, error)
	// Silent returns people who get no mail.
	Silent(ctx context.Context, tenant string, limit int) ([]SilentRecipient, error)
}

// Attempt is what became of telling an endpoint something once.
type Attempt struct {
	Message  string    `json:"message" doc:"The webhook-id"`
	Type     string    `json:"type" example:"rsvp.received"`
	Position int64     `json:"position"`
	Tries    int       `json:"tries" doc:"How many there were of this message, this one included; 0: it was asked for"`
	At       time.Time `json:"at"`
	Status   int       `json:"status" doc:"What the endpoint answered; 0: nothing"`
	Error    string    `json:"error,omitempty"`
	Took     int       `json:"took_ms"`
	Number   int64     `json:"-"`
}

// OwedMail is a mail that is to be sent.
type OwedMail struct {
	Kind      string    `json:"kind" example:"invite" doc:"invite: an event as it is now; else what a notice is about"`
	Subject   string    `json:"subject" doc:"The event's UID, or what else it is about"`
	Recipient string    `json:"recipient" doc:"The person's id"`
	Attempts  int       `json:"attempts" doc:"Failed ones so far"`
	Due       time.Time `json:"due" doc:"When it is tried next"`
	Sending   bool      `json:"sending" doc:"It is being sent right now"`
}

// SilentRecipient is somebody who gets no mail.
type SilentRecipient struct {
	ID           string `json:"id"`
	Address      string `json:"address,omitempty" doc:"Shown with attendees:read, if they were ever invited"`
	Suppressed   bool   `json:"suppressed"`
	Unsubscribed bool   `json:"unsubscribed"`
}

func (a *API) registerDeliveries(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/webhooks/{webhook}/deliveries", ID: "list-webhook-deliveries", Tag: "webhooks", Summary: "What an endpoint was told, the newest first",
		About: "Of the last 30 days.", Scope: key.WebhooksRead,
	}, a.attempts)
	r := route(http.MethodPost, "/v1/webhooks/{webhook}/deliveries/{message}/redeliver", "redeliver", "webhooks", "Tell an endpoint something once more")
	r.About = "Now, once, also to one that is disabled; the answer says what became of it."
	r.Scope, r.Status = key.WebhooksWrite, http.StatusOK
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		WebhookPath
		Message string `path:"message" format:"uuid" example:"5b1f7b5c-7f5d-5d0e-9c42-6f2c1f0a9d11" doc:"The webhook-id"`
	},
	) (*answer[Attempt], error) {
		one, err := a.Deliveries.Again(ctx, webhook.Ref{Tenant: access.From(ctx).Tenant, WebhookID: in.Webhook}, in.Message)
		return &answer[Attempt]{one}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/mails/owed", ID: "list-owed-mails", Tag: "mails", Summary: "Mails that are to be sent, the one that is due first in front",
		Scope: key.MailsRead, Views: []string{"ledger"},
	}, func(ctx context.Context, in *struct {
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*answer[list[OwedMail]], error) {
		rows, err := a.Deliveries.Owed(ctx, access.From(ctx).Tenant, in.Limit)
		return &answer[list[OwedMail]]{newList(rows)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/recipients", ID: "list-silent-recipients", Tag: "recipients", Summary: "People who get no mail", Scope: key.RecipientsRead, Views: []string{"ledger"},
	}, func(ctx context.Context, in *struct {
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*answer[list[SilentRecipient]], error) {
		rows, err := a.Deliveries.Silent(ctx, access.From(ctx).Tenant, in.Limit)
		if !access.From(ctx).May(key.AttendeesRead) {
			for i := range rows {
				rows[i].Address = ""
			}
		}
		return &answer[list[SilentRecipient]]{newList(rows)}, err
	})
}

// attemptPage is a part of a list of attempts.
type attemptPage struct {
	Items []Attempt `json:"items"`
	Next  string    `json:"next,omitempty" doc:"The cursor of what follows; missing at the end"`
}

func (a *API) attempts(ctx context.Context, in *struct {
	WebhookPath
	Cursor string `query:"cursor" maxLength:"20" doc:"Where to go on: next of the answer before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
},
) (*answer[attemptPage], error) {
	var before int64
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(in.Cursor, 10, 63); err != nil || before < 1 {
			return nil, problem.ErrRequest.With("the cursor is not one of ours")
		}
	}
	ref := webhook.Ref{Tenant: access.From(ctx).Tenant, WebhookID: in.Webhook}
	w, err := a.Handler.Webhook(ctx, in.Webhook)
	if err == nil && (!w.Exists || w.Tenant != ref.Tenant) {
		err = webhook.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	rows, err := a.Deliveries.Attempts(ctx, ref, before, in.Limit+1)
	out := attemptPage{Items: newList(rows).Items}
	if len(rows) > in.Limit {
		out.Items, out.Next = rows[:in.Limit], strconv.FormatInt(rows[in.Limit-1].Number, 10)
	}
	return &answer[attemptPage]{out}, err
}
