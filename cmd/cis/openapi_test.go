package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// described is what the API says about itself, as far as tests use it.
type described struct {
	OpenAPI    string
	Paths      map[string]map[string]*operation
	Components struct {
		Schemas map[string]map[string]any
	}

	operations []*operation
	compiler   *jsonschema.Compiler
}

type operation struct {
	method, path string
	OperationID  string
	Summary      string
	Tags         []string
	Security     []map[string][]string
	Parameters   []parameter
	RequestBody  *struct{ Content map[string]media }
	Responses    map[string]struct{ Content map[string]media }
}

type parameter struct {
	Name, In string
	Required bool
	Schema   map[string]any
}

type media struct{ Schema map[string]any }

// describe reads the document of a running server.
func (s *stage) describe(t testing.TB) *described {
	t.Helper()
	raw := s.app.api.Document()
	d := &described{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("api.json", whole); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			op.method, op.path = strings.ToUpper(method), path
			d.operations = append(d.operations, op)
		}
	}
	return d
}

// TestOpenAPI holds the document against the router, and itself.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	d := s.describe(t)
	if d.OpenAPI != "3.1.0" || len(d.operations) < 70 {
		t.Errorf("%s, %d operations", d.OpenAPI, len(d.operations))
	}
	said, ids := map[string]bool{}, map[string]bool{}
	for _, op := range d.operations {
		said[op.method+" "+op.path] = true
		if op.Summary == "" || len(op.Tags) != 1 || ids[op.OperationID] || op.Security == nil {
			t.Errorf("%s %s lacks something: %+v", op.method, op.path, op)
		}
		ids[op.OperationID] = true
		for _, status := range []string{"500", "429"} {
			if _, ok := op.Responses[status]; !ok && op.Tags[0] != "orders" {
				t.Errorf("%s %s does not say %s", op.method, op.path, status)
			}
		}
	}
	// What people open in a browser, and doors for machines of ours, are no part of the API.
	pages := regexp.MustCompile(`^/(docs|openapi\.json|thanks|sign-in|sign-out|account|s/|rsvp/|invite/|events/|schedule/|unsubscribe/|mail/|livez|readyz|metrics|problems)`)
	constraint := regexp.MustCompile(`\{([a-z]+):[^}]*\}+`)
	err := s.app.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		path = constraint.ReplaceAllString(path, "{$1}")
		for _, m := range methods {
			if m != "HEAD" && !pages.MatchString(path) && !said[m+" "+path] {
				t.Errorf("the document does not know %s %s", m, path)
			}
			delete(said, m+" "+path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for route := range said {
		t.Errorf("the document knows %s, the router does not", route)
	}
	ctx := within(t, 10*time.Second)
	for path, want := range map[string]int{"/problems": 200, "/problems/event-unknown": 200, "/problems/nonsense": 404} {
		s.must(t, ctx, want, "GET", path, "", nil)
	}
	if r := s.must(t, ctx, 200, "GET", "/docs", "", nil); strings.Contains(string(r.body), "<script") || strings.Contains(string(r.body), "https://unpkg") || !strings.Contains(string(r.body), "/v1/events/{uid}/invites") {
		t.Error("the page needs the network, or lacks something")
	}
}

// TestAnything calls every route with what the document allows, and with what it does not, as callers who may and who
// may not: no answer is a failure of ours, and every answer is one the document knows. CIS_TEST_REQUESTS says how often;
// a failing run is shrunk to the smallest calls that fail.
func TestAnything(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_API_RATE": "0", "CIS_CLIENT_RATE": "0", "CIS_PRIVATE_WEBHOOKS": "on", "CIS_TRUSTED_PROXIES": "127.0.0.1"})
	ctx := within(t, 10*time.Minute)
	d := s.describe(t)
	acme := s.newTenant(t, ctx, "acme")
	s.newTenant(t, ctx, "spare")
	uid := s.create(t, ctx, s.key, party("olga@organizer.example", "Anything"))
	series := party("olga@organizer.example", "Series")
	series["rrule"] = "FREQ=DAILY;COUNT=9"
	var ann struct{ Results []struct{ ID string } }
	s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, map[string]any{"invites": []map[string]string{{"address": "ann@example.com"}}}).into(t, &ann)
	var org, table, hook, weak struct{ ID, Key string }
	s.must(t, ctx, 202, "PATCH", "/v1/organizers/olga@organizer.example", s.key, map[string]any{"bulk": true}).into(t, &org)
	s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites/table", s.key, "email\nbob@example.com\n", "Content-Type", "text/csv").into(t, &table)
	s.must(t, ctx, 201, "POST", "/v1/webhooks", s.key, map[string]any{"url": "http://127.0.0.1:1/"}).into(t, &hook)
	s.must(t, ctx, 201, "POST", "/v1/keys", s.key, map[string]any{"name": "weak", "scopes": []string{"events:read"}}).into(t, &weak)
	g := &guesses{
		described: d,
		real: map[string][]string{
			"uid": {uid, s.create(t, ctx, s.key, series), s.create(t, ctx, acme, party("olga@organizer.example", "Acme's"))}, "attendee": {ann.Results[0].ID, org.ID}, "organizer": {org.ID, "olga@organizer.example", "new@organizer.example"},
			"table": {table.ID}, "webhook": {hook.ID}, "key": {weak.ID}, "tenant": {"spare"}, "recipient": {"ann@example.com"}, "member": {"ada@example.com"},
			"mail": {strings.Repeat("0", 32)}, "message": {"00000000-0000-4000-8000-000000000000"}, "instance": {"20270101T180000Z"}, "cursor": {""}, "X-Tenant": {"acme", "default"},
			"X-Min-Position": {"1"}, "email": {"eve@example.com"}, "landing": {"https://x.example"}, "origin": {"api"}, "If-Match": {`"0"`, "*"},
		},
		keys: []string{s.key, s.key, s.key, s.key, s.key, s.key, s.key, s.key, s.key, s.key, s.key, acme, acme, weak.Key, weak.Key, "", "cis_0123456789abcdef_x", "nonsense"},
	}
	want := 1500
	if n, err := strconv.Atoi(os.Getenv("CIS_TEST_REQUESTS")); err == nil {
		want = n
	}
	var sent atomic.Int64
	answers := map[int]int{}
	const perCheck = 15
	for checks := 0; checks < want/perCheck && !t.Failed(); checks += 100 { // rapid checks a hundred times
		rapid.Check(t, func(rt *rapid.T) {
			for range perCheck {
				op := rapid.SampledFrom(d.operations).Draw(rt, "operation")
				if op.OperationID == "live" {
					continue
				}
				c := g.call(rt, op)
				n := sent.Load()
				c.headers = append(c.headers, "X-Forwarded-For", fmt.Sprintf("10.%d.%d.1", n/256%256, n%256)) // nobody calls too often
				r := s.call(t, ctx, op.method, c.url, c.key, c.body, c.headers...)
				sent.Add(1)
				answers[r.status]++
				if err := d.check(op, r); err != nil {
					rt.Fatalf("%s %s %q %v as %q: %v", op.method, c.url, c.body, c.headers, c.key, err)
				}
			}
		})
	}
	t.Logf("%d requests: %v", sent.Load(), answers)
	for _, status := range []int{200, 202, 400, 401, 403, 404} {
		if answers[status] == 0 {
			t.Errorf("no %d among the answers: the guesses are poor", status)
		}
	}
}

