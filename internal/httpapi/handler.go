package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/danielgtaylor/huma/v2"
)

// Handler wraps the router of the whole server: headers that every answer has, questions of browsers about other
// origins, and what must not happen.
func (a *API) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for pages that CORS lets read
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(a.opts.PublicURL, "https:") {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer func() {
			if cause := recover(); cause != nil {
				if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
					panic(cause)
				}
				problem.Write(w, r, a.opts.Log, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			}
		}()
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			a.preflight(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers a browser that asks before it calls for a page of another site. Whose key it will use is not known
// yet: the call itself is checked again.
func (a *API) preflight(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	h := w.Header()
	h.Add("Vary", "Origin")
	switch {
	case a.isOpen(r.URL.Path):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(a.opts.Origins(r.Context(), ""), origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "X-Api-Key, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Min-Position, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// isOpen says whether a published route has this path.
func (a *API) isOpen(path string) bool {
	return !strings.HasPrefix(path, "/v1/") && (strings.HasPrefix(path, "/event/") || strings.HasPrefix(path, "/organizer/") ||
		strings.HasPrefix(path, "/shadow/") || strings.HasPrefix(path, "/system/"))
}

// allowOrigin lets a page of another site read the answer if its tenant allows that site.
func (a *API) allowOrigin(ctx context.Context, w http.ResponseWriter, r *http.Request, tenant string) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	w.Header().Add("Vary", "Origin")
	if slices.Contains(a.opts.Origins(ctx, tenant), origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "ETag, Link, Location, X-Position, X-Newest, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Deprecation, Sunset")
	}
}

// refusal is how huma refuses a request that is not as the document says.
func refusal(status int, message string, errs ...error) huma.StatusError {
	f := problem.ErrRequest
	switch status {
	case 0, http.StatusInternalServerError:
		d, _ := problem.Of(context.Background(), slog.New(slog.DiscardHandler), "", fmt.Errorf("%s", message))
		return &d
	case http.StatusRequestEntityTooLarge:
		f = problem.ErrTooLarge
	case http.StatusUnsupportedMediaType:
		f = problem.ErrMedia
	case http.StatusRequestTimeout:
		f = problem.ErrSlow
	}
	d := problem.From(f)
	if status < 500 && len(errs) == 0 {
		d.Detail = message
	}
	for _, err := range errs {
		item := problem.Item{Message: err.Error()}
		var e huma.ErrorDetailer
		if errors.As(err, &e) {
			item = problem.Item{Message: e.ErrorDetail().Message, Location: e.ErrorDetail().Location}
		}
		d.Errors = append(d.Errors, item)
	}
	return &d
}
