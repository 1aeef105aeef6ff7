package secret_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/calendar-invite-server/cis/internal/secret"
)

const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

func TestKeys(t *testing.T) {
	k, err := secret.New(one)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := secret.New(two)
	if uid := k.EventUID("default", "org", "abc@google.com"); !regexp.MustCompile(`^[a-z0-9]{40}$`).MatchString(uid) {
		t.Errorf("event UID %q has not the published shape", uid)
	}
	if k.PersonID("t", "Ann@Example.com") != k.PersonID("t", "ann@example.com") {
		t.Error("a person's id depends on case")
	}
	if k.PersonID("t", "a") == k.PersonID("u", "a") || k.PersonID("t", "a") == other.PersonID("t", "a") {
		t.Error("a person's id does not depend on tenant and key")
	}
	if k.EventUID("t", "ab", "c") == k.EventUID("t", "a", "bc") {
		t.Error("parts run into each other")
	}
	if token := k.Token("rsvp", "org"); !regexp.MustCompile(`^[a-z2-7]{32}$`).MatchString(token) {
		t.Errorf("token %q", token)
	}
	if k.Fingerprint() == other.Fingerprint() {
		t.Error("two keys share a fingerprint")
	}
	if _, err := secret.New("too short"); err == nil {
		t.Error("a short secret was accepted")
	}
}

func TestFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "secret")
	a, err := secret.FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := secret.FromFile(path)
	if err != nil || a.Fingerprint() != b.Fingerprint() {
		t.Errorf("the second start got another secret (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
