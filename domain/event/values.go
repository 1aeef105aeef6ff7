package event

import (
	"strings"
	"time"
)

// Moment is a point of a meeting: wall time and zone as the organizer wrote them, and the instant they meant when they
// were written. The zone's rules may change later; the wall time is what people agreed on.
type Moment struct {
	Local  string    `json:"local"`             // 2026-12-01T10:00:00, or 2026-12-01 for a whole day
	TZID   string    `json:"tzid,omitempty"`    // IANA name; empty: UTC, or floating for a whole day
	AllDay bool      `json:"all_day,omitempty"` // a date, RFC 5545 §3.3.4
	UTC    time.Time `json:"utc"`
}

// Equal says whether both name the same wall time in the same zone.
func (m Moment) Equal(o Moment) bool {
	return m.Local == o.Local && m.TZID == o.TZID && m.AllDay == o.AllDay && m.UTC.Equal(o.UTC)
}

// IsZero says that there is no moment.
func (m Moment) IsZero() bool { return m.Local == "" }

// Content is what attendees are told about an event.
type Content struct {
	Summary     string     `json:"summary,omitempty"`
	Description string     `json:"description,omitempty"`
	Location    string     `json:"location,omitempty"`
	Start       Moment     `json:"start"`
	End         Moment     `json:"end"` // exclusive
	Recurrence  Recurrence `json:"recurrence,omitzero"`
}

// Equal says whether attendees would see no difference.
func (c Content) Equal(o Content) bool {
	return c.Summary == o.Summary && c.Description == o.Description && c.Location == o.Location && c.SameTime(o)
}

// SameTime says whether the event takes place when it did.
func (c Content) SameTime(o Content) bool {
	return c.Start.Equal(o.Start) && c.End.Equal(o.End) && c.Recurrence.Equal(o.Recurrence)
}

// Material says whether going from c to o is a change of time, rule or place, the only ones that raise SEQUENCE
// (RFC 5546 §2.1.4 as clients understand it: every raise asks everybody again).
func (c Content) Material(o Content) bool { return !c.SameTime(o) || c.Location != o.Location }

// Source is where an event comes from and which of its versions: what the organizer's own calendar calls it.
type Source struct {
	UID      string   `json:"uid"`
	Revision Revision `json:"revision"`
	ProdID   string   `json:"prodid,omitempty"`
}

// Status is where an event is in its life.
type Status string

const (
	// Confirmed events take place.
	Confirmed Status = "confirmed"
	// Cancelled events do not, though a newer request brings them back.
	Cancelled Status = "cancelled"
)

// Crashers says how an answer of somebody who was never invited is taken: an invitation was forwarded to them.
type Crashers string

const (
	// CrashersAdd makes them attendees; the default, and what the empty value means.
	CrashersAdd Crashers = "add"
	// CrashersHold keeps the answer for somebody to decide.
	CrashersHold Crashers = "hold"
	// CrashersCancel takes the event out of their calendar again.
	CrashersCancel Crashers = "cancel"
)

// ValidUID says whether s has the published shape of a server UID, [a-z0-9]{40}.
func ValidUID(s string) bool {
	return len(s) == 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// StreamPrefix starts the names of streams of events.
const StreamPrefix = "event-"

// Stream is the name of an event's stream.
func Stream(uid string) string { return StreamPrefix + uid }
