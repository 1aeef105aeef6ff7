package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/google/uuid"
)

// Time is a point of an event's time as a caller writes it.
type Time struct {
	Local  string `json:"local" maxLength:"19" example:"2027-06-04T18:00:00" doc:"Wall time, or a date for a whole day"`
	TZID   string `json:"tzid,omitempty" maxLength:"60" example:"Europe/Berlin" doc:"IANA name; missing: UTC"`
	AllDay bool   `json:"all_day,omitempty" doc:"It is a date"`
}

// moment resolves it. It fails with [event.ErrInvalid].
func (t Time) moment(name string) (event.Moment, error) {
	if t.AllDay {
		day, err := time.Parse(time.DateOnly, t.Local)
		if err != nil || t.TZID != "" {
			return event.Moment{}, event.ErrInvalid.With(name + " of a whole day is a date like 2027-06-04, without a zone")
		}
		return event.Moment{Local: t.Local, AllDay: true, UTC: day}, nil
	}
	wall, err := time.Parse("2006-01-02T15:04:05", t.Local)
	if err != nil || wall.Year() < 1970 || wall.Year() > 9000 {
		return event.Moment{}, event.ErrInvalid.With(name + " is a wall time like 2027-06-04T18:00:00")
	}
	loc := time.UTC
	if t.TZID != "" {
		if loc, err = time.LoadLocation(t.TZID); err != nil || t.TZID == "Local" {
			return event.Moment{}, event.ErrInvalid.With(name + ": there is no time zone of this name")
		}
	}
	return recur.At(recur.Instant(wall, recur.Offset(loc)), t.TZID), nil
}

// NewEvent is an event somebody wants.
type NewEvent struct {
	Organizer     string `json:"organizer,omitempty" maxLength:"254" example:"olga@example.com" doc:"Whose it is: a mail address. Organizers leave it out"`
	OrganizerName string `json:"organizer_name,omitempty" maxLength:"200" example:"Olga Example" doc:"As attendees see it"`
	SourceUID     string `json:"source_uid,omitempty" maxLength:"255" doc:"The event's UID elsewhere: the same again is a change of the same event"`
	Summary       string `json:"summary" minLength:"1" maxLength:"2000" example:"Summer party"`
	Description   string `json:"description,omitempty" maxLength:"32000" example:"Bring a chair."`
	Location      string `json:"location,omitempty" maxLength:"2000" example:"The garden"`
	Start         Time   `json:"start"`
	End           Time   `json:"end" doc:"Exclusive: the day after the last of whole days"`
	Rule          string `json:"rrule,omitempty" maxLength:"2000" example:"" doc:"Of a series, like FREQ=WEEKLY;COUNT=4 (RFC 5545 §3.3.10)"`
	Public        bool   `json:"public,omitempty" doc:"Everybody may see it"`
}

// EventChange is what is to be different. What is left out stays as it is.
type EventChange struct {
	Summary     *string   `json:"summary,omitempty" minLength:"1" maxLength:"2000"`
	Description *string   `json:"description,omitempty" maxLength:"32000"`
	Location    *string   `json:"location,omitempty" maxLength:"2000"`
	Start       *Time     `json:"start,omitempty"`
	End         *Time     `json:"end,omitempty"`
	Rule        *string   `json:"rrule,omitempty" maxLength:"2000"`
	Public      *bool     `json:"public,omitempty"`
	Crashers    *string   `json:"crashers,omitempty" enum:"add,hold,cancel" doc:"How answers of people who were never invited are taken"`
	InviteLimit *int      `json:"invite_limit,omitempty" minimum:"0" maximum:"100000000" doc:"Bulk invitations at most; 0: any number. Not for organizers"`
	Reminders   *[]string `json:"reminders,omitempty" maxItems:"10" doc:"When attendees are reminded, like 24h or daily@12:00"`
}

