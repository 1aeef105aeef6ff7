// Package webpage is how the pages that people open in a browser look: plain, quick, usable by keyboard and screen
// reader, on a telephone, and without JavaScript. Buttons post; looking at a page changes nothing.
package webpage

import (
	"bytes"
	_ "embed" // frame.html
	"html/template"
	"net/http"
)

//go:embed frame.html
var frame string

// Page is a page that can be shown.
type Page struct{ t *template.Template }

// New makes a page: title and content are its blocks, in html/template's language.
func New(content string) Page {
	return Page{template.Must(template.Must(template.New("frame").Parse(frame)).Parse(content))}
}

// Show answers with the page. Nothing from elsewhere is loaded, nobody may frame it, and no program keeps it.
func (p Page) Show(w http.ResponseWriter, status int, data any) error {
	var buf bytes.Buffer
	if err := p.t.Execute(&buf, data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, err := w.Write(buf.Bytes())
	return err
}
