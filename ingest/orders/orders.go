// Package orders is the door for payment processors: Shopify, and anybody who signs as Standard Webhooks says. An order
// enrols the organizers its line items name, once however often it is delivered; refunds and cancellations end that,
// also when they come before the order.
//
// Start reading at [Hooks.Register].
package orders

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
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/order"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/gorilla/mux"
)

const (
	maxBody      = 1 << 20
	maxItems     = 200
	maxText      = 300 // bytes of a product's name
	maxAge       = 5 * time.Minute
	storeTimeout = 20 * time.Second
)

// Hooks take orders.
type Hooks struct {
	Handler *commands.Handler
	Keys    secret.Keys
	Tenant  string
	Shopify string           // secret of Shopify's webhooks; empty: every order is refused
	Secret  string           // of other processors', whsec_… or text; empty: likewise
	Now     func() time.Time // default time.Now
	Log     *slog.Logger
}

// Register adds POST /order, as published, and POST /order/webhook for other processors.
func (h *Hooks) Register(r *mux.Router) {
	r.Handle("/order", problem.Handler(h.shopify).With(h.Log)).Methods(http.MethodPost)
	r.Handle("/order/webhook", problem.Handler(h.standard).With(h.Log)).Methods(http.MethodPost)
}

// bought is what both kinds of webhooks say.
type bought struct {
	ID     text   `json:"id"`
	Order  text   `json:"order_id"` // of a refund
	Number text   `json:"order_number"`
	Email  string `json:"email"`
	Lines  []line `json:"line_items"`

	Refunds []struct {
		Line text `json:"line_item_id"`
	} `json:"refund_line_items"`
}

type line struct {
	ID         text   `json:"id"`
	Product    text   `json:"product_id"`
	Name       string `json:"name"`
	Email      string `json:"email"` // other processors'
	Properties []struct {
		Name  string `json:"name"`
		Value any    `json:"value"`
	} `json:"properties"` // Shopify's
}

// text is a string that may be written as a number.
type text string

// UnmarshalJSON takes both.
func (t *text) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(strings.TrimSpace(s))
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return errors.New("neither a string nor a number")
	}
	*t = text(n.String())
	return nil
}

// shopify takes what Shopify posts, in the clear or in base64, signed with X-Shopify-Hmac-Sha256.
func (h *Hooks) shopify(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return order.ErrIncomplete.With("it could not be read, or has more than 1 MiB")
	}
	plain := body
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(body))); err == nil && len(decoded) > 0 {
		plain = decoded
	}
	got, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Shopify-Hmac-Sha256"))
	if err != nil || h.Shopify == "" || !signed([]byte(h.Shopify), got, body) && !signed([]byte(h.Shopify), got, plain) {
		return problem.ErrUnsigned
	}
	var b bought
	if err := json.Unmarshal(plain, &b); err != nil {
		return order.ErrIncomplete.With("it is not the JSON of an order")
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	switch topic := r.Header.Get("X-Shopify-Topic"); topic {
	case "", "orders/create", "orders/paid":
		err = h.place(ctx, "shopify", b)
	case "orders/cancelled":
		b.Lines = nil
		err = h.end(ctx, "shopify", b, "the order was cancelled")
	case "refunds/create":
		b.ID, b.Lines = b.Order, nil
		for _, l := range b.Refunds {
			b.Lines = append(b.Lines, line{ID: l.Line})
		}
		err = h.end(ctx, "shopify", b, "it was refunded")
	default: // nothing of ours; an error would have it sent again and again
	}
	return answer(w, err)
}

