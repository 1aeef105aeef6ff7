package api

import (
	"context"
	"net/http"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// OrganizerChange is what of an account is to be different. What is left out stays as it is.
type OrganizerChange struct {
	Name      *string `json:"name,omitempty" maxLength:"200" doc:"As attendees see it"`
	Language  *string `json:"language,omitempty" pattern:"^([a-z]{2,3})?$" doc:"Of mails; of those there are templates for"`
	Limit     *int    `json:"limit,omitempty" minimum:"-1" maximum:"1000000" doc:"Events they may have; 0: any number; -1: as everybody's"`
	Bulk      *bool   `json:"bulk,omitempty" doc:"They may invite many at once"`
	Suspended *bool   `json:"suspended,omitempty" doc:"They may do nothing but cancel; their invitations wait"`
	Reason    string  `json:"reason,omitempty" maxLength:"500" doc:"Of a suspension, for the record"`
}

func (a *API) registerOrganizers(api *httpapi.API) {
	r := route(http.MethodPatch, "/v1/organizers/{organizer}", "update-organizer", "organizers", "Change an account")
	r.About = "An address that was never seen gets an account by it, so that somebody can be allowed, or kept out, beforehand."
	r.Scope = key.OrganizersWrite
	httpapi.Register(api, r, a.updateOrganizer)
}

func (a *API) updateOrganizer(ctx context.Context, in *struct {
	Call
	Organizer string `path:"organizer" maxLength:"254" example:"olga@example.com" doc:"The organizer's mail address, or id"`
	Body      OrganizerChange
},
) (*accepted, error) {
	p := access.From(ctx)
	id, err := a.OrganizerID(ctx, p.Tenant, in.Organizer)
	if err != nil {
		return nil, err
	}
	account, err := a.account(ctx, id, in.Organizer)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	list := decisions(organizer.Ref{Tenant: p.Tenant, OrganizerID: id}, account.Address, in.Body, p.By())
	done, err := carryOut(ctx, meta, list, a.Handler.ForOrganizer)
	return receipt(done, id, "/v1/organizers/"+id), err
}

// account is an account of the caller's tenant, or what will be one for an address.
func (a *API) account(ctx context.Context, id, name string) (organizer.State, error) {
	s, err := a.Handler.FreshOrganizer(ctx, id)
	switch {
	case err != nil:
		return s, err
	case s.Exists && s.Tenant != access.From(ctx).Tenant, !s.Exists && id == name:
		return s, organizer.ErrUnknown
	case !s.Exists:
		s.Address = name
	}
	return s, nil
}

// decisions are the commands that a change consists of.
func decisions(ref organizer.Ref, addr string, b OrganizerChange, by string) (list []commands.Command[organizer.State, organizer.Fact]) {
	judge := func(on *bool, yes, no commands.Judgement) {
		if on == nil {
			return
		}
		j := no
		if *on {
			j = yes
		}
		list = append(list, commands.JudgeOrganizer{Organizer: ref, Address: addr, Judgement: j, Reason: b.Reason, By: by})
	}
	if b.Name != nil || b.Language != nil {
		list = append(list, commands.ChangeProfile{Organizer: ref, Address: addr, Name: b.Name, Language: b.Language, By: by})
	}
	if b.Limit != nil {
		list = append(list, commands.ChangeEventLimit{Organizer: ref, Address: addr, Limit: *b.Limit, By: by})
	}
	judge(b.Bulk, commands.AllowBulk, commands.ForbidBulk)
	judge(b.Suspended, commands.Suspend, commands.Reinstate)
	return list
}
