// Package httpapi is what all routes of the API share: the document that describes them (OpenAPI 3.1), who may call
// them, how often, from which web pages, and how they refuse (RFC 9457).
//
// A route is a [Route] and a function from a struct of parameters to a struct of answers; what the document says about
// it is read from those types, and calls are checked against it before the function runs.
//
// Start reading at [Register].
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
)

// Authenticate finds out who is calling. It fails with a refusal for a key that is not good; without any it returns the
// zero Principal.
type Authenticate func(r *http.Request) (access.Principal, error)

// Views waits until the named read models have seen a position, and says how far they are.
type Views interface {
	Wait(ctx context.Context, position uint64, views ...string) error
	Position(ctx context.Context, views ...string) (uint64, error)
}

// Options are what the API needs to know.
type Options struct {
	// Newest is the newest position this process knows of.
	Newest       func() uint64
	Authenticate Authenticate
	Views        Views
	Proxies      []*net.IPNet // whose X-Forwarded-For is believed
	PublicURL    string
	Version      string
	Limits       Limits
	// Origins are the web origins whose pages may call the API for a tenant; for none, those of any tenant.
	Origins func(ctx context.Context, tenant string) []string
	Log     *slog.Logger
}

// API is the routes and their document.
type API struct {
	huma  huma.API
	opts  Options
	rates rates

	document sync.Once
	json     []byte
	docs     []byte
}

// huma's settings are the whole program's.
func init() { huma.NewError, huma.DefaultArrayNullable = refusal, false }

// New makes an API on a router, with its document at /openapi.json and a page to read it at /docs.
func New(r *mux.Router, opts Options) *API {
	jsonFormat := huma.DefaultJSONFormat
	jsonFormat.Marshal = marshal
	a := &API{opts: opts, rates: newRates(opts.Limits)}
	a.huma = huma.NewAPI(huma.Config{
		OpenAPI:       document(opts),
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
	}, adapter{r})
	r.HandleFunc("/openapi.json", a.serveDocument).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/docs", a.serveDocs).Methods(http.MethodGet, http.MethodHead)
	return a
}

// Route is where something is and who may use it.
type Route struct {
	Method  string
	Path    string
	ID      string // of the operation, for generated clients
	Tag     string
	Summary string
	About   string    // in Markdown; may be empty
	Scope   key.Scope // empty: no key needed
	Own     bool      // an organizer may use it too, and the function keeps to what is theirs
	Views   []string  // read models it reads
	Status  int       // of success; 200, or 204 without a body
	Errors  []int     // further answers that are refusals
	Open    bool      // any web page may read it, as published
	NoHead  bool      // a HEAD request must not run it
	MaxBody int64     // bytes; default 1 MiB
	Old     string    // since when it is deprecated, as @seconds since 1970 (RFC 9745); empty: it is not
	Sunset  string
	Answer  string            // media type of the answer, where it is not JSON
	Body    *huma.RequestBody // documents what the types cannot say
}

// Register adds a route.
func Register[I, O any](a *API, r Route, f func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Summary: r.Summary, Description: r.About, Tags: []string{r.Tag}, DefaultStatus: r.Status,
		Errors: a.errors(r), MaxBodyBytes: r.MaxBody, Deprecated: r.Old != "", RequestBody: r.Body,
		Metadata: map[string]any{"route": r}, Parameters: a.parameters(r), Responses: map[string]*huma.Response{},
		Middlewares: huma.Middlewares{a.guard(r)},
	}
	if r.Answer != "" {
		op.Responses[strconv.Itoa(max(r.Status, http.StatusOK))] = &huma.Response{
			Description: r.Summary, Content: map[string]*huma.MediaType{r.Answer: {Schema: &huma.Schema{Type: "string"}}},
		}
	}
	op.Security = []map[string][]string{{}} // said, so that nobody takes it for forgotten
	if r.Scope != "" {
		op.Security = []map[string][]string{{"key": {}}, {"bearer": {}}, {"session": {}}}
		op.Description = strings.TrimSpace(op.Description + "\n\nNeeds the scope `" + string(r.Scope) + "`.")
		if r.Own {
			op.Description += " Organizers may use it for what is theirs."
		}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		return out, a.refuse(ctx, r, err)
	})
	a.tidy(r)
}

// Describe adds a route to the document that is served elsewhere, because what it takes cannot be said in types.
func (a *API) Describe(r Route, answers map[string]string) {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Summary: r.Summary, Description: r.About, Tags: []string{r.Tag}, RequestBody: r.Body,
		Security: []map[string][]string{{}}, Responses: map[string]*huma.Response{},
	}
	for status, meaning := range answers {
		op.Responses[status] = &huma.Response{Description: meaning}
	}
	a.huma.OpenAPI().AddOperation(op)
}

// errors lists the refusals a route is documented to answer with.
func (a *API) errors(r Route) []int {
	list := append([]int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}, r.Errors...)
	if r.Scope != "" {
		list = append(list, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound)
	}
	if strings.Contains(r.Path, "{") {
		list = append(list, http.StatusNotFound)
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusRequestTimeout)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// parameters are those that belong to how a route is called, not to what it does.
func (a *API) parameters(r Route) (list []*huma.Param) {
	if r.Scope != "" {
		list = append(list, &huma.Param{
			Name: "X-Tenant", In: "header", Description: "Whose data it is about. Only the installation's own key reaches more than one tenant.",
			Schema: &huma.Schema{Type: "string", Pattern: "^[a-z][a-z0-9]{1,19}$"},
		})
	}
	if len(r.Views) > 0 {
		zero := 0.0
		list = append(list, &huma.Param{
			Name: "X-Min-Position", In: "header", Description: "Wait until the answer contains everything up to this position, as X-Position of an earlier answer said; at most 5 seconds, then it is a 503.",
			Schema: &huma.Schema{Type: "integer", Format: "int64", Minimum: &zero},
		})
	}
	return list
}

