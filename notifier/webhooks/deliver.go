package webhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	answerTimeout = 15 * time.Second // for an endpoint to answer
	maxAnswer     = 64 << 10         // bytes of it that are read, and dropped
	maxRetryAfter = 24 * time.Hour
)

// deliver tells the endpoint one thing, again and again until it takes it, is disabled, or is changed so that it does not
// want it.
func (e *endpoint) deliver(ctx context.Context, event cloudevent.Event) error {
	for tries := 1; ; tries++ {
		if !e.Wants(event.Type) {
			return nil
		}
		a := e.attempt(ctx, e.State, event)
		a.tries = tries
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := e.record(ctx, event, a); err != nil {
			return err
		}
		switch {
		case a.ok():
			e.position = event.Position
			return e.move(ctx)
		case a.status == http.StatusGone:
			return e.disable(ctx, "gone")
		case tries > len(e.opts.Pauses):
			return e.disable(ctx, "failing")
		}
		e.opts.Log.Info("webhooks: trying again", "webhook", e.WebhookID, "status", a.status, "error", a.problem, "tries", tries)
		if err := e.wait(ctx, max(e.opts.Pauses[tries-1], a.retryAfter)); err != nil {
			return err
		}
	}
}

// wait waits, or until somebody changes the endpoint: then it is tried at once.
func (e *endpoint) wait(ctx context.Context, pause time.Duration) error {
	over := time.NewTimer(pause)
	defer over.Stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-over.C:
			return e.refresh(ctx)
		case <-ticker.C:
			url := e.URL
			if err := e.refresh(ctx); err != nil || e.URL != url {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// disable ends telling the endpoint, on the record.
func (e *endpoint) disable(ctx context.Context, why string) error {
	e.opts.Log.Warn("webhooks: disabled", "webhook", e.WebhookID, "reason", why)
	if err := e.save(ctx, why); err != nil {
		return err
	}
	return cloudevent.ErrStop
}

// move remembers in the table how far the endpoint is.
func (e *endpoint) move(ctx context.Context) error {
	t, err := e.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = e.opts.Pool.Exec(ctx, t.SQL(`
		INSERT INTO @.cursor (webhook_id, position) VALUES ($1, $2) ON CONFLICT (webhook_id) DO UPDATE SET position = excluded.position`),
		e.WebhookID, int64(e.position))
	return err
}

// attempt is what became of telling something once.
type attempt struct {
	at         time.Time
	tries      int
	status     int // 0: there was no answer
	problem    string
	took       time.Duration
	retryAfter time.Duration
}

func (a attempt) ok() bool { return a.status >= 200 && a.status < 300 }

// attempt tells an endpoint something once.
func (s *Sender) attempt(ctx context.Context, w webhook.State, event cloudevent.Event) (a attempt) {
	a.at = time.Now().UTC()
	defer func() {
		a.took = time.Since(a.at)
		outcome := "failed"
		if a.ok() {
			outcome = "delivered"
		}
		s.sent.WithLabelValues(outcome).Inc()
	}()
	body, err := json.Marshal(event)
	if err != nil {
		a.problem = err.Error()
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		a.problem = err.Error()
		return a
	}
	stamp := strconv.FormatInt(a.at.Unix(), 10)
	h := req.Header
	h.Set("Content-Type", "application/cloudevents+json; charset=UTF-8")
	h.Set("User-Agent", "Calendar-Invite-Server")
	h.Set("webhook-id", event.ID)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", signatures(w, event.ID, stamp, body, a.at))
	resp, err := s.client.Do(req)
	if err != nil {
		a.problem = clip(err.Error(), 500)
		if errors.Is(err, ErrPrivate) { // where a name leads inside is nobody's business
			a.problem = ErrPrivate.Error()
		}
		return a
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	a.status = resp.StatusCode
	if !a.ok() {
		a.problem = resp.Status
		a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), a.at)
	}
	return a
}

// signatures are those of the secret and, for a while, of the one before it.
func signatures(w webhook.State, id, stamp string, body []byte, now time.Time) string {
	out := sign(w.Secret, id, stamp, body)
	if w.OldSecret != "" && now.Before(w.OldUntil) {
		out += " " + sign(w.OldSecret, id, stamp, body)
	}
	return out
}

// sign is a signature of Standard Webhooks, version 1.
func sign(secret, id, stamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		key = []byte(secret)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.", id, stamp)
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// retryAfter is how long an endpoint asks to be left alone (RFC 9110 §10.2.3), within bounds.
func retryAfter(v string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(v); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// record keeps what became of an attempt.
func (s *Sender) record(ctx context.Context, ref webhook.Ref, event cloudevent.Event, a attempt) error {
	t, err := s.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = s.opts.Pool.Exec(ctx, t.SQL(`
		INSERT INTO @.attempt (tenant, webhook_id, message_id, type, position, tries, at, status, error, took) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`),
		ref.Tenant, ref.WebhookID, event.ID, event.Type, int64(event.Position), a.tries, a.at, a.status, a.problem, int(a.took.Milliseconds()))
	return err
}

func (e *endpoint) record(ctx context.Context, event cloudevent.Event, a attempt) error {
	return e.Sender.record(ctx, e.Ref, event, a)
}

// Attempt is what became of a delivery, for people who look into trouble.
type Attempt struct {
	Message  string
	Type     string
	Position int64
	Tries    int // 0: asked for by hand
	At       time.Time
	Status   int // 0: there was no answer
	Error    string
	Took     int // milliseconds
	Number   int64
}

// List returns the newest attempts of an endpoint, before a number if that is not 0.
func List(ctx context.Context, pool *pgxpool.Pool, ref webhook.Ref, before int64, limit int) ([]Attempt, error) {
	return projector.Collect[Attempt](ctx, projector.NewServing(pool, Projection()), ref.Tenant, `
		SELECT message_id, type, position, tries, at, status, error, took, number FROM @.attempt
		WHERE tenant = $1 AND webhook_id = $2 AND ($3 = 0 OR number < $3) ORDER BY number DESC LIMIT $4`, ref.Tenant, ref.WebhookID, before, limit)
}

// Again tells an endpoint something once more that it was told, or not told, before; also a disabled one. It fails with
// [webhook.ErrMessage] for what it was never told.
func (s *Sender) Again(ctx context.Context, ref webhook.Ref, message string) (Attempt, error) {
	w, err := s.opts.Handler.Webhook(ctx, ref.WebhookID)
	if err == nil && (!w.Exists || w.Tenant != ref.Tenant) {
		err = webhook.ErrUnknown
	}
	if err != nil {
		return Attempt{}, err
	}
	list, err := projector.Collect[struct{ Position int64 }](ctx, s.serving, ref.Tenant,
		`SELECT position FROM @.attempt WHERE tenant = $1 AND webhook_id = $2 AND message_id = $3 LIMIT 1`, ref.Tenant, ref.WebhookID, message)
	if err != nil {
		return Attempt{}, err
	}
	if len(list) == 0 {
		return Attempt{}, webhook.ErrMessage
	}
	event, found, err := s.opts.Feed.At(ctx, uint64(list[0].Position))
	if err != nil {
		return Attempt{}, err
	}
	if !found || event.Tenant != ref.Tenant {
		return Attempt{}, webhook.ErrMessage
	}
	a := s.attempt(ctx, w, event)
	return Attempt{
		Message: event.ID, Type: event.Type, Position: int64(event.Position), At: a.at, Status: a.status, Error: a.problem, Took: int(a.took.Milliseconds()),
	}, s.record(ctx, ref, event, a)
}
