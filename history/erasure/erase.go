package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrUnknown says that there is nothing to erase.
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "person-unknown", Title: "nothing is kept about this address"}
	// ErrNeeded says that somebody cannot be erased yet.
	ErrNeeded = &fault.Error{Kind: fault.Conflict, Code: "person-needed", Title: "this person cannot be erased yet"}
)

// Eraser erases people.
type Eraser struct {
	Facts   *facts.Log
	Keys    secret.Keys
	Handler *commands.Handler
	Pool    *pgxpool.Pool
	Keeper  *projector.Keeper
	Private bool   // the database is ours alone: its files are cleaned, too
	Outbox  string // the Maildir that mails go into where there is no relay

	// Tell hears what is being done.
	Tell func(projector.JobProgress)
}

// Request is who is to be erased.
type Request struct {
	Tenant, Address string
	Names           bool // also mails that say their full name, but not their address
	Look            bool // only say what there is: nothing is changed
	By              string
}

// Certificate says what was done. It names nobody: the id is one that only the installation's secret makes of an address.
type Certificate struct {
	Person      string    `json:"person"` // id
	Tenant      string    `json:"tenant"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	Log         uint64    `json:"log"`           // position the log had when all of it was looked through afterwards
	Keys        int       `json:"keys"`          // destroyed, of the person and of mails
	Mails       []string  `json:"mails"`         // received mails that named them; their content is gone
	MailsByName []string  `json:"mails_by_name"` // that say their full name but not their address; kept unless asked for
	Dropped     []string  `json:"dropped"`       // tables of generations that did not serve
	Database    []string  `json:"database"`      // what was done there
	Outbox      int       `json:"outbox"`        // mails deleted from the outbox
	Remaining   []Mention `json:"remaining"`     // facts about others that mention the address
	Endpoints   []string  `json:"endpoints"`     // webhooks that were sent facts, whose owners may keep them
	ToDo        []string  `json:"to_do"`         // what the operator must still do
}

// Mention is a field of a fact.
type Mention struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
	Fact     string `json:"fact"`
	Field    string `json:"field"`
}

// Digest is the SHA-256 of the certificate, as it stands in the log.
func (c Certificate) Digest() string {
	sum := sha256.Sum256(c.Bytes())
	return hex.EncodeToString(sum[:])
}

// Bytes are the certificate as it is given away; its digest is in the log.
func (c Certificate) Bytes() []byte {
	out, _ := json.MarshalIndent(c, "", "  ") // of strings and numbers: never fails
	return append(out, '\n')
}

// Erase erases somebody. Asking again finishes what was interrupted, and erases what came in since.
func (e Eraser) Erase(ctx context.Context, r Request) (c Certificate, err error) {
	if !address.Valid(r.Address) {
		return c, invitation.ErrAddress.With(r.Address)
	}
	c = Certificate{Person: e.Keys.PersonID(r.Tenant, r.Address), Tenant: r.Tenant, By: r.By}
	if err := e.unneeded(ctx, c); err != nil {
		return c, err
	}
	found, err := e.search(ctx, r, c.Person)
	if err != nil {
		return c, err
	}
	c.Mails, c.MailsByName = found.mails, found.byName
	state, err := e.Handler.Recipient(ctx, c.Person)
	if err != nil {
		return c, err
	}
	known, err := e.Facts.Vault().Has(c.Person)
	switch {
	case err != nil:
		return c, err
	case !known && len(c.Mails) == 0 && !state.Erased:
		return c, ErrUnknown
	case len(found.pending) > 0:
		return c, ErrNeeded.With(strings.Join(found.pending, "; "))
	}
	if r.Look {
		return c, nil
	}
	position, err := e.decide(ctx, r, c)
	if err != nil {
		return c, err
	}
	e.tell("destroying keys")
	if c.Keys, err = e.Facts.Vault().Destroy(ctx, append([]string{c.Person}, c.Mails...)...); err != nil {
		return c, err
	}
	if err := e.Facts.Vault().Scrub(ctx); err != nil {
		return c, err
	}
	select { // until no process can write down anything it read before
	case <-time.After(vault.Forgotten):
	case <-ctx.Done():
		return c, ctx.Err()
	}
	if err := e.database(ctx, &c, position); err != nil {
		return c, err
	}
	if c.Outbox, err = e.emptyOutbox(r.Address); err != nil {
		return c, err
	}
	if err := e.remaining(ctx, r, &c); err != nil {
		return c, err
	}
	c.At = time.Now().UTC().Truncate(time.Second)
	return c, e.certify(ctx, r, c)
}

func (e Eraser) tell(phase string) { e.Tell(projector.JobProgress{Phase: phase}) }

// decide has the log say it first, and returns where it does.
func (e Eraser) decide(ctx context.Context, r Request, c Certificate) (uint64, error) {
	meta := commands.From("operator", r.Tenant, uuid.NewString(), 0)
	done, err := e.Handler.ForRecipient(ctx, meta, commands.EraseRecipient{Tenant: r.Tenant, RecipientID: c.Person, Mails: c.Mails, By: r.By})
	if err != nil || done.Facts > 0 {
		return done.Position, err
	}
	list, err := facts.History{Log: e.Facts}.Stream(ctx, recipient.Stream(c.Person)) // it was said before
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].Position, nil
}

// Repeat destroys again what the log says was destroyed: after keys were brought back from a copy. It returns how many
// keys were there.
func Repeat(ctx context.Context, log *facts.Log) (keys int, err error) {
	var subjects []string
	_, err = facts.History{Log: log}.Each(ctx, func(rec facts.Recorded) error {
		if f, ok := rec.Fact.(recipient.RecipientErased); ok {
			subjects = append(append(subjects, f.RecipientID), f.Mails...)
		}
		return nil
	})
	if err != nil || len(subjects) == 0 {
		return 0, err
	}
	if keys, err = log.Vault().Destroy(ctx, slices.Compact(slices.Sorted(slices.Values(subjects)))...); err != nil {
		return 0, err
	}
	return keys, log.Vault().Scrub(ctx)
}

func (e Eraser) certify(ctx context.Context, r Request, c Certificate) error {
	_, err := e.Handler.ForRecipient(ctx, commands.From("operator", r.Tenant, uuid.NewString(), 0),
		commands.CertifyErasure{Tenant: r.Tenant, RecipientID: c.Person, SHA256: c.Digest()})
	if err != nil {
		return fmt.Errorf("everything is done but recording the certificate; ask again: %w", err)
	}
	return nil
}
