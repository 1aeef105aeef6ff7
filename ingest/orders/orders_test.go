package orders_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/ingest/orders"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/gorilla/mux"
)

type shop struct {
	*testing.T
	hooks  *orders.Hooks
	router *mux.Router
}

func newShop(t *testing.T) shop {
	keys, err := secret.New("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	h := &orders.Hooks{
		Handler: commands.NewHandler(factstest.NewLog(t), commands.Limits{Events: 5}), Keys: keys, Tenant: "default", Shopify: "hush",
		Secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("other")), Log: slog.New(slog.DiscardHandler),
	}
	r := mux.NewRouter()
	h.Register(r)
	return shop{t, h, r}
}

func sign(key, content string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(content))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s shop) post(path, body string, header ...string) (int, string) {
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func (s shop) shopify(topic, body string) (int, string) {
	return s.post("/order", body, "X-Shopify-Topic", topic, "X-Shopify-Hmac-Sha256", sign("hush", body))
}

// paid says how many subscriptions somebody has.
func (s shop) paid(addr string) int {
	s.Helper()
	o, err := s.hooks.Handler.FreshOrganizer(context.Background(), s.hooks.Keys.PersonID("default", addr))
	if err != nil {
		s.Fatal(err)
	}
	return len(o.Paid)
}

const items = `"line_items":[
	{"id":1,"product_id":11,"name":"Basic","properties":[{"name":"Email","value":" Ann@Example.com "}]},
	{"id":2,"product_id":"12","name":"Plus","properties":[]},
	{"id":3,"product_id":13,"name":"Pro","properties":[{"name":"email","value":"bob@example.com"},{"name":"colour","value":7}]}]`

const order = `{"id":4711,"email":"buyer@example.com","order_number":1001,` + items + `}`

func TestShopify(t *testing.T) {
	s := newShop(t)
	t.Run("only genuine orders are believed", func(t *testing.T) {
		for name, header := range map[string][]string{
			"no signature": nil, "another secret": {"X-Shopify-Hmac-Sha256", sign("guess", order)}, "another body": {"X-Shopify-Hmac-Sha256", sign("hush", order+" ")},
			"nonsense": {"X-Shopify-Hmac-Sha256", "%"}, "empty": {"X-Shopify-Hmac-Sha256", ""},
		} {
			if code, body := s.post("/order", order, header...); code != 401 {
				t.Errorf("%s: %d %s", name, code, body)
			}
		}
		unset := newShop(t)
		unset.hooks.Shopify, unset.hooks.Secret = "", ""
		if code, _ := unset.post("/order", order, "X-Shopify-Hmac-Sha256", sign("", order)); code != 401 {
			t.Errorf("without a secret: %d", code)
		}
		if code, _ := unset.post("/order/webhook", order, standard("", "1", order)...); code != 401 {
			t.Errorf("without a secret: %d", code)
		}
		if s.paid("ann@example.com") != 0 {
			t.Error("somebody was enrolled")
		}
	})
	t.Run("incomplete orders are 404, as published", func(t *testing.T) {
		for name, body := range map[string]string{
			"no email": `{"order_number":1,` + items + `}`, "no number": `{"email":"a@b.example",` + items + `}`, "no items": `{"email":"a@b.example","order_number":1}`,
			"no product": `{"email":"a@b.example","order_number":1,"line_items":[{"name":"x"}]}`, "no name": `{"email":"a@b.example","order_number":1,"line_items":[{"product_id":1}]}`,
			"no JSON": `hello`, "a bad address": `{"email":"a@b.example","order_number":1,"line_items":[{"product_id":1,"name":"x","properties":[{"name":"email","value":"nobody"}]}]}`,
			"a list": `[]`,
		} {
			if code, got := s.shopify("orders/create", body); code != 404 {
				t.Errorf("%s: %d %s", name, code, got)
			}
		}
	})
	t.Run("an order enrols everybody it names, once", func(t *testing.T) {
		for range 2 {
			if code, body := s.shopify("orders/create", order); code != 200 {
				t.Fatal(code, body)
			}
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(order))
		for _, signature := range []string{sign("hush", order), sign("hush", encoded)} { // a gateway encodes what Shopify signed
			if code, body := s.post("/order", encoded, "X-Shopify-Hmac-Sha256", signature); code != 200 {
				t.Fatal(code, body)
			}
		}
		if a, b, c := s.paid("ann@example.com"), s.paid("buyer@example.com"), s.paid("bob@example.com"); a != 1 || b != 1 || c != 1 {
			t.Errorf("%d %d %d", a, b, c)
		}
	})
	t.Run("a refund ends what was refunded, a cancellation all of it", func(t *testing.T) {
		if code, _ := s.shopify("refunds/create", `{"id":9,"order_id":4711,"refund_line_items":[{"line_item_id":3}]}`); code != 200 {
			t.Fatal(code)
		}
		if a, b := s.paid("ann@example.com"), s.paid("bob@example.com"); a != 1 || b != 0 {
			t.Errorf("%d %d", a, b)
		}
		if code, _ := s.shopify("orders/cancelled", order); code != 200 {
			t.Fatal(code)
		}
		if code, _ := s.shopify("orders/create", order); code != 200 { // delivered once more, late
			t.Fatal(code)
		}
		if a, b, c := s.paid("ann@example.com"), s.paid("buyer@example.com"), s.paid("bob@example.com"); a+b+c != 0 {
			t.Errorf("%d %d %d", a, b, c)
		}
	})
	t.Run("a cancellation that comes before its order counts", func(t *testing.T) {
		early := strings.Replace(order, "4711", "4712", 1)
		if code, _ := s.shopify("orders/cancelled", early); code != 200 {
			t.Fatal(code)
		}
		if code, _ := s.shopify("orders/create", early); code != 200 || s.paid("ann@example.com") != 0 {
			t.Error(code)
		}
	})
	t.Run("topics of no interest are taken and forgotten", func(t *testing.T) {
		if code, _ := s.shopify("orders/fulfilled", strings.Replace(order, "4711", "4713", 1)); code != 200 || s.paid("ann@example.com") != 0 {
			t.Error(code)
		}
	})
}

// standard are the headers of Standard Webhooks.
func standard(key, id, body string) []string {
	stamp := fmt.Sprint(time.Now().Unix())
	return []string{"webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", "v1,bm9uc2Vuc2U= v1," + sign(key, id+"."+stamp+"."+body)}
}

func TestStandard(t *testing.T) {
	s := newShop(t)
	body := `{"type":"order.paid","data":{"order_id":"A-1","order_number":"1001","email":"buyer@example.com","line_items":[{"id":"x","product_id":"p","name":"Pro","email":"ann@example.com"}]}}`
	if code, got := s.post("/order/webhook", body, standard("guess", "m1", body)...); code != 401 {
		t.Errorf("forged: %d %s", code, got)
	}
	old := standard("other", "m1", body)
	old[3] = fmt.Sprint(time.Now().Add(-time.Hour).Unix())
	if code, _ := s.post("/order/webhook", body, old...); code != 401 {
		t.Errorf("replayed: %d", code)
	}
	for range 2 {
		if code, got := s.post("/order/webhook", body, standard("other", "m1", body)...); code != 200 || s.paid("ann@example.com") != 1 {
			t.Fatal(code, got)
		}
	}
	refund := `{"type":"order.refunded","data":{"order_id":"A-1"}}`
	if code, got := s.post("/order/webhook", refund, standard("other", "m2", refund)...); code != 200 || s.paid("ann@example.com") != 0 {
		t.Error(code, got)
	}
	nonsense := `{"type":"order.eaten","data":{"order_id":"A-1"}}`
	if code, _ := s.post("/order/webhook", nonsense, standard("other", "m3", nonsense)...); code != 404 {
		t.Error(code)
	}
}