// check holds an answer against the document.
func (d *described) check(op *operation, r reply) error {
	if r.status >= 500 {
		return fmt.Errorf("%d %s", r.status, r.body)
	}
	said, ok := op.Responses[strconv.Itoa(r.status)]
	if !ok {
		return fmt.Errorf("the document does not know %d: %s", r.status, r.body)
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	content, ok := said.Content[kind]
	switch {
	case op.Tags[0] == "orders", len(r.body) == 0:
		return nil
	case !ok:
		return fmt.Errorf("%d is %q, which the document does not know: %s", r.status, kind, r.body)
	case !strings.HasSuffix(kind, "json"):
		return nil
	}
	_ = content
	schema, err := d.compiler.Compile("api.json#/paths/" + escape(op.path) + "/" + strings.ToLower(op.method) + "/responses/" + strconv.Itoa(r.status) + "/content/" + escape(kind) + "/schema")
	if err != nil {
		return err
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("%d is no JSON: %s", r.status, r.body)
	}
	if err := schema.Validate(body); err != nil {
		return fmt.Errorf("%d is not as the document says: %w: %s", r.status, err, r.body)
	}
	return nil
}

// escape is a part of a path in a JSON pointer in a URL.
func escape(s string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
}

// guesses make calls out of what the document says.
type guesses struct {
	*described
	real map[string][]string
	keys []string
}

type guessed struct {
	url, key string
	body     any
	headers  []string
}

// junk is what nobody expects.
var junk = []string{"", "x", "-1", "0", "99999999999999999999", "true", "null", "'; DROP TABLE event; --", "\u0000", "é😀\u202e", strings.Repeat("A", 5000), "../../etc/passwd", "%00", "{}", "[]", "\"", "1e400"}

func (g *guesses) call(rt *rapid.T, op *operation) guessed {
	c := guessed{url: op.path, key: rapid.SampledFrom(g.keys).Draw(rt, "key")}
	query := url.Values{}
	for _, p := range op.Parameters {
		if !p.Required && !rapid.Bool().Draw(rt, "with "+p.Name) {
			continue
		}
		v := g.value(rt, p)
		switch p.In {
		case "path":
			if v == "" {
				v = "x"
			}
			c.url = strings.ReplaceAll(c.url, "{"+p.Name+"}", url.PathEscape(v))
		case "query":
			query.Set(p.Name, v)
		case "header":
			if ascii(v) {
				c.headers = append(c.headers, p.Name, v)
			}
		}
	}
	if len(query) > 0 {
		c.url += "?" + query.Encode()
	}
	if op.RequestBody == nil {
		return c
	}
	for kind, m := range op.RequestBody.Content {
		c.headers = append(c.headers, "Content-Type", kind)
		switch n := rapid.IntRange(0, 9).Draw(rt, "body"); {
		case n == 0:
			c.body = rapid.SampledFrom(junk).Draw(rt, "junk")
		case kind == "text/csv":
			c.body = rapid.SampledFrom([]string{"email,name\nx@example.com,X\n", "email\n", "uid,email\nx,y\n", "\x00\xff", "email;name\n\"a", "name\nx\n"}).Draw(rt, "table")
		default:
			raw, err := json.Marshal(g.draw(rt, m.Schema, n > 7, 0))
			if err != nil {
				rt.Fatal(err)
			}
			c.body = string(raw)
		}
	}
	return c
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// value is something for a parameter: what there is, what there could be, or junk.
func (g *guesses) value(rt *rapid.T, p parameter) string {
	known := g.real[p.Name]
	switch n := rapid.IntRange(0, 9).Draw(rt, p.Name); {
	case n == 0:
		if p.Name == "X-Min-Position" {
			return "x"
		}
		return rapid.SampledFrom(junk).Draw(rt, "junk")
	case n < 8 && len(known) > 0:
		return rapid.SampledFrom(known).Draw(rt, p.Name)
	case len(known) > 0 && p.Name == "X-Min-Position":
		return "2"
	}
	v := g.draw(rt, p.Schema, false, 0)
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i := range list {
			parts[i] = fmt.Sprint(list[i])
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

// draw is a value that a schema describes or, if it is to be bad, one that it nearly does.
func (g *guesses) draw(rt *rapid.T, s map[string]any, bad bool, depth int) any {
	if ref, ok := s["$ref"].(string); ok {
		return g.draw(rt, g.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")], bad, depth)
	}
	if bad && depth > 0 && rapid.IntRange(0, 3).Draw(rt, "bad") == 0 {
		return rapid.SampledFrom([]any{nil, "", -1, 1.5, true, []any{}, map[string]any{}, strings.Repeat("x", 3000), "\u0000"}).Draw(rt, "wrong")
	}
	if list, ok := s["enum"].([]any); ok {
		return rapid.SampledFrom(list).Draw(rt, "one")
	}
	kind := s["type"]
	if list, ok := kind.([]any); ok {
		kind = list[0]
	}
	switch kind {
	case "object":
		return g.object(rt, s, bad, depth)
	case "array":
		items, _ := s["items"].(map[string]any)
		low, _ := s["minItems"].(float64)
		return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) any { return g.draw(rt, items, bad, depth+1) }), int(low), int(low)+2).Draw(rt, "items")
	case "integer", "number":
		low, high := 0, 1000
		if n, ok := s["minimum"].(float64); ok {
			low = int(n)
		}
		if n, ok := s["maximum"].(float64); ok {
			high = min(int(n), 100_000)
		}
		return rapid.IntRange(low, max(low, high)).Draw(rt, "number")
	case "boolean":
		return rapid.Bool().Draw(rt, "bool")
	}
	return g.text(rt, s)
}

func (g *guesses) object(rt *rapid.T, s map[string]any, bad bool, depth int) any {
	out := map[string]any{}
	required, _ := s["required"].([]any)
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		needed := slices.Contains(required, any(name))
		if needed && !(bad && rapid.IntRange(0, 5).Draw(rt, "leave out") == 0) || !needed && rapid.IntRange(0, 2).Draw(rt, "add") > 0 {
			out[name] = g.draw(rt, properties[name].(map[string]any), bad, depth+1)
		}
	}
	if bad && rapid.Bool().Draw(rt, "too much") {
		out["nonsense"] = 1
	}
	return out
}

// text is a string that a schema describes, most often one that means something.
func (g *guesses) text(rt *rapid.T, s map[string]any) any {
	if examples, ok := s["examples"].([]any); ok && rapid.IntRange(0, 3).Draw(rt, "example") > 0 {
		return rapid.SampledFrom(examples).Draw(rt, "example")
	}
	if pattern, ok := s["pattern"].(string); ok {
		return rapid.StringMatching(pattern).Draw(rt, "text")
	}
	switch s["format"] {
	case "date-time":
		return time.Unix(int64(rapid.IntRange(0, 4_000_000_000).Draw(rt, "time")), 0).UTC().Format(time.RFC3339)
	case "date":
		return time.Unix(int64(rapid.IntRange(0, 4_000_000_000).Draw(rt, "day")), 0).UTC().Format(time.DateOnly)
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	low, _ := s["minLength"].(float64)
	high, ok := s["maxLength"].(float64)
	if !ok {
		high = 40
	}
	return rapid.OneOf(rapid.SampledFrom([]string{"24h", "2027-01-01T10:00:00", "Europe/Berlin", "FREQ=DAILY;COUNT=3", "events:read", "rsvp.received", "https://example.com/", "x@example.com"}),
		rapid.StringN(int(low), min(int(high), 60), -1)).Draw(rt, "text")
}
