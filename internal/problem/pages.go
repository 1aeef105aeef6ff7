package problem

import (
	_ "embed" // problems.md
	"net/http"
	"strings"

	"github.com/calendar-invite-server/cis/internal/webpage"
	"github.com/gorilla/mux"
)

//go:embed problems.md
var catalogue string

// Meaning is a line of problems.md, the list of all refusals.
type Meaning struct{ Code, Status, Means, Do string }

// Meanings are all refusals, by code.
func Meanings() (list []Meaning) {
	for line := range strings.Lines(catalogue) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.TrimSpace(cells[0]) == "code" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		list = append(list, Meaning{cells[0], cells[1], cells[2], cells[3]})
	}
	return list
}

var page = webpage.New(`{{define "title"}}Refusals{{end}}{{define "content"}}<h1>{{if eq (len .) 1}}{{(index . 0).Code}}{{else}}Refusals{{end}}</h1>
<dl>{{range .}}<dt id="{{.Code}}">{{.Code}} ({{.Status}})</dt><dd>{{.Means}}.{{with .Do}}
{{.}}{{end}}</dd>{{end}}</dl>{{end}}`)

// RegisterPages adds the pages that the types of refusals name.
func RegisterPages(r *mux.Router) {
	all := Meanings()
	r.HandleFunc("/problems", func(w http.ResponseWriter, _ *http.Request) { _ = page.Show(w, http.StatusOK, all) }).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/problems/{code}", func(w http.ResponseWriter, req *http.Request) {
		for _, m := range all {
			if m.Code == mux.Vars(req)["code"] {
				_ = page.Show(w, http.StatusOK, []Meaning{m})
				return
			}
		}
		_ = page.Show(w, http.StatusNotFound, all)
	}).Methods(http.MethodGet, http.MethodHead)
}
