package event

import "time"

// Recurrence says how a series repeats (RFC 5545 §3.8.5). The zero Recurrence is a single event.
type Recurrence struct {
	Rule    string   `json:"rule,omitempty"`    // RRULE's value, normalised
	Dates   []Moment `json:"dates,omitempty"`   // RDATE: further starts
	Without []Moment `json:"without,omitempty"` // EXDATE: starts that are left out
}

// IsZero says that the event does not repeat.
func (r Recurrence) IsZero() bool { return r.Rule == "" && len(r.Dates) == 0 }

// Equal says whether both repeat in the same way.
func (r Recurrence) Equal(o Recurrence) bool {
	return r.Rule == o.Rule && equalMoments(r.Dates, o.Dates) && equalMoments(r.Without, o.Without)
}

func equalMoments(a, b []Moment) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// InstanceID names one instance of a series by its original start, in UTC: 20261204T090000Z, or 20261204 for a whole
// day. Clients write RECURRENCE-ID in their own zones; only instants can be compared (RFC 5545 §3.8.4.4).
type InstanceID string

// Instance is the id of the instance that originally starts at m.
func (m Moment) Instance() InstanceID {
	switch {
	case m.IsZero():
		return ""
	case m.AllDay:
		return InstanceID(m.UTC.Format("20060102"))
	default:
		return InstanceID(m.UTC.UTC().Format("20060102T150405Z"))
	}
}

// Time is the original start the id stands for; ok is false if it stands for none.
func (id InstanceID) Time() (t time.Time, allDay, ok bool) {
	if t, err := time.Parse("20060102", string(id)); err == nil {
		return t, true, true
	}
	t, err := time.Parse("20060102T150405Z", string(id))
	return t, false, err == nil
}
