package commands

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/decider"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
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
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
)

// Log is what commands need of the log.
type Log interface {
	Load(ctx context.Context, stream string) ([]schema.Fact, eventstore.Revision, error)
	Append(ctx context.Context, stream string, expected eventstore.Revision, meta Meta, facts ...schema.Fact) (eventstore.Appended, error)
	Find(ctx context.Context, stream string, id uuid.UUID) (facts.Recorded, bool, error)
}

// Refusals of what a caller insists on.
var (
	// ErrMoved says that the stream is not at the revision the caller wants to change.
	ErrMoved = &fault.Error{Kind: fault.Conflict, Code: "revision-moved", Title: "somebody changed this meanwhile: read it again"}
	// ErrReused says that an idempotency key was used for something else.
	ErrReused = &fault.Error{Kind: fault.Conflict, Code: "idempotency-key-reused", Title: "this Idempotency-Key was used for another request"}
)

// Command is a decision that knows which stream it is about.
type Command[State, Fact any] interface {
	decider.Decision[State, Fact]
	Stream() string
}

// Handler carries out commands: load, fold, decide, append at the loaded revision. It is safe for concurrent use.
type Handler struct {
	log        Log
	limits     Limits
	events     cache[event.State]
	organizers cache[organizer.State]
	keys       cache[key.State]
	members    cache[member.State]
	tenants    cache[tenant.State]
	desk       desk
}

// NewHandler makes a handler over a log.
func NewHandler(log Log, limits Limits) *Handler { return &Handler{log: log, limits: limits} }

// Done is what a command led to.
type Done struct {
	Facts    int    // appended; 0: it was true already
	Position uint64 // in the log, of the last fact appended
	Revision eventstore.Revision
	Last     schema.Fact
}

// ForEvent carries out a command about an event. It fails with the domain's refusals.
func (h *Handler) ForEvent(ctx context.Context, meta Meta, c Command[event.State, event.Fact]) (Done, error) {
	defer h.events.forget(strings.TrimPrefix(c.Stream(), event.StreamPrefix))
	return handle(ctx, h, meta, event.Evolve, c)
}

// ForInvitation carries out a command about an invitation. Those that the handler knows more about have methods of
// their own: RequestInvite and RecordDelivery.
func (h *Handler) ForInvitation(ctx context.Context, meta Meta, c Command[invitation.State, invitation.Fact]) (Done, error) {
	return handle(ctx, h, meta, invitation.Evolve, c)
}

// ForNotice carries out a command about a notice.
func (h *Handler) ForNotice(ctx context.Context, meta Meta, c Command[notice.State, notice.Fact]) (Done, error) {
	return handle(ctx, h, meta, notice.Evolve, c)
}

// ForRecipient carries out a command about a recipient.
func (h *Handler) ForRecipient(ctx context.Context, meta Meta, c Command[recipient.State, recipient.Fact]) (Done, error) {
	return handle(ctx, h, meta, recipient.Evolve, c)
}

// ForLog carries out a command about the log itself.
func (h *Handler) ForLog(ctx context.Context, meta Meta, c Command[logbook.State, logbook.Fact]) (Done, error) {
	return handle(ctx, h, meta, logbook.Evolve, c)
}

// ForMail carries out a command about a received mail.
func (h *Handler) ForMail(ctx context.Context, meta Meta, c Command[mail.State, mail.Fact]) (Done, error) {
	return handle(ctx, h, meta, mail.Evolve, c)
}

// ForOrganizer carries out a command about an account.
func (h *Handler) ForOrganizer(ctx context.Context, meta Meta, c Command[organizer.State, organizer.Fact]) (Done, error) {
	defer h.organizers.forget(strings.TrimPrefix(c.Stream(), organizer.StreamPrefix))
	return handle(ctx, h, meta, organizer.Evolve, c)
}

// ForIdentity carries out a command about what an address speaks for.
func (h *Handler) ForIdentity(ctx context.Context, meta Meta, c Command[identity.State, identity.Fact]) (Done, error) {
	return handle(ctx, h, meta, identity.Evolve, c)
}

// ForTenant carries out a command about a tenant.
func (h *Handler) ForTenant(ctx context.Context, meta Meta, c Command[tenant.State, tenant.Fact]) (Done, error) {
	defer h.tenants.forget("")
	return handle(ctx, h, meta, tenant.Evolve, c)
}

