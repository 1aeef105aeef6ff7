// Package own is read models that are not part of the program: an analyst writes a file with tables and, for every kind of
// fact, the SQL that it runs. They are filled, followed, rebuilt and verified like all others.
//
// A file NAME.sql looks like this:
//
//	-- version: 1
//	-- tables
//	CREATE TABLE @.answers (tenant text, day date, status text, n bigint NOT NULL, PRIMARY KEY (tenant, day, status));
//	-- on RsvpReceived
//	INSERT INTO @.answers AS a VALUES (:tenant, (:at AT TIME ZONE 'UTC')::date, :status, 1)
//	ON CONFLICT (tenant, day, status) DO UPDATE SET n = a.n + 1;
//
// :name is a field of the fact as it is stored, :content.summary one inside another; :at, :position, :stream, :revision and
// :type are the record's. What is personal cannot be used: it must be possible to erase somebody without knowing these files.
//
// Start reading at [Load].
package own

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

// Load reads all files *.sql of a folder; none if it is not named.
func Load(dir string) (list []projector.Projection, err error) {
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		p, err := LoadFile(file)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// LoadFile reads one file.
func LoadFile(file string) (projector.Projection, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return projector.Projection{}, err
	}
	p, err := Parse(strings.TrimSuffix(filepath.Base(file), ".sql"), string(raw))
	if err != nil {
		return p, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

var (
	names    = regexp.MustCompile(`^[a-z][a-z0-9]{1,30}$`)
	versions = regexp.MustCompile(`(?m)^--\s*version:\s*(\d+)\s*$`)
	sections = regexp.MustCompile(`(?m)^--\s*(tables|on\s+\w+)\s*$`)
)

// reserved are the program's own.
var reserved = []string{"events", "attendees", "statistics", "organizers", "access", "inbox", "ledger", "bulk", "webhooks"}

// Parse reads a file's text. Every mistake that can be seen without a database is refused with its place.
func Parse(name, text string) (projector.Projection, error) {
	p := projector.Projection{Name: name, Version: 1, Public: true}
	if !names.MatchString(name) || slices.Contains(reserved, name) {
		return p, fmt.Errorf("%q cannot be its name: 2 to 31 characters of a-z and 0-9, beginning with a letter, and none of %s", name, strings.Join(reserved, ", "))
	}
	if m := versions.FindStringSubmatch(text); m != nil {
		p.Version, _ = strconv.Atoi(m[1])
	}
	statements := map[string][]statement{}
	at := sections.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		body := text[m[1]:end]
		if text[m[2]:m[3]] == "tables" {
			p.Tables += body
			continue
		}
		fact := strings.Fields(text[m[2]:m[3]])[1]
		zero, prefix, ok := facts.Named(fact)
		if !ok {
			return p, fmt.Errorf("line %d: there is no fact %s", line(text, m[0]), fact)
		}
		list, err := compile(body, reflect.TypeOf(zero))
		if err != nil {
			return p, fmt.Errorf("line %d, on %s: %w", line(text, m[0]), fact, err)
		}
		statements[fact] = append(statements[fact], list...)
		p.Reads = append(p.Reads, zero)
		if !slices.Contains(p.Prefixes, prefix) {
			p.Prefixes = append(p.Prefixes, prefix)
		}
	}
	switch {
	case !strings.Contains(p.Tables, "@."):
		return p, fmt.Errorf("it makes no table: a line `-- tables`, then CREATE TABLE @.name (…, PRIMARY KEY (…));")
	case len(statements) == 0:
		return p, fmt.Errorf("it looks at no fact: a line `-- on RsvpReceived`, then the SQL to run")
	}
	p.Apply = projector.PerFact(func(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
		for _, s := range statements[rec.Fact.FactName()] {
			s.queue(batch, t, rec)
		}
	})
	return p, nil
}

func line(text string, at int) int { return 1 + strings.Count(text[:at], "\n") }

// statement is SQL with numbered parameters.
type statement struct {
	sql    string
	params []param
}

type param struct {
	name  string
	index [][]int // of the fact's fields, the outer first; nil: of the record
	kind  string  // the SQL type
	empty bool    // NULL where nothing was said
}

// compile splits SQL into statements and finds their parameters. Strings, quoted names and comments are left alone.
func compile(text string, fact reflect.Type) (list []statement, err error) {
	var s statement
	var out strings.Builder
	flush := func() {
		if strings.TrimSpace(out.String()) != "" {
			s.sql = strings.TrimSpace(out.String())
			list = append(list, s)
		}
		s = statement{}
		out.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return nil, fmt.Errorf("%c is not closed", c)
			}
			out.WriteString(text[i : i+end+2])
			i += end + 1
		case strings.HasPrefix(text[i:], "--"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				end = len(text) - i
			}
			i += end - 1
		case c == ';':
			flush()
		case c == ':' && strings.HasPrefix(text[i:], "::"):
			out.WriteString("::")
			i++
		case c == ':' && i+1 < len(text) && isName(text[i+1]):
			end := i + 1
			for end < len(text) && (isName(text[end]) || text[end] == '.' && end+1 < len(text) && isName(text[end+1])) {
				end++
			}
			p, err := find(text[i+1:end], fact)
			if err != nil {
				return nil, err
			}
			s.params = append(s.params, p)
			fmt.Fprintf(&out, "$%d::%s", len(s.params), p.kind)
			i = end - 1
		default:
			out.WriteByte(c)
		}
	}
	flush()
	return list, nil
}

