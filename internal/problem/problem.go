// Package problem is the one place where errors become HTTP answers: problem details (RFC 9457), with a stable type per
// refusal and nothing about the inside for everything else.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5/pgconn"
)

// Details is the body of an answer that is not the one asked for.
type Details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Refusals that belong to HTTP rather than to the domain.
var (
	ErrNoKey    = &fault.Error{Kind: fault.Forbidden, Code: "key-missing", Title: "this needs an API key in the header x-api-key"}
	ErrNoRoute  = &fault.Error{Kind: fault.NotFound, Code: "route-unknown", Title: "there is nothing at this address"}
	ErrMethod   = &fault.Error{Kind: fault.Invalid, Code: "method-not-allowed", Title: "this address does not take that method"}
	ErrTooMany  = &fault.Error{Kind: fault.Conflict, Code: "too-many-requests", Title: "too many requests; try again later"}
	ErrForm     = &fault.Error{Kind: fault.Invalid, Code: "form-invalid", Title: "the form does not say what to do"}
	ErrUnsigned = &fault.Error{Kind: fault.Forbidden, Code: "signature-missing", Title: "this needs a signature, and there is no valid one"}
	ErrPrefetch = &fault.Error{Kind: fault.Conflict, Code: "prefetch", Title: "this link acts and is not for prefetching"}
)

// status is the table from refusals to HTTP. Codes that need more than their kind stand first.
func status(f *fault.Error) int {
	switch f.Code {
	case ErrNoKey.Code, ErrUnsigned.Code:
		return http.StatusUnauthorized
	case ErrMethod.Code:
		return http.StatusMethodNotAllowed
	case "mailbox-unknown": // what makes mail providers stop trying
		return http.StatusNotAcceptable
	case ErrTooMany.Code:
		return http.StatusTooManyRequests
	case ErrPrefetch.Code:
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

// Write answers with an error. What is not a refusal is a 500 with a generic body; only the log says more.
func Write(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	d := Details{Type: "about:blank", Title: "Internal Server Error", Status: http.StatusInternalServerError, Detail: "the server could not do this; its log says why"}
	if f, ok := fault.From(err); ok {
		d = Details{Type: "/problems/" + f.Code, Title: f.Title, Status: status(f), Detail: f.Detail}
	} else if unreachable(err) {
		d = Details{Type: "/problems/unavailable", Title: "a part of the server cannot be reached right now; try again", Status: http.StatusServiceUnavailable}
		w.Header().Set("Retry-After", "5")
		log.Warn("http: unavailable", "method", r.Method, "path", r.URL.Path, "error", err)
	} else if r.Context().Err() == nil {
		log.Error("http: failed", "method", r.Method, "path", r.URL.Path, "error", err)
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
