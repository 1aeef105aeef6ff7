package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/sink"
)

// stage is a throw-away instance with a mail server behind it and people who write to it.
type stage struct {
	app  *App
	sink *sink.Sink
	key  string
	dir  string
}

// newStage starts an instance in a temporary folder; change may alter its environment.
func newStage(ctx context.Context, log *slog.Logger, change map[string]string) (*stage, error) {
	dir, err := os.MkdirTemp("", "cis-demo")
	if err != nil {
		return nil, err
	}
	s := &stage{sink: sink.New(), key: rand.Text(), dir: dir}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user must get through, or the cluster moves to /var/lib
		return nil, err
	}
	if err := s.sink.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	env := map[string]string{
		"CIS_DATA": filepath.Join(dir, "data"), "CIS_HTTP": "127.0.0.1:0", "CIS_SMTP": "127.0.0.1:0", "CIS_DOMAIN": "cis.localhost",
		"CIS_MAIL_AUTH": "off", "CIS_RELAY": "smtp://" + s.sink.Addr(), "CIS_ADMIN_KEY": s.key,
		"CIS_UPDATE_WINDOW": "0",
	}
	for k, v := range change {
		env[k] = v
	}
	cfg, _, err := readConfig(func(name string) string { return env[name] })
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Data, 0o711); err != nil {
		return nil, err
	}
	if s.app, err = Start(ctx, cfg, log); err != nil {
		s.sink.Close()
		return nil, err
	}
	return s, s.ready(ctx)
}

// ready waits for /readyz.
func (s *stage) ready(ctx context.Context) error {
	for {
		if code, _, err := s.get(ctx, "/readyz", ""); err == nil && code == http.StatusOK {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %v", s.app.missing())
		}
	}
}

func (s *stage) close() {
	s.app.Close()
	s.sink.Close()
	_ = s.app.private.Remove()
	_ = os.RemoveAll(s.dir)
}

// mail sends a mail over SMTP.
func (s *stage) mail(from, to string, data []byte) error {
	return s.mailTo(from, []string{to}, data)
}

// mailTo sends one mail to several.
func (s *stage) mailTo(from string, to []string, data []byte) error {
	return smtp.SendMail(s.app.SMTPAddr.String(), nil, from, to, data)
}

// get asks over HTTP, without following redirects.
func (s *stage) get(ctx context.Context, path, key string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.app.HTTPAddr.String()+path, nil)
	if err != nil {
		return 0, nil, err
	}
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// statistics reads an event's counters.
func (s *stage) statistics(ctx context.Context, uid string) (out struct {
	Attendees int64            `json:"attendees"`
	RSVP      map[string]int64 `json:"rsvp"`
	Origin    map[string]int64 `json:"origin"`
	ProdID    map[string]int64 `json:"prodid"`
}, err error) {
	code, body, err := s.get(ctx, "/event/"+uid+"/statistics", s.key)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("statistics: %d %s", code, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	return out, err
}

// counted waits until an event's answers are as wanted.
func (s *stage) counted(ctx context.Context, uid string, want map[string]int64) error {
	for {
		got, err := s.statistics(ctx, uid)
		ok := err == nil
		for status, n := range want {
			ok = ok && got.RSVP[status] == n
		}
		if ok {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("counted %v (%w), want %v", got.RSVP, err, want)
		}
	}
}

// invite asks for an invitation through the published link.
func (s *stage) invite(ctx context.Context, uid, email, name string) error {
	return s.inviteFrom(ctx, uid, email, name, "")
}

// inviteFrom is invite by a client behind a proxy.
func (s *stage) inviteFrom(ctx context.Context, uid, email, name, client string) error {
	q := url.Values{"email": {email}, "name": {name}, "origin": {"api"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.app.HTTPAddr.String()+"/event/"+uid+"/invite?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	if client != "" {
		req.Header.Set("X-Forwarded-For", client)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusFound {
		err = fmt.Errorf("invite: %d %s", resp.StatusCode, body)
	}
	return err
}

// received is a calendar mail as an attendee's client reads it.
type received struct {
	Method string
	Event  ical.Event
	Msg    *message.Message
}

// calendar waits for the n-th mail to an address and reads the calendar in it.
func (s *stage) calendar(ctx context.Context, to string, n int) (received, error) {
	m, err := s.sink.Wait(ctx, to, n)
	if err != nil {
		return received{}, err
	}
	msg, err := message.Parse(m.Data)
	if err != nil {
		return received{}, err
	}
	if len(msg.Calendars) == 0 {
		return received{Msg: msg}, fmt.Errorf("mail %d to %s holds no calendar", n, to)
	}
	cal, err := ical.Read(msg.Calendars[0].Data)
	if err != nil || len(cal.Events) != 1 {
		return received{Msg: msg}, fmt.Errorf("mail %d to %s: %w", n, to, err)
	}
	return received{Method: cal.Method, Event: cal.Events[0], Msg: msg}, nil
}