// tidy takes out of the document what huma adds and we never answer, and adds the headers that every answer has.
func (a *API) tidy(r Route) {
	item := a.huma.OpenAPI().Paths[r.Path]
	op := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[r.Method]
	delete(op.Responses, "422")
	for status, answer := range op.Responses {
		if answer.Headers == nil {
			answer.Headers = map[string]*huma.Param{}
		}
		if len(r.Views) > 0 && status < "400" {
			answer.Headers["X-Newest"] = &huma.Param{Description: "The newest position that this process knew of: what is between the two is not in the answer yet.", Schema: &huma.Schema{Type: "integer", Format: "int64"}}
			answer.Headers["X-Position"] = &huma.Param{Description: "How far in the log the read models were that the answer was read from.", Schema: &huma.Schema{Type: "integer", Format: "int64"}}
		}
		if status == "429" || status == "503" {
			answer.Headers["Retry-After"] = &huma.Param{Description: "When trying again can help, in seconds.", Schema: &huma.Schema{Type: "integer"}}
		}
	}
}

// guard is everything that happens before a route's function: who calls, whether they may, how often, and how fresh the
// answer must be.
func (a *API) guard(r Route) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		req, w := humamux.Unwrap(c)
		ctx, err := a.admit(w, req, r)
		if err != nil {
			problem.Write(w, req, a.opts.Log, err)
			return
		}
		next(huma.WithContext(c, ctx))
	}
}

func (a *API) admit(w http.ResponseWriter, req *http.Request, r Route) (context.Context, error) {
	if r.Open {
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
	if r.Old != "" {
		w.Header().Set("Deprecation", r.Old)
		w.Header().Set("Sunset", r.Sunset)
	}
	if strings.Contains(req.URL.Path, "\x00") || strings.Contains(req.URL.RawQuery, "%00") {
		return req.Context(), problem.ErrRequest.With("there is a NUL in the address")
	}
	client := ClientIP(req, a.opts.Proxies)
	ctx := context.WithValue(req.Context(), clientKey{}, client)
	if err := a.rates.clients.check(w, client); err != nil {
		return ctx, err
	}
	if r.Scope == "" {
		return ctx, a.fresh(ctx, w, req, r)
	}
	p, err := a.opts.Authenticate(req)
	if err == nil && p.Kind == access.Nobody {
		err = problem.ErrNoKey
	}
	if err != nil {
		if errors.Is(err, problem.ErrBadKey) && !a.rates.failures.allow(client) {
			err = problem.ErrTooMany.With("too many keys that are not good")
		}
		return ctx, err
	}
	if err := a.rates.check(w, p); err != nil {
		return ctx, err
	}
	if !r.Open {
		a.allowOrigin(ctx, w, req, p.Tenant)
	}
	switch {
	case !p.May(r.Scope):
		return ctx, problem.ErrScope.With("this needs the scope " + string(r.Scope))
	case p.OrganizerID != "" && !r.Own:
		return ctx, problem.ErrScope.With("this is not for a single organizer")
	}
	ctx = access.With(ctx, p)
	return ctx, a.fresh(ctx, w, req, r)
}

// fresh waits for what the caller wants to see, and says how far the answer can be behind.
func (a *API) fresh(ctx context.Context, w http.ResponseWriter, req *http.Request, r Route) error {
	if len(r.Views) == 0 {
		return nil
	}
	if v := req.Header.Get("X-Min-Position"); v != "" {
		position, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return problem.ErrRequest.With("X-Min-Position is a number, as X-Position of an earlier answer said")
		}
		wait, cancel := context.WithTimeout(ctx, maxWait)
		defer cancel()
		if err := a.opts.Views.Wait(wait, position, r.Views...); err != nil {
			if wait.Err() != nil && ctx.Err() == nil {
				return problem.Later(problem.ErrBehind, time.Second)
			}
			return err
		}
	}
	position, err := a.opts.Views.Position(ctx, r.Views...)
	if err == nil {
		w.Header().Set("X-Position", strconv.FormatUint(position, 10))
		w.Header().Set("X-Newest", strconv.FormatUint(max(position, a.opts.Newest()), 10))
	}
	return err
}

// maxWait is how long a read waits for a position.
const maxWait = 5 * time.Second

// refuse turns an error into the answer that says so.
func (a *API) refuse(ctx context.Context, r Route, err error) error {
	var ready huma.StatusError
	if err == nil || errors.As(err, &ready) {
		return err
	}
	d, headers := problem.Of(ctx, a.opts.Log, r.Method+" "+r.Path, err)
	if headers != nil {
		return huma.ErrorWithHeaders(&d, headers)
	}
	return &d
}

// adapter has huma use the router.
type adapter struct{ router *mux.Router }

// Handle adds an operation. HEAD is GET without the body, where running it changes nothing.
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	methods := []string{op.Method}
	if r, _ := op.Metadata["route"].(Route); op.Method == http.MethodGet && !r.NoHead {
		methods = append(methods, http.MethodHead)
	}
	a.router.NewRoute().Path(op.Path).Methods(methods...).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(humamux.NewContext(op, r, w))
	})
}

// ServeHTTP serves the router.
func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

type clientKey struct{}

// Client is the address of who calls, for limits.
func Client(ctx context.Context) string {
	s, _ := ctx.Value(clientKey{}).(string)
	return s
}

// marshal writes JSON as the published API has it.
func marshal(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}
