package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/signin"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/webpage"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
)

// signInLimits keep the pages from being a way to mail strangers or to guess codes.
type signInLimits struct {
	once    sync.Once
	clients httpapi.Buckets // requests of a client address
	mails   httpapi.Buckets // links to one mail address
	guesses httpapi.Buckets // codes tried by a client address
}

func (l *signInLimits) init() {
	l.once.Do(func() {
		l.clients.Rate, l.clients.Burst = 0.1, 20
		l.mails.Rate, l.mails.Burst = 1.0/600, 5
		l.guesses.Rate, l.guesses.Burst = 0.05, 10
	})
}

func allow(b *httpapi.Buckets, who string) bool {
	_, _, ok := b.Take(who, time.Now())
	return ok
}

// Register adds the pages.
func (g *Gate) Register(r *mux.Router) {
	g.limits.init()
	for _, page := range []struct {
		path, method string
		show         problem.Handler
	}{
		{"/sign-in", http.MethodGet, g.askSignIn}, {"/sign-in", http.MethodPost, g.sendLink},
		{"/s/{code}", http.MethodGet, g.showLink}, {"/s/{code}", http.MethodPost, g.useLink},
		{"/sign-out", http.MethodPost, g.signOut}, {"/account", http.MethodGet, g.account},
		{"/sign-in/oidc", http.MethodGet, g.beginOIDC}, {"/sign-in/oidc/callback", http.MethodGet, g.endOIDC},
	} {
		methods := []string{page.method}
		if page.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		r.Handle(page.path, page.show.With(g.Log)).Methods(methods...)
	}
}

var askPage = webpage.New(`{{define "title"}}Sign in{{end}}{{define "content"}}
<h1>Sign in</h1>
{{if .Sent}}<p role="status">If this address may sign in, a mail with a link is on its way to it. The link is good for a day, once.</p>
{{else}}<form method="post" action="/sign-in"><input type="hidden" name="tenant" value="{{.Tenant}}">
<label>Your mail address <input type="email" name="email" autocomplete="email" required></label>
<button>Send me a link</button></form>
{{if .OIDC}}<p><a href="/sign-in/oidc?tenant={{.Tenant}}">Sign in with your company's account</a></p>{{end}}{{end}}
{{end}}`)

type askView struct {
	Tenant string
	Sent   bool
	OIDC   bool
}

// tenantOf is for which tenant a page is: the default one, unless the address says another.
func tenantOf(s string) string {
	if s == "" {
		return tenant.Default
	}
	return s
}

func (g *Gate) askSignIn(w http.ResponseWriter, r *http.Request) error {
	code := tenantOf(r.URL.Query().Get("tenant"))
	if _, err := g.Handler.Tenant(r.Context(), code); err != nil {
		return err
	}
	return askPage.Show(w, http.StatusOK, askView{Tenant: code, OIDC: g.OIDC != nil})
}

// form reads a small form.
func form(w http.ResponseWriter, r *http.Request) error {
	if err := crossOrigin.Check(r); err != nil {
		return problem.ErrOrigin
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		return problem.ErrForm
	}
	return nil
}

// browserCookie knows the browser that asked for a link: in it nobody needs to say again whose the link is.
const browserCookie = "cis_browser"

// alphabet is what codes are made of: 32 characters that cannot be taken for each other.
const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

const codeLength = 6

func newCode() string {
	raw := make([]byte, codeLength)
	_, _ = rand.Read(raw) // never fails
	for i := range raw {
		raw[i] = alphabet[int(raw[i])%len(alphabet)]
	}
	return string(raw)
}

// sendLink mails a link to whoever may sign in, and says the same to everybody.
func (g *Gate) sendLink(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	if !allow(&g.limits.clients, httpapi.ClientIP(r, g.Proxies)) {
		return problem.ErrTooMany
	}
	code, addr := tenantOf(r.PostForm.Get("tenant")), strings.ToLower(strings.TrimSpace(r.PostForm.Get("email")))
	if _, err := g.Handler.Tenant(r.Context(), code); err != nil {
		return err
	}
	if !address.Valid(addr) {
		return problem.ErrForm.With("that is not a mail address")
	}
	browser := rand.Text()
	if err := g.link(r.Context(), code, addr, browser); err != nil {
		return err
	}
	http.SetCookie(w, g.cookie(browserCookie, browser, signin.Lifetime))
	return askPage.Show(w, http.StatusOK, askView{Tenant: code, Sent: true})
}

