// Package facts is the log as the rest of the program sees it: typed facts instead of records, personal data sealed on
// the way in and opened on the way out.
//
// A struct field marked pii:"Field" holds personal data of the person (or raw mail) whose id stands in the sibling
// field named; it is stored sealed under that id's key in the vault, bound to the record it stands in. Where the key
// was destroyed the field reads as empty.
//
// Start reading at [Log].
package facts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/disclosure"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/order"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/signin"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/vault"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/google/uuid"
)

// aggregates are whose facts the log holds, and how the names of their streams begin. The bytes of messages are no facts.
var aggregates = []struct {
	schema schema.Registry
	stream string
}{
	{event.Schema, event.StreamPrefix},
	{invitation.Schema, invitation.StreamPrefix},
	{mail.Schema, mail.StreamPrefix},
	{notice.Schema, notice.StreamPrefix},
	{recipient.Schema, recipient.StreamPrefix},
	{organizer.Schema, organizer.StreamPrefix},
	{identity.Schema, identity.StreamPrefix},
	{order.Schema, order.StreamPrefix},
	{bulk.Schema, bulk.StreamPrefix},
	{logbook.Schema, logbook.Stream},
	{tenant.Schema, tenant.Stream},
	{key.Schema, key.StreamPrefix},
	{member.Schema, member.StreamPrefix},
	{signin.Schema, signin.StreamPrefix},
	{webhook.Schema, webhook.StreamPrefix},
	{disclosure.Schema, disclosure.StreamPrefix},
}

// Registry knows every fact of the domain.
var Registry = func() schema.Registry {
	var all []schema.Registry
	for _, a := range aggregates {
		all = append(all, a.schema)
	}
	// The reader that becomes the standard library's, with the meaning of today's: a rebuild reads a million facts.
	return schema.Join(all...).ReadWith(func(data []byte, v any) error { return jsonv1.Unmarshal(data, v) })
}()

// prefixes are how the names of all streams of facts begin.
var prefixes = func() (all []string) {
	for _, a := range aggregates {
		all = append(all, a.stream)
	}
	return all
}()

// Named returns the zero value of the fact with a name, and how the names of the streams begin that hold it.
func Named(name string) (fact schema.Fact, stream string, ok bool) {
	for _, a := range aggregates {
		if fact, ok := a.schema.Zero(name); ok {
			return fact, a.stream, true
		}
	}
	return nil, "", false
}

// FactStreams are how the names of all streams of facts begin.
func FactStreams() []string { return slices.Clone(prefixes) }

// Streams are how the names of all streams begin that the log's records are in: those of facts, and those of the bytes of
// messages.
func Streams() []string { return append(slices.Clone(prefixes), mail.RawStreamPrefix) }

// StoredNames lists the names under which facts stand in logs: the given ones, or, without any, all that streams with the
// given prefixes may hold.
func StoredNames(given []schema.Fact, streams []string) (names []string) {
	for _, f := range given {
		names = append(names, Registry.Stored(f.FactName())...)
	}
	if len(given) > 0 {
		return names
	}
	for _, a := range aggregates {
		if slices.Contains(streams, a.stream) {
			for _, name := range a.schema.Names() {
				names = append(names, Registry.Stored(name)...)
			}
		}
	}
	return names
}

// Meta is what is stored beside every fact: who caused it and what it belongs to.
type Meta struct {
	Tenant      string    `json:"tenant,omitempty"`
	Command     uuid.UUID `json:"command"`               // the command that led to it
	Correlation string    `json:"correlation,omitempty"` // everything that started with the same mail or call
	Causation   string    `json:"causation,omitempty"`   // what directly led to the command
	Actor       string    `json:"actor,omitempty"`       // what kind of caller: mail, api, courier
	By          string    `json:"by,omitempty"`          // which of them: key:ID, member:PERSON; nobody's address
	Request     string    `json:"request,omitempty"`     // fingerprint of the call's body, if it may come again

	If *uint64 `json:"-"` // the revision the stream must be at, if the caller insists on one
}

