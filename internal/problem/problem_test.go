package problem_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
		says string
	}{
		{event.ErrUnknown, 404, "/problems/event-unknown"},
		{fmt.Errorf("wrapped: %w", invitation.ErrAddress.With("x")), 400, "/problems/address-invalid"},
		{problem.ErrNoKey, 401, "/problems/key-missing"},
		{problem.ErrTooMany, 429, "/problems/too-many-requests"},
		{event.ErrNotYours, 403, "/problems/event-not-yours"},
		{fmt.Errorf("append: %w", eventstore.ErrUnavailable), 503, "/problems/unavailable"},
		{fmt.Errorf("read: %w", &pgconn.ConnectError{}), 503, "/problems/unavailable"},
		{errors.New("the password is hunter2"), 500, "about:blank"},
	} {
		w := httptest.NewRecorder()
		problem.Write(w, httptest.NewRequest("GET", "/", nil), slog.New(slog.DiscardHandler), c.err)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Error("the inside shows")
		}
	}
}
