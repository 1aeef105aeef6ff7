// Package cis holds no code: it is the repository's root, and this test keeps its layout true.
package cis

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/calendar-invite-server/cis/"

// mayImport is the import rule: which of the project's packages a part may use besides internal and itself.
var mayImport = map[string][]string{
	"domain":      {},
	"commands":    {"domain"},
	"ingest":      {"domain", "commands"},
	"projections": {"domain"},
	"readapi":     {"domain", "projections"},
	"notifier":    {"domain", "commands"},
	"history":     {"domain", "commands", "ingest", "projections"},
	"internal":    {"domain"},
}

// forTests are packages that only tests, the demo and benchmarks use.
var forTests = []string{"internal/clientmail", "internal/mailsign", "internal/sink", "internal/eventstore/storetest", "internal/postgres/postgrestest", "internal/facts/factstest", "domain/decider/decidertest"}

// TestImportRule fails, with the reason, when a part uses another it must not know.
func TestImportRule(t *testing.T) {
	eachFile(t, func(path, part string, test bool, imports []string) {
		allowed, ruled := mayImport[part]
		for _, imp := range imports {
			name, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			if !test && part != "cmd" && slices.Contains(forTests, name) && !slices.Contains(forTests, filepath.ToSlash(filepath.Dir(path))) {
				t.Errorf("%s imports %s, which is for tests", path, name)
			}
			other, _, _ := strings.Cut(name, "/")
			switch {
			case test || !ruled || other == part || slices.Contains(allowed, other):
			case other == "internal" && part != "domain":
			default:
				t.Errorf("%s imports %s: %s may use %v and internal (ARCHITECTURE.md, import rule)", path, name, part, allowed)
			}
		}
	})
}

// TestPackagesAreDocumented fails when a package does not say what it is for.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		documented[filepath.Dir(path)] = documented[filepath.Dir(path)] || file.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// TestRules fails when docs/rfc.md leaves out one of the rules of calendar mail, or names a test that is not there.
func TestRules(t *testing.T) {
	var ids []string
	for n := 1; n <= 53; n++ {
		ids = append(ids, strconv.Itoa(n))
	}
	documented(t, "docs/rfc.md", ids)
}

// TestFeatures does the same for the requirements of the source documents.
func TestFeatures(t *testing.T) {
	var ids []string
	for _, span := range [][2]int{{1, 108}, {110, 114}} {
		for n := span[0]; n <= span[1]; n++ {
			ids = append(ids, fmt.Sprintf("S0-%03d", n))
		}
	}
	documented(t, "docs/features.md", ids)
}

// documented holds a table of ids and tests against the tests there are.
func documented(t *testing.T, path string, ids []string) {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := tests(t)
	named := regexp.MustCompile("`([a-z]+\\.(?:Test|Fuzz)[A-Za-z]+)`")
	for _, id := range ids {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(id) + ` \|.*$`).Find(doc)
		if row == nil || !named.Match(row) {
			t.Errorf("%s: %s has no test", path, id)
		}
	}
	for _, m := range named.FindAllSubmatch(doc, -1) {
		if !tests[string(m[1])] {
			t.Errorf("%s names %s, which is not there", path, m[1])
		}
	}
}

// tests are all tests of the project, as package.Test.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	eachFile(t, func(path, _ string, test bool, _ []string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil || !test {
			return
		}
		pkg := strings.TrimSuffix(file.Name.Name, "_test")
		if pkg == "main" {
			pkg = "cis"
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all[pkg+"."+f.Name.Name] = true
			}
		}
	})
	return all
}

// asking are the only places that make requests, and to whom.
var asking = map[string]string{
	"ingest/webhook/":       "Amazon's notifications: Amazon only",
	"ingest/access/oidc.go": "the identity provider that the configuration names",
	"notifier/webhooks/":    "endpoints that somebody with a key registered, and no private network",
	"cmd/cis/stage.go":      "the demo's own server",
	"history/proof/":        "whoever CIS_CHECKPOINT_URL names",
}

// TestNothingFetches fails when something else could make a request: to an address that came in a mail, say.
func TestNothingFetches(t *testing.T) {
	client := regexp.MustCompile(`http\.(Get\b|Post\b|Head\b|PostForm|NewRequest|NewRequestWithContext|DefaultClient|DefaultTransport|Client\b)`)
	eachFile(t, func(path, _ string, test bool, _ []string) {
		if test {
			return
		}
		for place := range asking {
			if strings.HasPrefix(filepath.ToSlash(path), place) {
				return
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m := client.Find(data); m != nil {
			t.Errorf("%s uses %s: only what asking lists makes requests", path, m)
		}
	})
}

func eachFile(t *testing.T, f func(path, part string, test bool, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, imp := range file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			imports = append(imports, name)
		}
		part, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		f(path, part, strings.HasSuffix(path, "_test.go"), imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefusals fails when a refusal is not in the list that people and programs look it up in, or the list has one that
// there is not.
func TestRefusals(t *testing.T) {
	data, err := os.ReadFile("internal/problem/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"unavailable": true}
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z0-9-]+) \| \d`).FindAllSubmatch(data, -1) {
		listed[string(m[1])] = false
	}
	refusal := regexp.MustCompile(`fault\.Error\{Kind: fault\.[A-Za-z]+, Code: "([a-z0-9-]+)", Title:`)
	eachFile(t, func(path, _ string, test bool, _ []string) {
		if test {
			return
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range refusal.FindAllSubmatch(source, -1) {
			if _, ok := listed[string(m[1])]; !ok {
				t.Errorf("%s: %s is not in internal/problem/problems.md", path, m[1])
			}
			listed[string(m[1])] = true
		}
	})
	for code, used := range listed {
		if !used && code != "unavailable" {
			t.Errorf("internal/problem/problems.md: there is no refusal %s", code)
		}
	}
}
