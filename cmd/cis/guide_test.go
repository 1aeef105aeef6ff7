package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestGuide runs the guide as a reader would.
func TestGuide(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the guide needs " + tool)
		}
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	script := "set -euo pipefail\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(guide, -1) {
		script += string(block[1]) + "\necho\n"
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "BASE=http://"+s.app.HTTPAddr.String(), "KEY="+s.key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"summary":"Summer party"`, `"result":"requested"`, `"usable":1`, "/invite/", `"attendees":`, "event: invite.requested", "whsec_", `"changed":true`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in what the guide prints:\n%s", want, out)
		}
	}
	if _, err := s.sink.Wait(ctx, "cleo@example.com", 1); err != nil {
		t.Error(err)
	}
}