func isName(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// ofRecord are parameters that every record has.
var ofRecord = map[string]string{"at": "timestamptz", "position": "bigint", "stream": "text", "revision": "bigint", "type": "text"}

// find finds the field of a fact that a parameter names.
func find(name string, fact reflect.Type) (param, error) {
	if kind, ok := ofRecord[name]; ok {
		return param{name: name, kind: kind}, nil
	}
	p, t := param{name: name}, fact
	for part := range strings.SplitSeq(name, ".") {
		if t.Kind() != reflect.Struct {
			return p, fmt.Errorf(":%s: there is nothing inside", name)
		}
		f, ok := field(t, part)
		if !ok {
			return p, fmt.Errorf(":%s is no field of it; there are %s", name, strings.Join(fields(t), ", "))
		}
		if _, secret := f.Tag.Lookup("secret"); secret {
			return p, fmt.Errorf(":%s is a secret and cannot be used", name)
		}
		if _, personal := f.Tag.Lookup("pii"); personal {
			return p, fmt.Errorf(":%s is personal and cannot be used; its id can", name)
		}
		p.index, t = append(p.index, f.Index), f.Type
		p.empty = strings.Contains(f.Tag.Get("json"), ",omit")
	}
	p.kind = sqlType(t)
	return p, nil
}

func field(t reflect.Type, name string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fields(t reflect.Type) (list []string) {
	for _, f := range reflect.VisibleFields(t) {
		_, personal := f.Tag.Lookup("pii")
		if _, secret := f.Tag.Lookup("secret"); !personal && !secret && jsonName(f) != "" {
			list = append(list, ":"+jsonName(f))
		}
	}
	return append(list, ":at", ":position", ":stream", ":revision", ":type")
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func sqlType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "timestamptz"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "bigint"
	case t.Kind() == reflect.Bool:
		return "boolean"
	}
	return "jsonb"
}

func (s statement) queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	args := make([]any, len(s.params))
	for i, p := range s.params {
		args[i] = p.value(rec)
	}
	batch.Queue(t.SQL(s.sql), args...)
}

func (p param) value(rec facts.Recorded) any {
	if p.index == nil {
		switch p.name {
		case "at":
			return rec.Created
		case "position":
			return int64(rec.Position)
		case "stream":
			return rec.Stream
		case "revision":
			return int64(rec.Revision)
		}
		return rec.Fact.FactName()
	}
	v := reflect.ValueOf(rec.Fact)
	for _, index := range p.index {
		v = v.FieldByIndex(index)
	}
	switch {
	case p.empty && v.IsZero():
		return nil
	case p.kind == "text":
		return v.String()
	case p.kind == "bigint" && v.CanInt():
		return v.Int()
	case p.kind == "bigint":
		return int64(v.Uint())
	case p.kind == "boolean":
		return v.Bool()
	case p.kind == "timestamptz":
		return v.Interface()
	}
	raw, err := json.Marshal(v.Interface())
	if err != nil || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return string(raw)
}

// Sample has a projection looked at with the first facts it concerns, at most so many: what it would make of them.
func Sample(ctx context.Context, k *projector.Keeper, name string, most int, rows int) ([]projector.TableSample, int, error) {
	n := 0
	var out []projector.TableSample
	err := k.Past(ctx, []string{name}, k.First(name, most, &n), func(serving func(string) *projector.Serving) (err error) {
		out, err = serving(name).Sample(ctx, rows)
		return err
	})
	return out, n, err
}
