package orders

import (
	"net/http"

	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/danielgtaylor/huma/v2"
)

// Describe adds the routes to the API's description. What is signed is the body as it was sent, so that no framework may
// read it first.
func Describe(to *httpapi.API) {
	answers := map[string]string{"200": "It is on the record", "401": "It is not genuine", "404": "It is incomplete", "413": "It is too large", "503": "A part of the server cannot be reached right now"}
	body := func(example map[string]any) *huma.RequestBody {
		return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: "object", Examples: []any{example}}}}}
	}
	to.Describe(httpapi.Route{
		Method: http.MethodPost, Path: "/order", ID: "shopify-order", Tag: "orders", Summary: "An order, as Shopify reports it",
		About: "Proven by `X-Shopify-Hmac-Sha256` over the body, which may be base64. Needs `email`, `order_number` and `line_items[].{product_id,name}`; a line item's property `email` " +
			"names the organizer it pays for.",
		Body: body(map[string]any{"email": "olga@example.com", "order_number": 1001, "line_items": []any{map[string]any{"product_id": 1, "name": "One year"}}}),
	}, answers)
	to.Describe(httpapi.Route{
		Method: http.MethodPost, Path: "/order/webhook", ID: "order", Tag: "orders", Summary: "An order, as other payment processors report it",
		About: "Signed after Standard Webhooks.", Body: body(map[string]any{"type": "order.paid", "data": map[string]any{"id": "1", "order_number": "1001", "email": "olga@example.com"}}),
	}, answers)
}
