package api

import (
	"context"
	_ "embed" // unsubscribe.html
	"net/http"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/webpage"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
)

// ErrToken refuses a link that stands for nobody.
var ErrToken = &fault.Error{Kind: fault.NotFound, Code: "unsubscribe-unknown", Title: "this link is not complete: open it from the mail again"}

//go:embed unsubscribe.html
var unsubscribeHTML string

var unsubscribePage = webpage.New(unsubscribeHTML)

// choice is what the page shows.
type choice struct {
	Organizer    string
	Unsubscribed bool
	Blocked      bool
	Suppressed   bool
	Done         bool // something was changed just now
}

// wish is whom a link stands for, and what they said so far.
type wish struct {
	person string
	event  event.State
	state  recipient.State
}

func (a *API) wish(ctx context.Context, r *http.Request) (w wish, err error) {
	uid, person, ok := a.Keys.OpenInvitationToken(forUnsubscribe, mux.Vars(r)["token"])
	if !ok {
		return w, ErrToken
	}
	w.person = person
	if w.event, err = a.Handler.Event(ctx, uid); err == nil {
		w.state, err = a.Handler.Recipient(ctx, person)
	}
	return w, err
}

func (a *API) showUnsubscribe(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := within(r)
	defer cancel()
	wish, err := a.wish(ctx, r)
	if err != nil {
		return err
	}
	return wish.show(w, false)
}

// actUnsubscribe does what a button says. The body List-Unsubscribe=One-Click is what mail programs post for their
// users (RFC 8058).
func (a *API) actUnsubscribe(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, cancel := within(r)
	defer cancel()
	wish, err := a.wish(ctx, r)
	if err != nil {
		return err
	}
	tenant := wish.event.Tenant
	meta := commands.From("unsubscribe", tenant, uuid.NewString(), 0)
	all := commands.Unsubscribe{Tenant: tenant, RecipientID: wish.person, By: "page"}
	one := commands.BlockOrganizer{Tenant: tenant, RecipientID: wish.person, OrganizerID: wish.event.OrganizerID, By: "page"}
	switch do := r.PostForm.Get("do"); {
	case r.PostForm.Get("List-Unsubscribe") == "One-Click":
		all.By = "one-click"
		_, err = a.Handler.ForRecipient(ctx, meta, all)
	case do == "all", do == "all-again":
		all.Undo = do == "all-again"
		_, err = a.Handler.ForRecipient(ctx, meta, all)
	case (do == "organizer" || do == "organizer-again") && wish.event.Exists:
		one.Undo = do == "organizer-again"
		_, err = a.Handler.ForRecipient(ctx, meta, one)
	default:
		return problem.ErrForm
	}
	if err != nil {
		return err
	}
	if wish.state, err = a.Handler.Recipient(ctx, wish.person); err != nil {
		return err
	}
	a.Log.Info("unsubscribe: changed", "recipient", wish.person, "unsubscribed", wish.state.Unsubscribed)
	return wish.show(w, true)
}

func (w wish) show(to http.ResponseWriter, done bool) error {
	c := choice{
		Organizer: w.event.OrganizerName, Unsubscribed: w.state.Unsubscribed, Blocked: w.state.Blocked[w.event.OrganizerID],
		Suppressed: w.state.Suppressed, Done: done,
	}
	if c.Organizer == "" {
		c.Organizer = "this organizer"
	}
	return unsubscribePage.Show(to, http.StatusOK, c)
}
