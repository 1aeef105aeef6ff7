package domain_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestDomainIsPure fails when the domain imports what would let it look at the world: a decision must give the same
// answer to the same command and state, today and in a replay ten years from now.
func TestDomainIsPure(t *testing.T) {
	const module = "github.com/calendar-invite-server/cis/"
	forbidden := map[string]string{
		"os": "no I/O", "net": "no I/O", "net/http": "no I/O", "io": "no I/O", "database/sql": "no I/O",
		"log": "no logging", "log/slog": "no logging", "math/rand": "no randomness", "math/rand/v2": "no randomness",
		"crypto/rand": "no randomness", "context": "nothing here waits",
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "decidertest") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			if why, bad := forbidden[name]; bad {
				t.Errorf("%s imports %s: %s in the domain", path, name, why)
			}
			if strings.Contains(name, ".") && !strings.HasPrefix(name, module+"domain/") {
				t.Errorf("%s imports %s: the domain knows only the standard library and itself", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