func (a *API) registerEvents(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/events", "create-event", "events", "Create an event")
	r.Scope, r.Own = key.EventsWrite, true
	r.Errors = append(r.Errors, http.StatusNotFound)
	httpapi.Register(api, r, a.createEvent)

	r = route(http.MethodPatch, "/v1/events/{uid}", "update-event", "events", "Change an event")
	r.About = "Everybody who was invited gets the change. Changing a cancelled event's time or words brings it back."
	r.Scope, r.Own = key.EventsWrite, true
	httpapi.Register(api, r, a.updateEvent)

	r = route(http.MethodDelete, "/v1/events/{uid}", "cancel-event", "events", "Cancel an event")
	r.About = "Everybody who knows of it is told. What happened stays on the record."
	r.Scope, r.Own = key.EventsWrite, true
	httpapi.Register(api, r, a.cancelEvent)
}

// whose is the organizer of a new event: the caller, or whom they name.
func (a *API) whose(ctx context.Context, b NewEvent) (id, addr, name string, err error) {
	p := access.From(ctx)
	addr = strings.ToLower(strings.TrimSpace(b.Organizer))
	if addr != "" && !address.Valid(addr) {
		return "", "", "", organizer.ErrAddress
	}
	id = p.OrganizerID
	if id == "" {
		if addr == "" {
			return "", "", "", event.ErrInvalid.With("it has no organizer")
		}
		if id, err = a.OrganizerID(ctx, p.Tenant, addr); err != nil {
			return "", "", "", err
		}
	}
	account, err := a.Handler.Organizer(ctx, id)
	if account.Exists {
		addr, name = account.Address, account.Name
	}
	if b.OrganizerName != "" && name == "" {
		name = b.OrganizerName
	}
	if err == nil && addr == "" {
		err = organizer.ErrUnknown
	}
	return id, addr, name, err
}

func (a *API) createEvent(ctx context.Context, in *struct {
	Call
	Body NewEvent
},
) (*accepted, error) {
	b, now := in.Body, time.Now().UTC()
	content, err := compose(event.Content{}, EventChange{
		Summary: &b.Summary, Description: &b.Description, Location: &b.Location, Start: &b.Start, End: &b.End, Rule: &b.Rule,
	})
	if err != nil {
		return nil, err
	}
	id, addr, name, err := a.whose(ctx, b)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, b)
	if err != nil {
		return nil, err
	}
	tenant := access.From(ctx).Tenant
	source := b.SourceUID
	if source == "" {
		source = "api-" + meta.Command.String()
	}
	uid := a.Keys.EventUID(tenant, id, source)
	done, err := a.Handler.CreateEvent(ctx, meta, commands.CreateEvent{
		Tenant: tenant, UID: uid, OrganizerID: id, OrganizerAddress: addr, OrganizerName: name, ReplyTo: a.Book(tenant).ReplyTo(a.Keys.Token("rsvp", tenant, id)),
		Source: event.Source{UID: source, ProdID: prodID, Revision: event.Revision{DTStamp: now}}, Content: content, Now: now,
	})
	if err != nil {
		return nil, err
	}
	if b.Public {
		shown, err := a.Handler.ForEvent(ctx, commands.Aside(meta, "public"), commands.ChangeVisibility{UID: uid, Public: true})
		if err != nil {
			return nil, err
		}
		done = merge(done, shown)
	}
	return receipt(done, uid, "/v1/events/"+uid), nil
}

// prodID is what events made here come from.
const prodID = "-//Calendar Invite Server//API//EN"

