package notifier

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/calendar-invite-server/cis/domain/notice"
)

//go:embed templates
var builtIn embed.FS

// errTemplate says that a mail cannot be written because of its template. The mail stays owed.
var errTemplate = errors.New("the template cannot be used")

// methods are the mails there are, by template, and of a calendar mail its METHOD.
var methods = map[string]string{
	"invite":                         "REQUEST",
	"update":                         "REQUEST",
	"cancel":                         "CANCEL",
	"withdrawn":                      "CANCEL",
	"reminder":                       "",
	string(notice.Crasher):           "CANCEL",
	string(notice.DeclineCounter):    "DECLINECOUNTER",
	string(notice.EventCreated):      "",
	testEnvironment:                  "",
	string(notice.Counter):           "",
	string(notice.Forward):           "",
	string(notice.Refused):           "",
	string(notice.EventLimit):        "",
	string(notice.Enrolled):          "",
	string(notice.SubscriptionEnded): "",
	string(notice.Status):            "",
	string(notice.Report):            "",
	string(notice.Undone):            "",
	string(notice.Help):              "",
	string(notice.BulkSummary):       "",
	string(notice.SignIn):            "",
	string(notice.Operator):          "",
}

// testEnvironment is the confirmation of a new event on an installation for trying things out.
const testEnvironment = "event-created-test"

// Templates are the texts of mails: those built in, and what an installation has instead of them. A folder holds NAME.txt
// (whose first line is "Subject: …") and NAME.html; in LANGUAGE/ those of a language, and in tenants/TENANT/, with
// LANGUAGE/ below it, those of a tenant. {placeholder} stands for a value; everything Go's templates can do works too.
type Templates struct {
	sets map[setKey]*set
}

type setKey struct{ tenant, language string }

type set struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// LoadTemplates reads the built-in templates and, if dir is not empty, what it has instead. It fails with all that is
// wrong with them: a file nobody asks for, a placeholder that stands for nothing, a template that does not work.
func LoadTemplates(dir string) (*Templates, error) {
	source, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, err
	}
	t := &Templates{sets: map[setKey]*set{}}
	standard := layer{source, "."}
	if err := t.load(setKey{}, []layer{standard}); err != nil || dir == "" {
		return t, err
	}
	own := os.DirFS(dir)
	if _, err := fs.Stat(own, "."); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	var problems []error
	languages := folders(own, ".")
	for _, tenant := range append([]string{""}, folders(own, "tenants")...) {
		base := path.Join("tenants", tenant)
		all := languages
		if tenant != "" {
			all = append(slices.Clip(languages), folders(own, base)...)
		}
		for _, language := range slices.Compact(slices.Sorted(slices.Values(append([]string{""}, all...)))) {
			layers := []layer{standard, {own, "."}}
			for _, l := range []struct {
				dir  string
				used bool
			}{{language, language != ""}, {base, tenant != ""}, {path.Join(base, language), tenant != "" && language != ""}} {
				if _, err := fs.Stat(own, l.dir); l.used && err == nil {
					layers = append(layers, layer{own, l.dir})
				}
			}
			problems = append(problems, t.load(setKey{tenant, language}, layers))
		}
	}
	return t, errors.Join(problems...)
}

// folders are those in a folder, but for the tenants'.
func folders(files fs.FS, dir string) (names []string) {
	entries, _ := fs.ReadDir(files, dir) // there may be none
	for _, e := range entries {
		if e.IsDir() && e.Name() != "tenants" {
			names = append(names, e.Name())
		}
	}
	return names
}

// layer is a folder of templates; later layers stand in front of earlier ones.
type layer struct {
	files fs.FS
	dir   string
}