// FactID is the id of a command's n-th fact: the same command, carried out again, proposes the same ids.
func (m Meta) FactID(n int) uuid.UUID { return uuid.NewSHA1(m.Command, fmt.Appendf(nil, "%d", n)) }

// Recorded is a fact with where it stands in the log.
type Recorded struct {
	ID       uuid.UUID
	Stream   string
	Revision uint64
	Position uint64
	Created  time.Time
	Fact     schema.Fact // personal data still sealed; see [Log.Open]
	meta     []byte
}

// Meta reads what is stored beside the fact; few readers want it.
func (r Recorded) Meta() (Meta, error) {
	var m Meta
	if len(r.meta) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(r.meta, &m); err != nil {
		return m, fmt.Errorf("%s@%d: metadata: %w", r.Stream, r.Revision, err)
	}
	return m, nil
}

// Log reads and writes facts.
type Log struct {
	store *eventstore.Client
	vault *vault.Vault
}

// NewLog puts facts on top of a store and a vault.
func NewLog(store *eventstore.Client, vault *vault.Vault) *Log {
	return &Log{store: store, vault: vault}
}

// Store is the store below.
func (l *Log) Store() *eventstore.Client { return l.store }

// Vault is the vault below.
func (l *Log) Vault() *vault.Vault { return l.vault }

// Append stores facts if the stream is at the expected revision. It fails with [eventstore.ErrWrongRevision]. It
// returns the revision and position of the last fact.
func (l *Log) Append(ctx context.Context, stream string, expected eventstore.Revision, meta Meta, list ...schema.Fact) (eventstore.Appended, error) {
	rawMeta, err := json.Marshal(meta)
	if err != nil {
		return eventstore.Appended{}, err
	}
	records := make([]eventstore.Proposed, len(list))
	for i, f := range list {
		id := meta.FactID(i)
		sealed, err := l.seal(ctx, id, f)
		if err != nil {
			return eventstore.Appended{}, fmt.Errorf("sealing a %s: %w", f.FactName(), err)
		}
		data, err := json.Marshal(sealed)
		if err != nil {
			return eventstore.Appended{}, fmt.Errorf("writing a %s: %w", f.FactName(), err)
		}
		records[i] = eventstore.Proposed{ID: id, Type: f.FactName(), Data: cleanJSON(data), Metadata: rawMeta}
	}
	return l.store.Append(ctx, stream, expected, records...)
}

// Load returns a stream's facts, opened, and its last revision ([eventstore.NoStream] if there is none).
func (l *Log) Load(ctx context.Context, stream string) ([]schema.Fact, eventstore.Revision, error) {
	records, err := l.store.ReadStream(ctx, stream, 0)
	if isNotFound(err) {
		return nil, eventstore.NoStream, nil
	}
	if err != nil {
		return nil, 0, err
	}
	out := make([]schema.Fact, 0, len(records))
	last := eventstore.NoStream
	for _, r := range records {
		rec, err := Decode(r)
		if err != nil {
			return nil, 0, err
		}
		opened, err := l.Open(ctx, rec)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, opened)
		last = eventstore.Revision(r.Revision)
	}
	return out, last, nil
}

// Find looks for a fact of a stream by its id.
func (l *Log) Find(ctx context.Context, stream string, id uuid.UUID) (rec Recorded, found bool, err error) {
	records, err := l.store.ReadStream(ctx, stream, 0)
	if isNotFound(err) {
		return rec, false, nil
	}
	for _, r := range records {
		if r.ID == id {
			rec, err = Decode(r)
			return rec, err == nil, err
		}
	}
	return rec, false, err
}

// Decode reads a record without opening what is sealed in it. It fails with [schema.ErrUnknownName].
func Decode(r eventstore.Recorded) (Recorded, error) {
	fact, err := Registry.Decode(r.Type, cleanJSON(r.Data))
	if err != nil {
		return Recorded{}, fmt.Errorf("%s@%d: %w", r.Stream, r.Revision, err)
	}
	return Recorded{ID: r.ID, Stream: r.Stream, Revision: r.Revision, Position: r.Position, Created: r.Created, Fact: fact, meta: r.Metadata}, nil
}
