package ical

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-ical"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Bounds of what is read. A calendar beyond them is refused, a line or parameter beyond them dropped.
const (
	MaxBytes  = 6 << 20 // of a calendar file
	maxLine   = 64 << 10
	maxParams = 8 << 10 // of one line's parameters
	maxDepth  = 8       // of nested components
	maxComps  = 100_000 // components
)

var (
	// ErrTooLarge says that a calendar exceeds [MaxBytes].
	ErrTooLarge = errors.New("the calendar is too large")
	// ErrTooDeep says that components are nested deeper than any calendar needs.
	ErrTooDeep = errors.New("the calendar's components are nested too deep, or too many")
	// ErrNoCalendar says that there is no VCALENDAR in it.
	ErrNoCalendar = errors.New("there is no VCALENDAR in it")
)

// parse builds the component trees of all calendars. Problems that were dropped come back beside them.
func parse(data []byte) ([]*ical.Component, []string, error) {
	if len(data) > MaxBytes {
		return nil, nil, ErrTooLarge
	}
	p := parser{}
	for n, line := range unfold(text(data)) {
		if len(line) > maxLine {
			p.note("line %d is longer than %d bytes", n, maxLine)
			continue
		}
		if len(p.stack) == 0 { // outside of everything
			if line = strings.TrimSpace(line); len(line) < 6 || !strings.EqualFold(line[:6], "BEGIN:") {
				continue
			}
		}
		prop, err := parseLine(line)
		if err != nil {
			p.note("line %d: %v", n, err)
			continue
		}
		if err := p.take(n, prop); err != nil {
			return nil, p.problems, err
		}
	}
	if len(p.roots) == 0 {
		return nil, p.problems, ErrNoCalendar
	}
	return p.roots, p.problems, nil
}

// parser is the state between lines.
type parser struct {
	roots    []*ical.Component // calendars
	stack    []*ical.Component // open components
	bare     *ical.Component   // the calendar around components that stand in none
	comps    int
	problems []string
}

func (p *parser) note(format string, args ...any) {
	if len(p.problems) < 50 {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
}

// take adds a line to the tree. It fails with [ErrTooDeep].
func (p *parser) take(n int, prop *ical.Prop) error {
	name := strings.ToUpper(strings.TrimSpace(prop.Value))
	switch prop.Name {
	case "BEGIN":
		if p.comps++; len(p.stack) >= maxDepth || p.comps > maxComps {
			return ErrTooDeep
		}
		comp := ical.NewComponent(name)
		switch {
		case name == ical.CompCalendar: // also inside of one that nobody closed
			p.roots, p.stack = append(p.roots, comp), p.stack[:0]
		case len(p.stack) > 0:
			top := p.stack[len(p.stack)-1]
			top.Children = append(top.Children, comp)
		case components[name]: // QUIRK: exports that are only a VEVENT
			if p.bare == nil {
				p.bare = ical.NewComponent(ical.CompCalendar)
				p.roots = append(p.roots, p.bare)
				p.note("line %d: a %s outside of a VCALENDAR", n, name)
			}
			p.bare.Children = append(p.bare.Children, comp)
		default:
			p.note("line %d: a %.40q outside of a VCALENDAR is left out", n, name)
		}
		p.stack = append(p.stack, comp)
	case "END":
		for i := len(p.stack) - 1; i >= 0; i-- { // an END closes what was left open inside
			if p.stack[i].Name == name {
				p.stack = p.stack[:i]
				break
			}
		}
	default:
		if len(p.stack) > 0 {
			p.stack[len(p.stack)-1].Props.Add(prop)
		}
	}
	return nil
}

// components may stand in a calendar (RFC 5545 §3.6).
var components = map[string]bool{
	ical.CompEvent: true, ical.CompToDo: true, ical.CompJournal: true, ical.CompFreeBusy: true, ical.CompTimezone: true,
}

// text makes valid UTF-8 without byte order mark and NUL, with line ends of one byte. What is not UTF-8 is taken for windows-1252, the superset of
// Latin-1 that mails mean when they say nothing.
func text(data []byte) []byte {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		if decoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data); err == nil {
			data = decoded
		}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(data, 0) >= 0 {
		data = bytes.ReplaceAll(data, []byte{0}, nil)
	}
	if bytes.IndexByte(data, '\r') >= 0 { // any line end will do
		data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	if !utf8.Valid(data) {
		if decoded, err := charmap.Windows1252.NewDecoder().Bytes(data); err == nil {
			return decoded
		}
	}
	return data
}

// unfold splits content lines and joins what was folded (RFC 5545 §3.1). Lines are numbered from 1 by where they start.
func unfold(data []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		var line []byte
		start, n := 0, 0
		for len(data) > 0 {
			physical, rest, _ := bytes.Cut(data, []byte("\n"))
			data = rest
			n++
			if len(physical) == 0 { // QUIRK: line ends of CR CR LF leave blank lines, also in front of folded ones
				continue
			}
			if (physical[0] == ' ' || physical[0] == '\t') && start > 0 {
				if len(line) <= maxLine { // longer is dropped anyway
					line = append(line, physical[1:]...)
				}
				continue
			}
			if len(line) > 0 && !yield(start, string(line)) {
				return
			}
			line, start = append(line[:0], physical[:min(len(physical), maxLine+1)]...), n
		}
		if len(line) > 0 {
			yield(start, string(line))
		}
	}
}

// times are the properties whose values are dates and times.
var times = map[string]bool{
	ical.PropDateTimeStart: true, ical.PropDateTimeEnd: true, ical.PropRecurrenceID: true, ical.PropRecurrenceDates: true, ical.PropExceptionDates: true, ical.PropDue: true,
}

var errNoColon = errors.New("no colon")

// parseLine reads NAME *(;PARAM=VALUE) : VALUE (RFC 5545 §3.1). Parameters that cannot be read are dropped.
func parseLine(line string) (*ical.Prop, error) {
	end := strings.IndexAny(line, ";:")
	if end <= 0 {
		return nil, errNoColon
	}
	prop := ical.NewProp(strings.TrimSpace(line[:end]))
	rest := line[end:]
	colon := valueColon(rest)
	if times[prop.Name] { // QUIRK: TZID=tzone://Microsoft/Utc and TZID=(UTC-05:00) … without quotes; a time has no colon
		colon = strings.LastIndexByte(rest, ':')
	}
	if colon < 0 {
		return nil, errNoColon
	}
	prop.Value = rest[colon+1:]
	if colon <= maxParams {
		for _, param := range splitQuoted(rest[:colon], ';') {
			name, value, ok := strings.Cut(param, "=")
			if !ok || name == "" {
				continue
			}
			for _, v := range splitQuoted(value, ',') {
				prop.Params.Add(strings.TrimSpace(name), strings.ReplaceAll(v, `"`, ""))
			}
		}
	}
	return prop, nil
}

// valueColon finds the colon that ends the parameters: the first one outside of quotes, or, where a quote is never
// closed, the first one at all.
func valueColon(s string) int {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				return i
			}
		}
	}
	return strings.IndexByte(s, ':')
}

func splitQuoted(s string, sep byte) []string {
	var out []string
	quoted, start := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape reads a TEXT value (RFC 5545 §3.3.11) to its end: an unescaped comma belongs to it.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n', 'N':
			b.WriteByte('\n')
		default: // \\ \; \, and, as some write, \" \:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