// compose changes content.
func compose(c event.Content, b EventChange) (event.Content, error) {
	set := func(to *string, from *string) {
		if from != nil {
			*to = strings.ToValidUTF8(*from, "\uFFFD")
		}
	}
	set(&c.Summary, b.Summary)
	set(&c.Description, b.Description)
	set(&c.Location, b.Location)
	var err error
	if b.Start != nil {
		if c.Start, err = b.Start.moment("start"); err != nil {
			return c, err
		}
	}
	if b.End != nil {
		if c.End, err = b.End.moment("end"); err != nil {
			return c, err
		}
	}
	switch {
	case c.Start.AllDay != c.End.AllDay:
		return c, event.ErrInvalid.With("start and end are both dates, or both times")
	case !c.End.UTC.After(c.Start.UTC):
		return c, event.ErrInvalid.With("it ends before it has begun")
	case b.Rule != nil && *b.Rule == "":
		c.Recurrence = event.Recurrence{}
	case b.Rule != nil:
		if c.Recurrence.Rule, err = recur.Rule(*b.Rule, c.Start); err != nil {
			return c, event.ErrInvalid.With(err.Error())
		}
	}
	return c, nil
}

func (a *API) updateEvent(ctx context.Context, in *struct {
	Call
	EventPath
	Body EventChange
},
) (*accepted, error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	list, err := a.changes(ctx, ev, in.Body)
	if err != nil {
		return nil, err
	}
	if err := a.Handler.Active(ctx, ev.OrganizerID); err != nil {
		return nil, err
	}
	done, err := carryOut(ctx, meta, list, a.Handler.ForEvent)
	return receipt(done, in.UID, "/v1/events/"+in.UID), err
}

// changes are the commands that a change consists of. All of it is checked before any of it is done.
func (a *API) changes(ctx context.Context, ev event.State, b EventChange) (list []commands.Command[event.State, event.Fact], err error) {
	by := access.From(ctx).By()
	if b.Summary != nil || b.Description != nil || b.Location != nil || b.Start != nil || b.End != nil || b.Rule != nil {
		c := commands.UpdateEvent{Tenant: ev.Tenant, UID: ev.UID, OrganizerID: ev.OrganizerID, Source: next(ev), Now: time.Now().UTC()}
		if c.Content, err = compose(ev.Content, b); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if b.Public != nil {
		list = append(list, commands.ChangeVisibility{UID: ev.UID, Public: *b.Public})
	}
	if b.Crashers != nil {
		list = append(list, commands.ChangePolicy{UID: ev.UID, Crashers: event.Crashers(*b.Crashers)})
	}
	if b.Reminders != nil {
		for _, r := range *b.Reminders {
			if _, err := event.ParseReminder(r); err != nil {
				return nil, event.ErrInvalid.With(err.Error())
			}
		}
		list = append(list, commands.ChangeReminders{UID: ev.UID, Before: *b.Reminders, By: by})
	}
	if b.InviteLimit != nil {
		if access.From(ctx).OrganizerID != "" {
			return nil, event.ErrInvalid.With("organizers do not set their own limit")
		}
		list = append(list, commands.ChangeInviteLimit{UID: ev.UID, Limit: *b.InviteLimit, By: by})
	}
	return list, nil
}

// next is a version of an event's source that is newer than the last: what the organizer's calendar says later counts
// again.
func next(ev event.State) event.Source {
	s := ev.Source
	s.Revision.DTStamp = time.Now().UTC()
	if !s.Revision.NewerThan(ev.Source.Revision) { // their clock is ahead
		s.Revision.DTStamp = ev.Source.Revision.DTStamp.Add(time.Second)
	}
	return s
}

func (a *API) cancelEvent(ctx context.Context, in *struct {
	Call
	EventPath
},
) (*accepted, error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, nil)
	if err != nil {
		return nil, err
	}
	done, err := a.Handler.ForEvent(ctx, meta, commands.CancelEvent{Tenant: ev.Tenant, UID: ev.UID, OrganizerID: ev.OrganizerID, Source: next(ev)})
	return receipt(done, in.UID, "/v1/events/"+in.UID), err
}

// callID names what a call makes: the same call again makes the same.
func (a *API) callID(meta commands.Meta, purpose string) string {
	if meta.Request == "" {
		return a.Keys.CallID(purpose, uuid.NewString())
	}
	return a.Keys.CallID(purpose, meta.Command.String())
}
