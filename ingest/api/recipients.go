package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// Recipient is what somebody wants none of.
type Recipient struct {
	ID           string   `json:"id"`
	Suppressed   bool     `json:"suppressed" doc:"Mail to them came back, or was reported as unwanted"`
	Unsubscribed bool     `json:"unsubscribed" doc:"They want nothing from anybody here"`
	Blocked      []string `json:"blocked" doc:"Organizers, by id, that they want nothing of"`
}

// RecipientChange is what is to be different. What is left out stays as it is.
type RecipientChange struct {
	Suppressed   *bool   `json:"suppressed,omitempty"`
	Unsubscribed *bool   `json:"unsubscribed,omitempty"`
	Block        *string `json:"block,omitempty" maxLength:"254" doc:"An organizer, by address or id, that they want nothing of"`
	Unblock      *string `json:"unblock,omitempty" maxLength:"254" doc:"An organizer that they want to hear of again"`
}

type RecipientPath struct {
	Recipient string `path:"recipient" maxLength:"254" example:"ann@example.com" doc:"A mail address"`
}

func (a *API) registerRecipients(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/recipients/{recipient}", ID: "get-recipient", Tag: "recipients", Summary: "What somebody wants none of",
		About: "An address nobody was ever asked about wants everything.", Scope: key.RecipientsRead,
	}, func(ctx context.Context, in *RecipientPath) (*answer[Recipient], error) {
		id, err := a.personID(ctx, in.Recipient)
		if err != nil {
			return nil, err
		}
		s, err := a.Handler.Recipient(ctx, id)
		out := Recipient{ID: id, Suppressed: s.Suppressed, Unsubscribed: s.Unsubscribed, Blocked: []string{}}
		for organizer := range s.Blocked {
			out.Blocked = append(out.Blocked, organizer)
		}
		return &answer[Recipient]{out}, err
	})
	r := route(http.MethodPatch, "/v1/recipients/{recipient}", "update-recipient", "recipients", "Record what somebody wants none of")
	r.Scope = key.RecipientsWrite
	httpapi.Register(api, r, a.updateRecipient)
}

// personID is who an address of the caller's tenant is.
func (a *API) personID(ctx context.Context, name string) (string, error) {
	addr := strings.ToLower(strings.TrimSpace(name))
	if !address.Valid(addr) {
		return "", invitation.ErrAddress
	}
	return a.Keys.PersonID(access.From(ctx).Tenant, addr), nil
}

func (a *API) updateRecipient(ctx context.Context, in *struct {
	Call
	RecipientPath
	Body RecipientChange
},
) (*accepted, error) {
	id, err := a.personID(ctx, in.Recipient)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	p, b := access.From(ctx), in.Body
	var list []commands.Command[recipient.State, recipient.Fact]
	if b.Suppressed != nil {
		list = append(list, commands.SuppressRecipient{Tenant: p.Tenant, RecipientID: id, Status: "operator", Restore: !*b.Suppressed, By: p.By()})
	}
	if b.Unsubscribed != nil {
		list = append(list, commands.Unsubscribe{Tenant: p.Tenant, RecipientID: id, Undo: !*b.Unsubscribed, By: p.By()})
	}
	for i, name := range []*string{b.Block, b.Unblock} {
		if name == nil {
			continue
		}
		organizer, err := a.OrganizerID(ctx, p.Tenant, *name)
		if err != nil {
			return nil, err
		}
		list = append(list, commands.BlockOrganizer{Tenant: p.Tenant, RecipientID: id, OrganizerID: organizer, Undo: i == 1, By: p.By()})
	}
	done, err := carryOut(ctx, meta, list, a.Handler.ForRecipient)
	return receipt(done, id, "/v1/recipients/"+in.Recipient), err
}
