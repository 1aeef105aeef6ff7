package api

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// AttendeePath names an attendee of an event.
type AttendeePath struct {
	EventPath
	Attendee string `path:"attendee" pattern:"^[0-9a-f]{32}$" example:"00112233445566778899aabbccddeeff" doc:"The attendee's id"`
}

// NewReply is an answer that somebody records for an attendee, who gave it in another way.
type NewReply struct {
	Status   string `json:"status" enum:"accepted,tentative,declined"`
	Instance string `json:"instance,omitempty" pattern:"^([0-9]{8}(T[0-9]{6}Z)?)?$" doc:"One date of a series, named by its original start"`
	Comment  string `json:"comment,omitempty" maxLength:"2000"`
}

func (a *API) registerAttendees(api *httpapi.API) {
	r := route(http.MethodPut, "/v1/events/{uid}/attendees/{attendee}/reply", "record-reply", "attendees", "Record an attendee's answer")
	r.About = "For answers given by telephone or across a desk. A later answer of the attendee's calendar replaces it."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		AttendeePath
		Body NewReply
	},
	) (*accepted, error) {
		ev, who, err := a.attendee(ctx, in.UID, in.Attendee)
		if err != nil {
			return nil, err
		}
		meta, err := in.meta(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		c := reply(ev, who, in.Attendee, invitation.Status(in.Body.Status), event.InstanceID(in.Body.Instance), in.Body.Comment)
		c.Proof = access.From(ctx).By()
		done, err := a.Handler.ForInvitation(ctx, meta, c)
		return receipt(done, in.Attendee, "/v1/events/"+in.UID+"/attendees/"+in.Attendee), err
	})

	r = route(http.MethodPost, "/v1/events/{uid}/attendees/{attendee}/resend", "resend-invite", "attendees", "Send an attendee the event again")
	r.About = "At most once an hour."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		AttendeePath
	},
	) (*accepted, error) {
		ev, who, err := a.attendee(ctx, in.UID, in.Attendee)
		if err != nil {
			return nil, err
		}
		meta, err := in.meta(ctx, nil)
		if err != nil {
			return nil, err
		}
		done, err := a.Handler.ForInvitation(ctx, meta, commands.RequestResend{Answer: answerOf(ev, who, in.Attendee), Now: time.Now().UTC()})
		return receipt(done, in.Attendee, "/v1/events/"+in.UID+"/attendees/"+in.Attendee), err
	})

	r = route(http.MethodPost, "/v1/events/{uid}/attendees/{attendee}/decline-counter", "decline-counter", "attendees", "Tell an attendee that their proposal is not taken up")
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		AttendeePath
	},
	) (*accepted, error) {
		ev, _, err := a.attendee(ctx, in.UID, in.Attendee)
		if err != nil {
			return nil, err
		}
		meta, err := in.meta(ctx, nil)
		if err != nil {
			return nil, err
		}
		done, err := a.Handler.ForInvitation(ctx, meta, commands.DeclineCounter{Tenant: ev.Tenant, EventUID: ev.UID, AttendeeID: in.Attendee})
		return receipt(done, in.Attendee, "/v1/events/"+in.UID+"/attendees/"+in.Attendee), err
	})

	r = route(http.MethodDelete, "/v1/events/{uid}/attendees/{attendee}", "withdraw-invite", "attendees", "Take somebody off an event")
	r.About = "Their calendar is told, nobody else's."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		AttendeePath
	},
	) (*accepted, error) {
		ev, _, err := a.attendee(ctx, in.UID, in.Attendee)
		if err != nil {
			return nil, err
		}
		meta, err := in.meta(ctx, nil)
		if err != nil {
			return nil, err
		}
		done, err := a.Handler.ForInvitation(ctx, meta, commands.WithdrawInvite{Tenant: ev.Tenant, EventUID: ev.UID, AttendeeID: in.Attendee, By: access.From(ctx).By()})
		return receipt(done, in.Attendee, "/v1/events/"+in.UID+"/attendees"), err
	})
}

// answerOf is what an answer of an attendee to an event as it is now has in common.
func answerOf(ev event.State, who invitation.State, id string) commands.Answer {
	return commands.Answer{
		Tenant: ev.Tenant, Event: ev, EventUID: ev.UID, AttendeeID: id, Address: who.Address, Name: who.Name,
		Reply: event.Revision{Sequence: ev.Sequence, DTStamp: time.Now().UTC()},
	}
}

// reply is an answer that did not come from a calendar.
func reply(ev event.State, who invitation.State, id string, status invitation.Status, instance event.InstanceID, comment string) commands.RecordReply {
	c := commands.RecordReply{Answer: answerOf(ev, who, id), Status: status, ProdID: who.ProdID, Comment: comment}
	c.Instance = instance
	if instance != "" {
		c.Reply.Sequence = max(ev.Sequence, ev.Instances[instance].Sequence)
	}
	return c
}
