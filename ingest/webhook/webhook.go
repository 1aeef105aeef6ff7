// Package webhook is the HTTP door for mail that a provider took in: Amazon SES over SNS, Mailgun, Postmark and SendGrid.
// What they deliver is the raw mail; who sent it is found out here as for any other. A provider that is not configured
// does not exist, and no address from a message is asked but Amazon's own SNS.
//
// Start reading at [Hooks.Register].
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/gorilla/mux"
)

// Why a delivery is refused.
var (
	ErrOff       = &fault.Error{Kind: fault.NotFound, Code: "webhook-off", Title: "this webhook is not configured"}
	ErrSignature = &fault.Error{Kind: fault.Forbidden, Code: "webhook-unsigned", Title: "the delivery does not come from the provider"}
	ErrShape     = &fault.Error{Kind: fault.Invalid, Code: "webhook-shape", Title: "the delivery holds no raw mail"}
	ErrMailbox   = &fault.Error{Kind: fault.Invalid, Code: "mailbox-unknown", Title: "none of the recipients is a mailbox here"}
)

const (
	maxBody     = 48 << 20 // a mail of 25 MiB in base64 and JSON
	maxAge      = 24 * time.Hour
	storeWithin = 30 * time.Second
)

// Receiver makes mails durable.
type Receiver interface {
	Receive(ctx context.Context, env inbox.Envelope, raw []byte) (string, error)
}

// Hooks are the webhooks.
type Hooks struct {
	Receiver   Receiver
	Book       *address.Directory
	Log        *slog.Logger
	MaxBytes   int
	Secret     string       // password of the Basic credentials in the URL given to Postmark and SendGrid
	MailgunKey string       // HTTP webhook signing key
	SESTopic   string       // ARN of the SNS topic
	Client     *http.Client // asks SNS; default one with a timeout
	certs      certificates
}

// Register mounts the endpoints.
func (h *Hooks) Register(r *mux.Router) {
	for path, f := range map[string]problem.Handler{
		"/mail/ses": h.ses, "/mail/mailgun": h.mailgun, "/mail/postmark": h.postmark, "/mail/sendgrid": h.sendgrid,
	} {
		r.Handle(path, f.With(h.Log)).Methods(http.MethodPost)
	}
}

// receive takes a mail in for those of its recipients that are ours, and answers.
func (h *Hooks) receive(w http.ResponseWriter, r *http.Request, from string, to []string, raw []byte) error {
	var ours []string
	for _, addr := range to {
		addr = strings.ToLower(strings.Trim(strings.TrimSpace(addr), "<>"))
		if address.Valid(addr) && h.Book.Accepts(addr) && !slices.Contains(ours, addr) {
			ours = append(ours, addr)
		}
	}
	from = strings.Trim(strings.TrimSpace(from), "<>")
	switch {
	case len(raw) == 0:
		return ErrShape
	case len(raw) > h.MaxBytes:
		return ErrShape.With("the mail is larger than " + strconv.Itoa(h.MaxBytes>>20) + " MiB")
	case len(ours) == 0:
		return ErrMailbox
	case from != "" && !address.Valid(from):
		from = ""
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeWithin)
	defer cancel()
	id, err := h.Receiver.Receive(ctx, inbox.Envelope{Door: "webhook", From: from, Recipients: ours}, raw)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"mail": id})
}

// mailgun takes a route's forward to a URL that ends in "mime"; the signature is an HMAC over time and token.
func (h *Hooks) mailgun(w http.ResponseWriter, r *http.Request) error {
	if h.MailgunKey == "" {
		return ErrOff
	}
	if err := parseForm(w, r); err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(h.MailgunKey))
	_, _ = io.WriteString(mac, r.PostFormValue("timestamp")+r.PostFormValue("token"))
	got, err := hex.DecodeString(r.PostFormValue("signature"))
	seconds, _ := strconv.ParseInt(r.PostFormValue("timestamp"), 10, 64)
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) || time.Since(time.Unix(seconds, 0)).Abs() > maxAge {
		return ErrSignature
	}
	raw := r.PostFormValue("body-mime")
	if raw == "" {
		return ErrShape.With(`give the route a URL that ends in "/mime", so that Mailgun sends the whole mail`)
	}
	return h.receive(w, r, r.PostFormValue("sender"), strings.Split(r.PostFormValue("recipient"), ","), []byte(raw))
}

// postmark takes the JSON of an inbound stream that includes the raw mail. Postmark does not sign: the URL it is given
// holds credentials.
func (h *Hooks) postmark(w http.ResponseWriter, r *http.Request) error {
	if err := h.basic(w, r); err != nil {
		return err
	}
	var in struct {
		OriginalRecipient string
		ToFull            []struct{ Email string }
		RawEmail          string
		Headers           []struct{ Name, Value string }
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		return ErrShape.With("it is no JSON of Postmark's")
	}
	if in.RawEmail == "" {
		return ErrShape.With(`switch on "Include raw email content in JSON payload" for the inbound stream`)
	}
	to := []string{in.OriginalRecipient}
	for _, t := range in.ToFull {
		to = append(to, t.Email)
	}
	from := ""
	for _, header := range in.Headers {
		if strings.EqualFold(header.Name, "Return-Path") {
			from = header.Value
		}
	}
	return h.receive(w, r, from, to, []byte(in.RawEmail))
}

// sendgrid takes Inbound Parse with the raw mail. Its envelope says to whom it was.
func (h *Hooks) sendgrid(w http.ResponseWriter, r *http.Request) error {
	if err := h.basic(w, r); err != nil {
		return err
	}
	if err := parseForm(w, r); err != nil {
		return err
	}
	var env struct {
		From string   `json:"from"`
		To   []string `json:"to"`
	}
	if err := json.Unmarshal([]byte(r.PostFormValue("envelope")), &env); err != nil {
		return ErrShape.With("there is no envelope in it")
	}
	raw := r.PostFormValue("email")
	if raw == "" {
		return ErrShape.With(`check "POST the raw, full MIME message" in Inbound Parse`)
	}
	return h.receive(w, r, env.From, env.To, []byte(raw))
}

// basic asks for the password that is part of the URL the provider was given.
func (h *Hooks) basic(w http.ResponseWriter, r *http.Request) error {
	if h.Secret == "" {
		return ErrOff
	}
	_, password, _ := r.BasicAuth()
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(h.Secret))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="mail"`)
		return ErrSignature
	}
	return nil
}

// parseForm reads a form of either kind, in memory and bounded.
func parseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return ErrShape.With("the form cannot be read")
	}
	return nil
}