// ForKey carries out a command about an API key.
func (h *Handler) ForKey(ctx context.Context, meta Meta, c Command[key.State, key.Fact]) (Done, error) {
	if _, used := c.(UseKey); !used { // which changes nothing about what the key is good for
		defer h.keys.forget(strings.TrimPrefix(c.Stream(), key.StreamPrefix))
	}
	return handle(ctx, h, meta, key.Evolve, c)
}

// ForMember carries out a command about somebody who signs in.
func (h *Handler) ForMember(ctx context.Context, meta Meta, c Command[member.State, member.Fact]) (Done, error) {
	defer h.members.forget(strings.TrimPrefix(c.Stream(), member.StreamPrefix))
	return handle(ctx, h, meta, member.Evolve, c)
}

// ForSignIn carries out a command about a link to sign in with.
func (h *Handler) ForSignIn(ctx context.Context, meta Meta, c Command[signin.State, signin.Fact]) (Done, error) {
	return handle(ctx, h, meta, signin.Evolve, c)
}

// SignIn returns a link to sign in with as it is now.
func (h *Handler) SignIn(ctx context.Context, id string) (signin.State, error) {
	seen, err := load(ctx, h.log, signin.Stream(id), signin.Evolve)
	return seen.State, err
}

// ForWebhook carries out a command about an endpoint.
func (h *Handler) ForWebhook(ctx context.Context, meta Meta, c Command[webhook.State, webhook.Fact]) (Done, error) {
	return handle(ctx, h, meta, webhook.Evolve, c)
}

// Webhook returns an endpoint as it is now.
func (h *Handler) Webhook(ctx context.Context, id string) (webhook.State, error) {
	seen, err := load(ctx, h.log, webhook.Stream(id), webhook.Evolve)
	return seen.State, err
}

// ForOrder carries out a command about an order and returns it as it is then.
func (h *Handler) ForOrder(ctx context.Context, meta Meta, c Command[order.State, order.Fact]) (order.State, error) {
	if _, err := handle(ctx, h, meta, order.Evolve, c); err != nil {
		return order.State{}, err
	}
	seen, err := load(ctx, h.log, c.Stream(), order.Evolve)
	return seen.State, err
}

// Order returns an order as it is now.
func (h *Handler) Order(ctx context.Context, id string) (order.State, error) {
	seen, err := load(ctx, h.log, order.Stream(id), order.Evolve)
	return seen.State, err
}

// ForBulk carries out a command about a table of people to invite.
func (h *Handler) ForBulk(ctx context.Context, meta Meta, c Command[bulk.State, bulk.Fact]) (Done, error) {
	return handle(ctx, h, meta, bulk.Evolve, c)
}

// RecordBlock carries out the command, starting from the table as the worker saw it, and returns it as it is then.
func (h *Handler) RecordBlock(ctx context.Context, meta Meta, c RecordBlock, seen Seen[bulk.State]) (Seen[bulk.State], error) {
	done, err := handleFrom(ctx, h, meta, bulk.Evolve, Command[bulk.State, bulk.Fact](c), seen)
	if err != nil || done.Revision != seen.Revision+1 { // somebody steered it meanwhile
		if err == nil {
			seen, err = h.SeenBulk(ctx, c.Done.BulkID)
		}
		return seen, err
	}
	return Seen[bulk.State]{State: bulk.Evolve(seen.State, c.Done), Revision: done.Revision}, nil
}

// SeenBulk returns a table as it is now, with the revision of its stream.
func (h *Handler) SeenBulk(ctx context.Context, id string) (Seen[bulk.State], error) {
	return load(ctx, h.log, bulk.Stream(id), bulk.Evolve)
}

// Bulk returns a table as it is now.
func (h *Handler) Bulk(ctx context.Context, id string) (bulk.State, error) {
	seen, err := load(ctx, h.log, bulk.Stream(id), bulk.Evolve)
	return seen.State, err
}

// Recipient returns what somebody wants none of, as it is now.
func (h *Handler) Recipient(ctx context.Context, id string) (recipient.State, error) {
	seen, err := load(ctx, h.log, recipient.Stream(id), recipient.Evolve)
	return seen.State, err
}

// Identity returns which organizers an address speaks for, as it is now.
func (h *Handler) Identity(ctx context.Context, addressID string) (identity.State, error) {
	seen, err := load(ctx, h.log, identity.Stream(addressID), identity.Evolve)
	return seen.State, err
}

// Mail returns a mail as it is now, with the revision of its stream.
func (h *Handler) Mail(ctx context.Context, id string) (Seen[mail.State], error) {
	return load(ctx, h.log, mail.Stream(id), mail.Evolve)
}