func signed(key, got, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

// standard takes what other processors post, signed as Standard Webhooks says: {"type": "order.paid", "order.cancelled" or
// "order.refunded", "data": {"order_id", "order_number", "email", "line_items": [{"id", "product_id", "name", "email"}]}}.
func (h *Hooks) standard(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return order.ErrIncomplete.With("it could not be read, or has more than 1 MiB")
	}
	if !h.genuine(r, body) {
		return problem.ErrUnsigned
	}
	var in struct {
		Type string `json:"type"`
		Data bought `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return order.ErrIncomplete.With("it is not the JSON of an order")
	}
	in.Data.ID = in.Data.Order
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	switch in.Type {
	case "order.paid":
		err = h.place(ctx, "webhook", in.Data)
	case "order.cancelled":
		err = h.end(ctx, "webhook", in.Data, "the order was cancelled")
	case "order.refunded":
		err = h.end(ctx, "webhook", in.Data, "it was refunded")
	default:
		err = order.ErrIncomplete.With("its type is none of order.paid, order.cancelled and order.refunded")
	}
	return answer(w, err)
}

// genuine checks webhook-signature: one of its v1 signatures, over id, timestamp and body, and not too old.
func (h *Hooks) genuine(r *http.Request, body []byte) bool {
	key := []byte(h.Secret)
	if encoded, ok := strings.CutPrefix(h.Secret, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			key = decoded
		}
	}
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if len(key) == 0 || id == "" || err != nil || now().Sub(time.Unix(seconds, 0)).Abs() > maxAge {
		return false
	}
	content := append([]byte(id+"."+stamp+"."), body...)
	for one := range strings.FieldsSeq(r.Header.Get("webhook-signature")) {
		version, encoded, _ := strings.Cut(one, ",")
		got, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && signed(key, got, content) {
			return true
		}
	}
	return false
}

// place records an order and enrols the organizers it names.
func (h *Hooks) place(ctx context.Context, via string, b bought) error {
	email := strings.ToLower(strings.TrimSpace(b.Email))
	switch {
	case !address.Valid(email):
		return order.ErrIncomplete.With("its email is missing, or is none")
	case b.Number == "":
		return order.ErrIncomplete.With("its order_number is missing")
	case len(b.Lines) == 0 || len(b.Lines) > maxItems:
		return order.ErrIncomplete.With(fmt.Sprintf("it must have 1 to %d line_items", maxItems))
	}
	id := h.id(via, b)
	c := commands.PlaceOrder{Order: order.OrderPlaced{
		Tenant: h.Tenant, OrderID: id, Number: clip(string(b.Number)), Via: via, BuyerID: h.Keys.PersonID(h.Tenant, email), Buyer: email,
	}}
	for i, l := range b.Lines {
		who := l.organizer(email)
		switch {
		case l.Product == "" || strings.TrimSpace(l.Name) == "":
			return order.ErrIncomplete.With("a line item lacks product_id or name")
		case !address.Valid(who):
			return order.ErrIncomplete.With("a line item's email is none")
		}
		c.Items = append(c.Items, order.ItemOrdered{
			Tenant: h.Tenant, OrderID: id, Item: i + 1, Line: clip(string(l.ID)), Product: clip(string(l.Product)), Name: clip(l.Name),
			OrganizerID: h.Keys.PersonID(h.Tenant, who), Organizer: who,
		})
	}
	return h.settle(ctx, id, via+"/order", c)
}

// organizer is whom an item is for: its own address if it names one, else the buyer's.
func (l line) organizer(buyer string) string {
	for _, p := range l.Properties {
		if v, ok := p.Value.(string); ok && strings.EqualFold(strings.TrimSpace(p.Name), "email") && strings.TrimSpace(v) != "" {
			return strings.ToLower(strings.TrimSpace(v))
		}
	}
	if l.Email != "" {
		return strings.ToLower(strings.TrimSpace(l.Email))
	}
	return buyer
}

// end records that an order, or those of its lines that are named, does not pay any more.
func (h *Hooks) end(ctx context.Context, via string, b bought, reason string) error {
	if b.ID == "" && b.Number == "" {
		return order.ErrIncomplete.With("it does not say which order it is about")
	}
	id := h.id(via, b)
	c := commands.EndOrder{Tenant: h.Tenant, OrderID: id, Reason: reason}
	for _, l := range b.Lines {
		if l.ID != "" {
			c.Lines = append(c.Lines, clip(string(l.ID)))
		}
	}
	return h.settle(ctx, id, via+"/end/"+strings.Join(c.Lines, ","), c)
}

// id is the order's here: by what the processor calls it, or else by its number.
func (h *Hooks) id(via string, b bought) string {
	if b.ID != "" {
		return h.Keys.OrderID(h.Tenant, via, "id", string(b.ID))
	}
	return h.Keys.OrderID(h.Tenant, via, "number", string(b.Number))
}

// settle carries out what was said about an order, and then has every account agree with it. Said again after a crash, it
// completes what was left undone.
func (h *Hooks) settle(ctx context.Context, id, what string, c commands.Command[order.State, order.Fact]) error {
	s, err := h.Handler.ForOrder(ctx, commands.From("order", h.Tenant, id+"/"+what, 0), c)
	if err != nil {
		return err
	}
	for _, item := range s.Items {
		ref, which := organizer.Ref{Tenant: h.Tenant, OrganizerID: item.OrganizerID}, organizer.Item{OrderID: id, Number: item.Item}
		if reason := s.Over(item); reason != "" {
			meta := commands.From("order/end", h.Tenant, id, item.Item)
			_, err = h.Handler.ForOrganizer(ctx, meta, commands.EndSubscription{Organizer: ref, Item: which, Reason: reason})
		} else {
			meta := commands.From("order/start", h.Tenant, id, item.Item)
			_, err = h.Handler.ForOrganizer(ctx, meta, commands.StartSubscription{
				Organizer: ref, Address: item.Organizer, Item: which, Product: item.Product, Name: item.Name, Number: s.Number,
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func answer(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write([]byte(`"OK"`))
	return err
}

func clip(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