// link makes a link and asks for the mail with it, if the address belongs to somebody who may sign in.
func (g *Gate) link(ctx context.Context, code, addr, browser string) error {
	person := g.Keys.PersonID(code, addr)
	m, err := g.Handler.Member(ctx, person)
	if err != nil {
		return err
	}
	role, _, err := g.role(ctx, person, m)
	if err != nil || role == "" || !allow(&g.limits.mails, person) {
		return err
	}
	short := newCode()
	id := g.Keys.CodeID("sign-in", short)
	meta := g.meta(code)
	if _, err := g.Handler.ForSignIn(ctx, meta, commands.RequestSignIn{Requested: signin.SignInRequested{
		Tenant: code, SignInID: id, PersonID: person, Address: addr, Code: short, Browser: hash(browser), Expires: time.Now().UTC().Add(signin.Lifetime),
	}}); err != nil {
		return err
	}
	ref := notice.Ref{Tenant: code, NoticeID: g.Keys.NoticeID(code, string(notice.SignIn), id), Kind: notice.SignIn, EventUID: id, OrganizerID: person}
	_, err = g.Handler.ForNotice(ctx, commands.Aside(meta, "mail"), commands.RequestNotice{Ref: ref})
	return err
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

var linkPage = webpage.New(`{{define "title"}}Sign in{{end}}{{define "content"}}
<h1>Sign in</h1>
{{if .Wrong}}<p role="alert">That is not the address this link was sent to.</p>{{end}}
<form method="post">{{if not .Known}}<label>The mail address the link was sent to <input type="email" name="email" autocomplete="email" required></label>{{end}}
<button>Sign in</button></form>
{{end}}`)

type linkView struct{ Known, Wrong bool }

// showLink only shows a button: programs that look at links in mails must not use them up.
func (g *Gate) showLink(w http.ResponseWriter, r *http.Request) error {
	s, _, err := g.lookUp(r)
	if err != nil {
		return err
	}
	return linkPage.Show(w, http.StatusOK, linkView{Known: s.Browser == browserOf(r)})
}

func browserOf(r *http.Request) string {
	if c, err := r.Cookie(browserCookie); err == nil {
		return hash(c.Value)
	}
	return ""
}

// lookUp finds what a code stands for. It never says why it stands for nothing.
func (g *Gate) lookUp(r *http.Request) (s signin.State, id string, err error) {
	code := strings.ToUpper(mux.Vars(r)["code"])
	client := httpapi.ClientIP(r, g.Proxies)
	if len(code) != codeLength || strings.Trim(code, alphabet) != "" {
		return s, "", signin.ErrUnknown
	}
	id = g.Keys.CodeID("sign-in", code)
	if s, err = g.Handler.SignIn(r.Context(), id); err != nil {
		return s, id, err
	}
	if !s.Good(time.Now()) {
		if !allow(&g.limits.guesses, client) {
			return s, id, problem.ErrTooMany
		}
		return s, id, signin.ErrUnknown
	}
	return s, id, nil
}

// useLink uses the link up and begins a session.
func (g *Gate) useLink(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	s, id, err := g.lookUp(r)
	if err != nil {
		return err
	}
	done, err := g.Handler.ForSignIn(r.Context(), g.meta(s.Tenant), commands.CompleteSignIn{
		Tenant: s.Tenant, SignInID: id, Browser: browserOf(r), Address: r.PostForm.Get("email"), Now: time.Now(),
	})
	if err != nil {
		return err
	}
	if _, in := done.Last.(signin.SignedIn); !in {
		return linkPage.Show(w, http.StatusForbidden, linkView{Wrong: true})
	}
	g.begin(w, r, s.Tenant, s.PersonID, s.Address)
	return nil
}

// begin begins a session.
func (g *Gate) begin(w http.ResponseWriter, r *http.Request, code, person, addr string) {
	now := time.Now()
	g.keep(w, Session{Tenant: code, Person: person, Address: addr, Began: now, Issued: now})
	g.Log.Info("signed in", "tenant", code, "person", person)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// signOut ends every session of the person: what was stolen is good for nothing.
func (g *Gate) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	if s, ok := g.session(r); ok {
		if _, err := g.Handler.ForMember(r.Context(), g.meta(s.Tenant), commands.SignOut{Tenant: s.Tenant, PersonID: s.Person, Now: time.Now().UTC()}); err != nil {
			return err
		}
	}
	c := g.cookie(cookieName, "", 0)
	c.MaxAge = -1
	http.SetCookie(w, c)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

var accountPage = webpage.New(`{{define "title"}}Your account{{end}}{{define "content"}}
<h1>You are signed in</h1>
<dl><dt>Address</dt><dd>{{.Address}}</dd><dt>Role</dt><dd>{{.Role}}</dd><dt>You may</dt><dd>{{range .Scopes}}{{.}} {{end}}</dd></dl>
<ul class="plain"><li><a href="/v1/events">Your events</a> (as the API has them)</li>
{{if .OrganizerID}}<li><a href="/schedule/{{.OrganizerID}}">Your public schedule</a></li>{{end}}
<li><a href="/docs">What the API can do</a></li></ul>
<form method="post" action="/sign-out"><button>Sign out everywhere</button></form>
{{end}}`)

func (g *Gate) account(w http.ResponseWriter, r *http.Request) error {
	s, ok := g.session(r)
	var p access.Principal
	if ok {
		var err error
		if p, err = g.Person(r.Context(), s); err != nil {
			return err
		}
	}
	if p.Kind != access.Member {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return nil
	}
	return accountPage.Show(w, http.StatusOK, p)
}

// vouched begins a session of somebody an identity provider vouched for.
func (g *Gate) vouched(w http.ResponseWriter, r *http.Request, code, addr string) error {
	person := g.Keys.PersonID(code, addr)
	m, err := g.Handler.Member(r.Context(), person)
	if err != nil {
		return err
	}
	role, _, err := g.role(r.Context(), person, m)
	if err == nil && role == "" {
		err = problem.ErrScope.With("nobody gave this address a role, and it has no organizer's account")
	}
	if err != nil {
		return err
	}
	in := signin.SignedIn{Tenant: code, SignInID: g.Keys.CodeID("oidc", uuid.NewString()), PersonID: person, Via: "oidc"}
	if _, err := g.Handler.ForSignIn(r.Context(), g.meta(code), commands.RecordSignIn{SignedIn: in}); err != nil {
		return err
	}
	g.begin(w, r, code, person, addr)
	return nil
}
