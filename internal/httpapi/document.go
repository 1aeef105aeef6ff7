package httpapi

import (
	_ "embed" // docs.html
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const about = `One calendar invitation in, native and individual invitations out, every answer counted.

The published routes stand at the root; everything else is below ` + "`/v1`" + `. Times below ` + "`/v1`" + ` are RFC 3339 in UTC, at the root Unix
seconds. Lists are paged by cursor: ` + "`next`" + ` in an answer is the ` + "`cursor`" + ` of the next call.

What changes something answers 202 with ` + "`Location`" + ` and ` + "`X-Position`" + `: a read that carries the position as ` + "`X-Min-Position`" + ` contains the
change. A read's ` + "`X-Position`" + ` says how far it was, ` + "`X-Newest`" + ` how far the log. ` + "`Idempotency-Key`" + ` makes a call safe to repeat, ` + "`If-Match`" + ` keeps it from
overwriting what somebody else changed.

Refusals are problem details (RFC 9457); ` + "`type`" + ` is stable and names a page that explains it.`

// tags group the routes, in this order.
var tags = []*huma.Tag{
	{Name: "published", Description: "The published API, as existing callers rely on it."},
	{Name: "events", Description: "What people attend."},
	{Name: "invites", Description: "Whom to invite, one by one or a table of people at once."},
	{Name: "attendees", Description: "Who was invited, and what they answered."},
	{Name: "organizers", Description: "Accounts of the people whose events they are."},
	{Name: "recipients", Description: "What people want none of."},
	{Name: "mails", Description: "Mail that came in and waits for somebody to decide, and mail that is owed."},
	{Name: "webhooks", Description: "Being told what happens, by calls (Standard Webhooks) or as a stream (Server-Sent Events)."},
	{Name: "access", Description: "Keys, members and who you are."},
	{Name: "history", Description: "What happened, in the words of the log."},
	{Name: "system", Description: "All of a tenant in numbers."},
	{Name: "installation", Description: "Tenants and read models: for who runs the server."},
	{Name: "orders", Description: "What payment processors report."},
	{Name: "pages", Description: "What people open in a browser, without a key."},
}

func document(opts Options) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Calendar Invite Server", Version: opts.Version, Description: about,
			License: &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"},
			Contact: &huma.Contact{Name: "Calendar Invite Server", URL: "https://github.com/calendar-invite-server/cis"},
		},
		Servers: []*huma.Server{{URL: strings.TrimSuffix(opts.PublicURL, "/"), Description: "This server"}},
		Tags:    tags,
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"key":     {Type: "apiKey", In: "header", Name: "x-api-key", Description: "A key, from `cis keys issue` or POST /v1/keys."},
				"bearer":  {Type: "http", Scheme: "bearer", Description: "The same key as a bearer token."},
				"session": {Type: "apiKey", In: "cookie", Name: "cis_session", Description: "A person who signed in at /sign-in."},
			},
		},
	}
}

// serveDocument serves the document, which is complete once the server runs.
func (a *API) serveDocument(w http.ResponseWriter, _ *http.Request) {
	a.finish()
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(a.json)
}

// Document is the OpenAPI document as JSON.
func (a *API) Document() []byte {
	a.finish()
	return a.json
}

func (a *API) finish() {
	a.document.Do(func() {
		var err error
		if a.json, err = json.Marshal(a.huma.OpenAPI()); err != nil {
			panic(err) // a mistake in a route's types, found by the first test
		}
		var page strings.Builder
		if err := docsPage.Execute(&page, a.chapters()); err != nil {
			panic(err)
		}
		a.docs = []byte(page.String())
	})
}

func (a *API) serveDocs(w http.ResponseWriter, _ *http.Request) {
	a.finish()
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write(a.docs)
}

//go:embed docs.html
var docsHTML string

var docsPage = template.Must(template.New("docs").Funcs(template.FuncMap{"words": words}).Parse(docsHTML))

// words are the paragraphs of a description, without Markdown's marks.
func words(s string) []string {
	return strings.Split(strings.ReplaceAll(s, "`", ""), "\n\n")
}

// manual is what the page for readers shows.
type manual struct {
	*huma.Info
	Server   string
	Chapters []chapter
}

type chapter struct {
	*huma.Tag
	Sections []section
}

type section struct {
	*huma.Operation
	Request string // an example of the body
	Answer  string // an example of the answer
	Curl    string
	Answers []answer
}

type answer struct{ Status, Meaning string }

// chapters is the document as people read it.
func (a *API) chapters() manual {
	doc := a.huma.OpenAPI()
	m := manual{Info: doc.Info, Server: doc.Servers[0].URL}
	byTag := map[string][]section{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				byTag[op.Tags[0]] = append(byTag[op.Tags[0]], a.section(doc, op))
			}
		}
	}
	for _, tag := range doc.Tags {
		if sections := byTag[tag.Name]; len(sections) > 0 {
			m.Chapters = append(m.Chapters, chapter{tag, sections})
		}
	}
	return m
}

func (a *API) section(doc *huma.OpenAPI, op *huma.Operation) section {
	s := section{Operation: op}
	curl := "curl"
	if op.Method != http.MethodGet {
		curl += " -X " + op.Method
	}
	if len(op.Security) > 0 {
		curl += ` -H "x-api-key: $KEY"`
	}
	if op.RequestBody != nil {
		for kind, media := range op.RequestBody.Content {
			curl += " -H 'content-type: " + kind + "'"
			if media.Schema != nil && strings.HasSuffix(kind, "json") {
				s.Request = pretty(example(doc, media.Schema, 0))
				curl += " -d @body.json"
			} else {
				curl += " --data-binary @file"
			}
		}
	}
	s.Curl = curl + ` "` + doc.Servers[0].URL + op.Path + `"`
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		s.Answers = append(s.Answers, answer{status, r.Description})
		if media := r.Content["application/json"]; status < "300" && media != nil && media.Schema != nil {
			s.Answer = pretty(example(doc, media.Schema, 0))
		}
	}
	return s
}

func pretty(v any) string {
	out, _ := json.MarshalIndent(v, "", "  ")
	return string(out)
}

// maxDepth keeps examples of types that hold themselves short.
const maxDepth = 6

// example is a value that a schema describes.
func example(doc *huma.OpenAPI, s *huma.Schema, depth int) any {
	if s == nil || depth > maxDepth {
		return nil
	}
	if s.Ref != "" {
		return example(doc, doc.Components.Schemas.SchemaFromRef(s.Ref), depth+1)
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case "object":
		out := map[string]any{}
		for name, p := range s.Properties {
			out[name] = example(doc, p, depth+1)
		}
		return out
	case "array":
		if v := example(doc, s.Items, depth+1); v != nil {
			return []any{v}
		}
		return []any{}
	case "integer", "number":
		return 0
	case "boolean":
		return false
	case "string":
		if s.Format == "date-time" {
			return "2026-12-04T17:00:00Z"
		}
		return "…"
	}
	return nil
}

// schemaName names a type in the document: Body and such at the end say nothing there.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for _, tail := range []string{"Body"} {
		if short := strings.TrimSuffix(name, tail); short != "" {
			name = short
		}
	}
	return name
}