// RecordDelivery carries out the command, starting from the invitation as the courier saw it.
func (h *Handler) RecordDelivery(ctx context.Context, meta Meta, c RecordDelivery, seen Invitation) (Done, error) {
	return handleFrom(ctx, h, meta, invitation.Evolve, Command[invitation.State, invitation.Fact](c), seen)
}

// Seen is a state with the revision of the stream it was folded from.
type Seen[State any] struct {
	State    State
	Revision eventstore.Revision
}

// Invitation is an invitation as somebody saw it.
type Invitation = Seen[invitation.State]

// Invitation returns an invitation as it is now.
func (h *Handler) Invitation(ctx context.Context, uid, attendeeID string) (Invitation, error) {
	return load(ctx, h.log, invitation.Stream(uid, attendeeID), invitation.Evolve)
}

// maxAttempts bounds how often a lost race is run again.
const maxAttempts = 30

// handle loads the command's stream and carries the command out.
func handle[S any, F schema.Fact](ctx context.Context, h *Handler, meta Meta, evolve func(S, F) S, c Command[S, F]) (Done, error) {
	seen, err := load(ctx, h.log, c.Stream(), evolve)
	if err != nil {
		return Done{}, err
	}
	if meta.If != nil && (seen.Revision < 0 || uint64(seen.Revision) != *meta.If) {
		return Done{}, ErrMoved
	}
	return handleFrom(ctx, h, meta, evolve, c, seen)
}

// before finds what the same call led to when it came before.
func (h *Handler) before(ctx context.Context, meta Meta, stream string) (Done, bool, error) {
	if meta.Request == "" {
		return Done{}, false, nil
	}
	rec, found, err := h.log.Find(ctx, stream, meta.FactID(0))
	if err != nil || !found {
		return Done{}, false, err
	}
	if was, err := rec.Meta(); err != nil || was.Request != meta.Request {
		return Done{}, false, errors.Join(err, ErrReused)
	}
	return Done{Facts: 1, Position: rec.Position, Revision: eventstore.Revision(rec.Revision), Last: rec.Fact}, true, nil
}

// handleFrom is the one loop: decide, append where the state was seen; whoever loses the race for that revision looks
// again and decides anew.
func handleFrom[S any, F schema.Fact](ctx context.Context, h *Handler, meta Meta, evolve func(S, F) S, c Command[S, F], seen Seen[S]) (Done, error) {
	for attempt := 1; ; attempt++ {
		if done, again, err := h.before(ctx, meta, c.Stream()); err != nil || again {
			return done, err
		}
		decided, err := c.Decide(seen.State)
		if err != nil || len(decided) == 0 {
			return Done{}, err
		}
		list := make([]schema.Fact, len(decided))
		for i, f := range decided {
			list[i] = f
		}
		res, err := h.log.Append(ctx, c.Stream(), seen.Revision, meta, list...)
		if err == nil {
			return Done{Facts: len(list), Position: res.Position, Revision: eventstore.Revision(res.Revision), Last: list[len(list)-1]}, nil
		}
		if errors.Is(err, eventstore.ErrWrongRevision) && meta.If != nil {
			return Done{}, ErrMoved
		}
		if !errors.Is(err, eventstore.ErrWrongRevision) || attempt == maxAttempts {
			return Done{}, fmt.Errorf("%T: %w", c, err)
		}
		select {
		case <-time.After(rand.N(time.Duration(attempt) * time.Millisecond)):
		case <-ctx.Done():
			return Done{}, ctx.Err()
		}
		if seen, err = load(ctx, h.log, c.Stream(), evolve); err != nil {
			return Done{}, err
		}
	}
}

// load folds a stream.
func load[S any, F schema.Fact](ctx context.Context, log Log, stream string, evolve func(S, F) S) (Seen[S], error) {
	var seen Seen[S]
	list, revision, err := log.Load(ctx, stream)
	if err != nil {
		return seen, fmt.Errorf("loading %s: %w", stream, err)
	}
	for _, f := range list {
		fact, ok := f.(F)
		if !ok {
			return seen, fmt.Errorf("loading %s: a %s does not belong there", stream, f.FactName())
		}
		seen.State = decider.Fold(seen.State, evolve, fact)
	}
	seen.Revision = revision
	return seen, nil
}

// Notice returns a notice as it is now: asked for, sent, refused.
func (h *Handler) Notice(ctx context.Context, ref notice.Ref) (notice.State, error) {
	seen, err := load(ctx, h.log, ref.Stream(), notice.Evolve)
	return seen.State, err
}
