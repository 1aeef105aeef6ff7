package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
)

// ErrNothing says that the log holds nothing about something.
var ErrNothing = &fault.Error{Kind: fault.NotFound, Code: "history-empty", Title: "the log holds nothing about this"}

// ErrQuery says that nothing was asked.
var ErrQuery = &fault.Error{Kind: fault.Invalid, Code: "history-query", Title: "say what to look for: an id, a person, who did it, a type, or a time"}

// Query is what to tell about. Empty fields do not narrow.
type Query struct {
	Tenant       string
	ID           string // an event, an attendee as EVENT/PERSON, a person, an address, a mail, a table, a command, a stream
	Person       string // an address, or a person's id
	Actor, By    string // what kind of caller, and which
	Type         string // of facts
	Since, Until time.Time
	Sealed       bool // leave out what is personal
	Strict       bool // nothing but the tenant's, nor what is nobody's in particular
}

// Trail is what happened, in the order of the log.
type Trail struct {
	Kind    string  `json:"kind"` // what the id is of: event, attendee, person, mail, command, stream; search
	ID      string  `json:"id,omitempty"`
	Entries []Entry `json:"entries"`
}

// Entry is a fact with what led to it.
type Entry struct {
	Position    uint64          `json:"position"`
	At          time.Time       `json:"at"`
	Stream      string          `json:"stream"`
	Revision    uint64          `json:"revision"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Words       string          `json:"words"`
	Actor       string          `json:"actor,omitempty"`
	By          string          `json:"by,omitempty"`
	Command     string          `json:"command,omitempty"`
	Correlation string          `json:"correlation,omitempty"` // the mail or call it all began with
	Causation   string          `json:"causation,omitempty"`
	Data        json.RawMessage `json:"data"`
}

// Teller tells from a log.
type Teller struct {
	Log      *facts.Log
	Keys     secret.Keys
	Progress func(records int64)
}

var (
	uids     = regexp.MustCompile(`^[0-9a-f]{40}$`)
	ids      = regexp.MustCompile(`^[0-9a-f]{32}$`)
	record   = regexp.MustCompile(`^[a-z]+(-\S+)?@[0-9]+$`) // no address has such a domain
	commands = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// look is a query made concrete.
type look struct {
	Query
	kind    string
	needles [][]byte // what stream, data or metadata must hold one of; none: anything
	stream  string   // the only one
}

// Tell tells all that the log holds about something. It goes through the log once, or twice for a mail that changed an
// event, and opens only what it tells.
func (t Teller) Tell(ctx context.Context, q Query) (Trail, error) {
	l, err := t.recognise(ctx, q)
	if err != nil {
		return Trail{}, err
	}
	found := map[uint64]eventstore.Recorded{}
	if err := t.scan(ctx, func(r eventstore.Recorded) bool { return l.about(r) }, found); err != nil {
		return Trail{}, err
	}
	if l.kind != "search" {
		if err := t.causes(ctx, found); err != nil {
			return Trail{}, err
		}
	}
	if l.kind == "mail" {
		if err := t.effects(ctx, found); err != nil {
			return Trail{}, err
		}
	}
	trail := Trail{Kind: l.kind, ID: q.ID, Entries: []Entry{}}
	for _, r := range found {
		e, err := t.entry(ctx, r, q)
		if err != nil {
			return trail, err
		}
		if e != nil {
			trail.Entries = append(trail.Entries, *e)
		}
	}
	slices.SortFunc(trail.Entries, func(a, b Entry) int { return cmp.Compare(a.Position, b.Position) })
	if len(trail.Entries) == 0 {
		return trail, ErrNothing.With(cmp.Or(q.ID, q.Person))
	}
	return trail, nil
}

// Subject names what a query is about without an address in it.
func (t Teller) Subject(q Query) string {
	text := cmp.Or(q.ID, q.Person)
	uid, attendee, two := strings.Cut(text, "/")
	switch {
	case two && uids.MatchString(uid) && address.Valid(attendee):
		return uid + "/" + t.Keys.PersonID(q.Tenant, attendee)
	case address.Valid(text):
		return t.Keys.PersonID(q.Tenant, text)
	}
	return text
}

// recognise finds out what an id is of.
func (t Teller) recognise(ctx context.Context, q Query) (l look, err error) {
	l.Query = q
	person := func(text string) string {
		if address.Valid(text) {
			return t.Keys.PersonID(q.Tenant, text)
		}
		return text
	}
	if q.Person != "" {
		l.needles = [][]byte{[]byte(person(q.Person))}
	}
	id := strings.TrimSpace(q.ID)
	uid, attendee, two := strings.Cut(id, "/")
	switch {
	case id == "" && q.Person+q.Actor+q.By+q.Type == "" && q.Since.IsZero() && q.Until.IsZero():
		return l, ErrQuery
	case id == "":
		l.kind = "search"
	case record.MatchString(id):
		l.kind = "stream"
		l.stream, _, _ = strings.Cut(id, "@")
	case uids.MatchString(id):
		l.kind, l.needles = "event", [][]byte{[]byte(id)}
	case two && uids.MatchString(uid):
		l.kind, l.stream = "attendee", invitation.Stream(uid, person(attendee))
	case address.Valid(id):
		l.kind, l.needles = "person", [][]byte{[]byte(person(id))}
	case commands.MatchString(id):
		l.kind, l.needles = "command", [][]byte{[]byte(id)}
	case ids.MatchString(id):
		l.kind, l.needles = "person", [][]byte{[]byte(id)}
		if _, err := t.Log.Store().ReadLast(ctx, mail.Stream(id)); err == nil {
			l.kind = "mail"
		}
	default:
		l.kind, l.stream = "stream", id
	}
	return l, nil
}

// about says whether a record is about it, as it is stored.
func (l look) about(r eventstore.Recorded) bool {
	switch {
	case l.stream != "" && r.Stream != l.stream,
		l.Type != "" && r.Type != l.Type,
		!l.Since.IsZero() && r.Created.Before(l.Since),
		!l.Until.IsZero() && !r.Created.Before(l.Until),
		l.Actor != "" && !bytes.Contains(r.Metadata, []byte(l.Actor)), l.By != "" && !bytes.Contains(r.Metadata, []byte(l.By)): // exactly, when it is read
		return false
	case len(l.needles) == 0:
		return true
	}
	return slices.ContainsFunc(l.needles, func(n []byte) bool {
		return strings.Contains(r.Stream, string(n)) || bytes.Contains(r.Data, n) || bytes.Contains(r.Metadata, n)
	})
}

func (t Teller) scan(ctx context.Context, wanted func(eventstore.Recorded) bool, found map[uint64]eventstore.Recorded) error {
	n := int64(0)
	return t.Log.Store().Scan(ctx, facts.FactStreams(), func(page []eventstore.Recorded) error {
		for _, r := range page {
			if wanted(r) {
				found[r.Position] = r
			}
		}
		n += int64(len(page))
		t.Progress(n)
		return nil
	})
}

// causes adds the facts about the mails that everything began with.
func (t Teller) causes(ctx context.Context, found map[uint64]eventstore.Recorded) error {
	mails := map[string]bool{}
	for _, r := range found {
		var m facts.Meta
		if json.Unmarshal(r.Metadata, &m) == nil && ids.MatchString(m.Correlation) {
			mails[m.Correlation] = true
		}
	}
	for id := range mails {
		if err := t.add(ctx, mail.Stream(id), found); err != nil {
			return err
		}
	}
	return nil
}

// add adds a stream's records, if there is such a stream.
func (t Teller) add(ctx context.Context, stream string, found map[uint64]eventstore.Recorded) error {
	list, err := facts.History{Log: t.Log}.Records(ctx, stream)
	for _, r := range list {
		found[r.Position] = r
	}
	return err
}

// effects adds what was sent because of a mail: about invitations, what was sent after each of its facts there; about an
// event's changes, to everybody who was told.
func (t Teller) effects(ctx context.Context, found map[uint64]eventstore.Recorded) error {
	type change struct {
		uid      string
		revision int
	}
	changes := map[change]bool{}
	first := map[string]uint64{} // invitation streams, from which position
	for _, r := range found {
		rec, err := facts.Decode(r)
		if err != nil {
			continue // told as it is stored
		}
		if _, ours := rec.Fact.(invitation.Fact); ours {
			if at, ok := first[r.Stream]; !ok || r.Position < at {
				first[r.Stream] = r.Position
			}
		}
		if uid, revision := revised(rec.Fact); revision > 1 {
			changes[change{uid, revision}] = true
		}
	}
	for stream, from := range first {
		list, err := facts.History{Log: t.Log}.Records(ctx, stream)
		if err != nil {
			return err
		}
		for _, r := range list {
			if _, sent := delivered(r); sent && r.Position > from {
				found[r.Position] = r
			}
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return t.scan(ctx, func(r eventstore.Recorded) bool {
		if !strings.HasPrefix(r.Stream, invitation.StreamPrefix) {
			return false
		}
		revision, sent := delivered(r)
		uid, _, _ := strings.Cut(strings.TrimPrefix(r.Stream, invitation.StreamPrefix), ".")
		return sent && changes[change{uid, revision}]
	}, found)
}

// revised is which content a fact gave an event.
func revised(f any) (uid string, revision int) {
	switch f := f.(type) {
	case event.EventUpdated:
		return f.UID, f.Revision
	case event.EventCancelled:
		return f.UID, f.Revision
	case event.EventReinstated:
		return f.UID, f.Revision
	case event.InstanceUpdated:
		return f.UID, f.Revision
	case event.InstanceCancelled:
		return f.UID, f.Revision
	case event.ChangeUndone:
		return f.UID, f.Revision
	}
	return "", 0
}

// delivered says whether a record is about a mail that was handed over, or refused, and which content it told.
func delivered(r eventstore.Recorded) (revision int, yes bool) {
	switch r.Type { // read by name: of every other record nothing is decoded
	case invitation.InviteSent{}.FactName(), invitation.UpdateSent{}.FactName(), invitation.CancellationSent{}.FactName(), invitation.DeliveryFailed{}.FactName():
		var f struct {
			Revision int `json:"revision"`
		}
		err := json.Unmarshal(r.Data, &f)
		return f.Revision, err == nil
	}
	return 0, false
}

// entry shapes a record; nil if it is not wanted.
func (t Teller) entry(ctx context.Context, r eventstore.Recorded, q Query) (*Entry, error) {
	rec, unreadable := facts.Decode(r)
	if unreadable != nil && q.Strict {
		return nil, nil // whose it is cannot be told
	}
	if unreadable != nil {
		return &Entry{
			Position: r.Position, At: r.Created.UTC(), Stream: r.Stream, Revision: r.Revision, ID: r.ID.String(), Type: r.Type, Words: "this program cannot read it: " + unreadable.Error(), Data: asJSON(r.Data),
		}, nil
	}
	meta, err := rec.Meta()
	if err != nil {
		return nil, err
	}
	if q.Actor != "" && meta.Actor != q.Actor || q.By != "" && meta.By != q.By || q.Tenant != "" && meta.Tenant != q.Tenant && (meta.Tenant != "" || q.Strict) {
		return nil, nil
	}
	if q.Sealed {
		rec.Fact = facts.Masked(rec.Fact)
	} else if rec.Fact, err = t.Log.Open(ctx, rec); err != nil {
		return nil, err
	}
	data, err := facts.Shown(rec.Fact)
	if err != nil {
		return nil, err
	}
	e := &Entry{
		Position: r.Position, At: r.Created.UTC(), Stream: r.Stream, Revision: r.Revision, ID: r.ID.String(), Type: rec.Fact.FactName(), Words: words(rec.Fact), Actor: meta.Actor, By: meta.By,
		Correlation: meta.Correlation, Causation: meta.Causation, Data: data,
	}
	if meta.Command != uuid.Nil {
		e.Command = meta.Command.String()
	}
	return e, nil
}

// asJSON is data as it is stored, if it is JSON.
func asJSON(data []byte) json.RawMessage {
	if json.Valid(data) {
		return data
	}
	quoted, _ := json.Marshal(data) // base64
	return quoted
}

// String is a line of a trail.
func (e Entry) String() string {
	cause := e.Actor
	if e.By != "" {
		cause += " " + e.By
	}
	if ids.MatchString(e.Correlation) && !strings.HasSuffix(e.Stream, e.Correlation) {
		cause += ", mail " + e.Correlation
	}
	if cause != "" {
		cause = "  [" + cause + "]"
	}
	return fmt.Sprintf("%s  %s@%d  %s: %s%s", e.At.Format("2006-01-02 15:04:05.000"), e.Stream, e.Revision, e.Type, e.Words, cause)
}
