package api

import (
	"context"
	_ "embed" // unsubscribe.html
	"errors"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
)

// ErrToken refuses a link that stands for nobody.
var ErrToken = &fault.Error{Kind: fault.NotFound, Code: "unsubscribe-unknown", Title: "this link is not complete: open it from the mail again"}

// Unsubscribe serves the link in every mail to an attendee. Looking at it changes nothing; the buttons on the page, and
// the one mail programs show (RFC 8058), post.
type Unsubscribe struct {
	Handler *commands.Handler
	Keys    secret.Keys
	Tenant  string
	Log     *slog.Logger
}

// Register adds the routes.
func (u *Unsubscribe) Register(r *mux.Router) {
	r.Handle("/unsubscribe/{token}", problem.Handler(u.ask).With(u.Log)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/unsubscribe/{token}", problem.Handler(u.act).With(u.Log)).Methods(http.MethodPost)
}

//go:embed unsubscribe.html
var unsubscribeHTML string

var unsubscribePage = template.Must(template.New("").Parse(unsubscribeHTML))

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

func (u *Unsubscribe) wish(ctx context.Context, r *http.Request) (w wish, err error) {
	uid, person, ok := u.Keys.OpenInvitationToken("unsubscribe", mux.Vars(r)["token"])
	if !ok {
		return w, ErrToken
	}
	w.person = person
	if w.event, err = u.Handler.Event(ctx, uid); err == nil {
		w.state, err = u.Handler.Recipient(ctx, person)
	}
	return w, err
}

func (u *Unsubscribe) ask(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	wish, err := u.wish(ctx, r)
	if err != nil {
		return err
	}
	return show(w, wish, false)
}

// act does what a button says. The body List-Unsubscribe=One-Click is what mail programs post for their users.
func (u *Unsubscribe) act(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseMultipartForm(16 << 10); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return problem.ErrForm
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	wish, err := u.wish(ctx, r)
	if err != nil {
		return err
	}
	meta := commands.From("unsubscribe", u.Tenant, uuid.NewString(), 0)
	all := commands.Unsubscribe{Tenant: u.Tenant, RecipientID: wish.person, By: "page"}
	one := commands.BlockOrganizer{Tenant: u.Tenant, RecipientID: wish.person, OrganizerID: wish.event.OrganizerID, By: "page"}
	switch do := r.PostForm.Get("do"); {
	case r.PostForm.Get("List-Unsubscribe") == "One-Click":
		all.By = "one-click"
		_, err = u.Handler.ForRecipient(ctx, meta, all)
	case do == "all", do == "all-again":
		all.Undo = do == "all-again"
		_, err = u.Handler.ForRecipient(ctx, meta, all)
	case (do == "organizer" || do == "organizer-again") && wish.event.Exists:
		one.Undo = do == "organizer-again"
		_, err = u.Handler.ForRecipient(ctx, meta, one)
	default:
		return problem.ErrForm
	}
	if err != nil {
		return err
	}
	if wish.state, err = u.Handler.Recipient(ctx, wish.person); err != nil {
		return err
	}
	u.Log.Info("unsubscribe: changed", "recipient", wish.person, "unsubscribed", wish.state.Unsubscribed)
	return show(w, wish, true)
}

func show(w http.ResponseWriter, wish wish, done bool) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	c := choice{
		Organizer: wish.event.OrganizerName, Unsubscribed: wish.state.Unsubscribed, Blocked: wish.state.Blocked[wish.event.OrganizerID],
		Suppressed: wish.state.Suppressed, Done: done,
	}
	if c.Organizer == "" {
		c.Organizer = "this organizer"
	}
	return unsubscribePage.Execute(w, c)
}
