// Package problem is the one place where errors become HTTP answers: problem details (RFC 9457), with a stable type per
// refusal and nothing about the inside for everything else.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5/pgconn"
)

// Details is the body of an answer that is not the one asked for (RFC 9457). It is an error, too, so that a route can
// return it.
type Details struct {
	Type   string `json:"type" doc:"What sort of refusal it is, the same every time; the address of a page that explains it" example:"/problems/event-unknown"`
	Title  string `json:"title" doc:"In a sentence, the same every time"`
	Status int    `json:"status" doc:"The HTTP status"`
	Detail string `json:"detail,omitempty" doc:"What was wrong this time"`
	Errors []Item `json:"errors,omitempty" doc:"What of the request is wrong"`
}

// Item is one thing that is wrong with a request.
type Item struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"Where, like body.email or query.limit"`
}

// Error is the title.
func (d *Details) Error() string { return d.Title }

// GetStatus is the HTTP status.
func (d *Details) GetStatus() int { return d.Status }

// ContentType is RFC 9457's.
func (d *Details) ContentType(string) string { return "application/problem+json" }

// Refusals that belong to HTTP rather than to the domain.
var (
	ErrNoKey    = &fault.Error{Kind: fault.Forbidden, Code: "key-missing", Title: "this needs an API key in the header x-api-key"}
	ErrNoRoute  = &fault.Error{Kind: fault.NotFound, Code: "route-unknown", Title: "there is nothing at this address"}
	ErrMethod   = &fault.Error{Kind: fault.Invalid, Code: "method-not-allowed", Title: "this address does not take that method"}
	ErrTooMany  = &fault.Error{Kind: fault.Conflict, Code: "too-many-requests", Title: "too many requests; try again later"}
	ErrForm     = &fault.Error{Kind: fault.Invalid, Code: "form-invalid", Title: "the form does not say what to do"}
	ErrUnsigned = &fault.Error{Kind: fault.Forbidden, Code: "signature-missing", Title: "this needs a signature, and there is no valid one"}
	ErrRequest  = &fault.Error{Kind: fault.Invalid, Code: "request-invalid", Title: "the request is not as the documentation says"}
	ErrNothing  = &fault.Error{Kind: fault.Invalid, Code: "nothing-to-change", Title: "the request does not say what to change"}
	ErrScope    = &fault.Error{Kind: fault.Forbidden, Code: "scope-missing", Title: "your key or role does not allow this"}
	ErrBadKey   = &fault.Error{Kind: fault.Forbidden, Code: "key-invalid", Title: "this key is not good: it is unknown, expired or revoked"}
	ErrBehind   = &fault.Error{Kind: fault.Conflict, Code: "view-behind", Title: "the answer does not contain this position yet; try again"}
	ErrFuture   = &fault.Error{Kind: fault.Invalid, Code: "position-unknown", Title: "nothing has happened yet at this position: it is from another log, or no position"}
	ErrTooLarge = &fault.Error{Kind: fault.Invalid, Code: "body-too-large", Title: "the body is larger than this takes"}
	ErrMedia    = &fault.Error{Kind: fault.Invalid, Code: "media-type-unsupported", Title: "the body is of a type that this does not take"}
	ErrSlow     = &fault.Error{Kind: fault.Invalid, Code: "request-timeout", Title: "the body took too long to arrive"}
	ErrOrigin   = &fault.Error{Kind: fault.Forbidden, Code: "cross-origin", Title: "a page of another site may not do this with your session"}
	ErrPrefetch = &fault.Error{Kind: fault.Conflict, Code: "prefetch", Title: "this link acts and is not for prefetching"}
)

// status is the table from refusals to HTTP. Codes that need more than their kind stand first.
func status(f *fault.Error) int {
	switch f.Code {
	case ErrNoKey.Code, ErrUnsigned.Code, ErrBadKey.Code:
		return http.StatusUnauthorized
	case ErrTooLarge.Code:
		return http.StatusRequestEntityTooLarge
	case ErrMedia.Code:
		return http.StatusUnsupportedMediaType
	case ErrSlow.Code:
		return http.StatusRequestTimeout
	case "revision-moved":
		return http.StatusPreconditionFailed
	case ErrMethod.Code:
		return http.StatusMethodNotAllowed
	case "mailbox-unknown": // what makes mail providers stop trying
		return http.StatusNotAcceptable
	case ErrTooMany.Code:
		return http.StatusTooManyRequests
	case ErrPrefetch.Code, ErrBehind.Code:
		return http.StatusServiceUnavailable // what browsers take as "ask again when the user really comes"
	}
	switch f.Kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.Conflict:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// From is a refusal as the body that says so.
func From(f *fault.Error) Details {
	return Details{Type: "/problems/" + f.Code, Title: f.Title, Status: status(f), Detail: f.Detail}
}

// later is a refusal that says when trying again can help.
type later struct {
	error
	wait time.Duration
}

func (l later) Unwrap() error { return l.error }

// Later is a refusal that is answered with a Retry-After, in whole seconds and at least one.
func Later(err error, wait time.Duration) error { return later{err, wait} }

func retryAfter(wait time.Duration) http.Header {
	return http.Header{"Retry-After": {strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))}}
}

// Of is an error as the body and the headers that say so. What is not a refusal is a 500 with a generic body; only the
// log says more. what is what was being done.
func Of(ctx context.Context, log *slog.Logger, what string, err error) (Details, http.Header) {
	if f, ok := fault.From(err); ok {
		var l later
		if errors.As(err, &l) {
			return From(f), retryAfter(l.wait)
		}
		return From(f), nil
	}
	if unreachable(err) {
		log.Warn("http: unavailable", "request", what, "error", err)
		return Details{Type: "/problems/unavailable", Title: "a part of the server cannot be reached right now; try again", Status: http.StatusServiceUnavailable},
			retryAfter(5 * time.Second)
	}
	if ctx.Err() == nil {
		log.Error("http: failed", "request", what, "error", err)
	}
	return Details{Type: "about:blank", Title: "Internal Server Error", Status: http.StatusInternalServerError, Detail: "the server could not do this; its log says why"}, nil
}

// Write answers with an error.
func Write(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	d, headers := Of(r.Context(), log, r.Method+" "+r.URL.Path, err)
	for name, values := range headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(d.Status)
	_ = json.NewEncoder(w).Encode(d)
}

// unreachable says that the event store or the database did not answer: trying again can help.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	return errors.Is(err, eventstore.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &connect)
}

// Handler is a handler that returns errors.
type Handler func(w http.ResponseWriter, r *http.Request) error

// With turns a Handler into an http.Handler.
func (h Handler) With(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Write(w, r, log, err)
		}
	})
}
