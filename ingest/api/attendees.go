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

// OnAttendee is a call about an attendee that says nothing else.
type OnAttendee struct {
	Call
	AttendeePath
}

func (a *API) registerAttendees(api *httpapi.API) {
	r := route(http.MethodPut, "/v1/events/{uid}/attendees/{attendee}/reply", "record-reply", "attendees", "Record an attendee's answer")
	r.About = "For answers given by telephone or across a desk. A later answer of the attendee's calendar replaces it."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		OnAttendee
		Body NewReply
	},
	) (*accepted, error) {
		return a.about(ctx, &in.OnAttendee, in.Body, func(ev event.State, who invitation.State) attendeeCommand {
			c := reply(ev, who, in.Attendee, invitation.Status(in.Body.Status), event.InstanceID(in.Body.Instance), in.Body.Comment)
			c.Proof = access.From(ctx).By()
			return c
		})
	})

	r = route(http.MethodPost, "/v1/events/{uid}/attendees/{attendee}/resend", "resend-invite", "attendees", "Send an attendee the event again")
	r.About = "At most once an hour."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *OnAttendee) (*accepted, error) {
		return a.about(ctx, in, nil, func(ev event.State, who invitation.State) attendeeCommand {
			return commands.RequestResend{Answer: answerOf(ev, who, in.Attendee), Now: time.Now().UTC()}
		})
	})

	r = route(http.MethodPost, "/v1/events/{uid}/attendees/{attendee}/decline-counter", "decline-counter", "attendees", "Tell an attendee that their proposal is not taken up")
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *OnAttendee) (*accepted, error) {
		return a.about(ctx, in, nil, func(ev event.State, _ invitation.State) attendeeCommand {
			return commands.DeclineCounter{Tenant: ev.Tenant, EventUID: ev.UID, AttendeeID: in.Attendee}
		})
	})

	r = route(http.MethodDelete, "/v1/events/{uid}/attendees/{attendee}", "withdraw-invite", "attendees", "Take somebody off an event")
	r.About = "Their calendar is told, nobody else's."
	r.Scope, r.Own = key.InvitesWrite, true
	httpapi.Register(api, r, func(ctx context.Context, in *OnAttendee) (*accepted, error) {
		return a.about(ctx, in, nil, func(ev event.State, _ invitation.State) attendeeCommand {
			return commands.WithdrawInvite{Tenant: ev.Tenant, EventUID: ev.UID, AttendeeID: in.Attendee, By: access.From(ctx).By()}
		})
	})
}

type attendeeCommand = commands.Command[invitation.State, invitation.Fact]

// about carries out a command about an attendee of an event that the caller may change.
func (a *API) about(ctx context.Context, in *OnAttendee, body any, command func(event.State, invitation.State) attendeeCommand) (*accepted, error) {
	ev, who, err := a.attendee(ctx, in.UID, in.Attendee)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, body)
	if err != nil {
		return nil, err
	}
	done, err := a.Handler.ForInvitation(ctx, meta, command(ev, who))
	return receipt(done, in.Attendee, "/v1/events/"+in.UID+"/attendees/"+in.Attendee), err
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