// load parses the templates of one tenant and language, and tries each.
func (t *Templates) load(key setKey, layers []layer) error {
	s := &set{text: texttemplate.New("").Funcs(texttemplate.FuncMap{"mso": func(s string) string { return s }}), html: htmltemplate.New("").Funcs(htmltemplate.FuncMap{"mso": mso})}
	var problems []error
	for _, l := range layers {
		entries, err := fs.ReadDir(l.files, l.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.IsDir() {
				problems = append(problems, s.parse(l, e.Name()))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	t.sets[key] = s
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		if _, _, _, err := s.render(name, sampleView()); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (s *set) parse(l layer, file string) error {
	name, kind, _ := strings.Cut(file, ".")
	if _, known := methods[name]; !known && name != "frame" || kind != "txt" && kind != "html" {
		return fmt.Errorf("%s is no template: they are NAME.txt and NAME.html, where NAME is one of frame, %s", path.Join(l.dir, file), strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
	}
	data, err := fs.ReadFile(l.files, path.Join(l.dir, file))
	if err != nil {
		return err
	}
	text, err := placeholders(string(data))
	if err == nil && kind == "txt" {
		if name != "frame" && !strings.HasPrefix(text, "Subject: ") {
			err = errors.New(`its first line must be "Subject: …"`)
		} else {
			_, err = s.text.New(file).Parse(text)
		}
	} else if err == nil {
		_, err = s.html.New(file).Parse(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path.Join(l.dir, file), err)
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}|\{[a-z_]+\}`)

// fields are the placeholders there are, and the fields of a view they stand for.
var fields = func() map[string]string {
	out := map[string]string{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[view]()) {
		if f.Type.Kind() != reflect.String && f.Type.Kind() != reflect.Int {
			continue
		}
		name := f.Tag.Get("as")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out[name] = f.Name
	}
	return out
}()

// placeholders turns {summary} into what Go's templates understand.
func placeholders(text string) (string, error) {
	var unknown []string
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "{{") {
			return m
		}
		field, ok := fields[strings.Trim(m, "{}")]
		if !ok {
			unknown = append(unknown, m)
		}
		return "{{." + field + "}}"
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("%s stands for nothing; there are {%s}", strings.Join(unknown, ", "), strings.Join(slices.Sorted(maps.Keys(fields)), "}, {"))
	}
	return out, nil
}

// mso is markup that only Outlook for Windows reads; html/template would take the comment out.
func mso(markup string) htmltemplate.HTML {
	return htmltemplate.HTML("<!--[if mso]>" + markup + "<![endif]-->") //nolint:gosec // written in templates, not in mails
}

// find is the most specific set for a tenant and a language.
func (t *Templates) find(tenant, language string) *set {
	for _, key := range []setKey{{tenant, language}, {tenant, ""}, {"", language}, {}} {
		if s := t.sets[key]; s != nil {
			return s
		}
	}
	return nil
}

// render writes a mail's subject and its two bodies. It fails with errTemplate.
func (s *set) render(name string, v view) (subject, text, html string, err error) {
	var plain, rich bytes.Buffer
	if s == nil || s.text.Lookup(name+".txt") == nil || s.html.Lookup(name+".html") == nil {
		return "", "", "", fmt.Errorf("%w: %s.txt or %s.html is missing", errTemplate, name, name)
	}
	if err := s.text.ExecuteTemplate(&plain, name+".txt", v); err != nil {
		return "", "", "", fmt.Errorf("%w: %w", errTemplate, err)
	}
	if err := s.html.ExecuteTemplate(&rich, name+".html", v); err != nil {
		return "", "", "", fmt.Errorf("%w: %w", errTemplate, err)
	}
	head, body, _ := strings.Cut(plain.String(), "\n")
	return oneLine(strings.TrimPrefix(head, "Subject: ")), strings.TrimLeft(body, "\n"), rich.String(), nil
}

// Names lists the mails there are.
func (t *Templates) Names() []string { return slices.Sorted(maps.Keys(methods)) }

// Export writes the built-in templates into a folder, to be changed there.
func Export(dir string) error {
	source, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, source)
}

// Preview is a mail as it would look, about an event that could be.
type Preview struct {
	Text string
	HTML string
	Mail []byte
}

// Preview writes a mail of one of [Templates.Names] for a tenant and a language.
func (c *Composer) Preview(name, tenant, language string) (Preview, error) {
	own := *c
	own.Test = name == testEnvironment
	if _, ok := methods[name]; !ok {
		return Preview{}, fmt.Errorf("there is no mail %q; there are %s", name, strings.Join(c.templates.Names(), ", "))
	}
	l := sampleLetter(name)
	l.tenant, l.own.Language = tenant, language
	switch name { // to organizers no link to unsubscribe with, to attendees nowhere to write to
	case "invite", "update", "cancel", "withdrawn", "reminder", string(notice.Crasher), string(notice.DeclineCounter):
		l.reply, l.file = "", nil
	default:
		l.unsub, l.to, l.event.ReplyTo = pass{}, person{l.own.Address, l.own.Name}, ""
	}
	if own.Test {
		l.kind = string(notice.EventCreated)
	}
	v := own.view(l)
	subject, text, html, err := c.templates.find(tenant, language).render(name, v)
	if err != nil {
		return Preview{}, err
	}
	mail, err := own.compose(l, sampleTime)
	return Preview{Text: "Subject: " + subject + "\n\n" + text, HTML: html, Mail: mail.Data}, err
}
