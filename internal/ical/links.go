package ical

import (
	"net/url"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
)

// Link adds an event to somebody's calendar on the web.
type Link struct{ Name, URL string }

// Links are the web calendars that take an event in a link. They show it to be saved; nothing is sent to them before
// somebody follows one.
func Links(c event.Content) []Link {
	stamp := func(layout string, m event.Moment) string {
		if m.AllDay {
			return m.UTC.Format(date)
		}
		return m.UTC.UTC().Format(layout)
	}
	const compact = "20060102T150405Z"
	google := url.Values{
		"action": {"TEMPLATE"}, "text": {c.Summary}, "details": {c.Description}, "location": {c.Location}, "dates": {stamp(compact, c.Start) + "/" + stamp(compact, c.End)},
	}
	if c.Recurrence.Rule != "" {
		google.Set("recur", "RRULE:"+c.Recurrence.Rule)
	}
	outlook := url.Values{
		"path": {"/calendar/action/compose"}, "rru": {"addevent"}, "subject": {c.Summary}, "body": {c.Description}, "location": {c.Location},
		"startdt": {c.Start.UTC.UTC().Format(time.RFC3339)}, "enddt": {c.End.UTC.UTC().Format(time.RFC3339)},
	}
	if c.Start.AllDay {
		outlook.Set("allday", "true")
	}
	yahoo := url.Values{
		"v": {"60"}, "title": {c.Summary}, "desc": {c.Description}, "in_loc": {c.Location}, "st": {stamp(compact, c.Start)}, "et": {stamp(compact, c.End)},
	}
	return []Link{
		{"Google Calendar", "https://calendar.google.com/calendar/render?" + google.Encode()},
		{"Outlook", "https://outlook.live.com/calendar/0/deeplink/compose?" + outlook.Encode()},
		{"Yahoo", "https://calendar.yahoo.com/?" + yahoo.Encode()},
	}
}
