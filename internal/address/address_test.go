package address_test

import (
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/internal/address"
)

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{
		"ann@example.com": true, "ann+x@example.com": true, "a@localhost": true, "jürgen@example.com": true,
		"": false, "ann": false, "@example.com": false, "ann@": false, "ann @example.com": false, "Ann <ann@example.com>": false,
		"ann@example.com\r\nBcc: eve@example.com": false, "ann@exa\nmple.com": false, "ann@example.com,eve@example.com": false,
		strings.Repeat("a", 65) + "@example.com": false, "a@" + strings.Repeat("b", 260): false, "a@.com": false, "a@b@c": false,
	} {
		if address.Valid(s) != want {
			t.Errorf("Valid(%q) = %v", s, !want)
		}
	}
}

func TestBook(t *testing.T) {
	b := address.NewBook("CIS.example", "")
	for s, want := range map[string]bool{
		"create@cis.example": true, "CREATE@CIS.example": true, "rsvp@cis.example": true, "rsvp+abc@cis.example": true,
		"bounce+x@cis.example": true, "postmaster@cis.example": true,
		"bounce@cis.example": false, "root@cis.example": false, "create@other.example": false, "create": false,
	} {
		if b.Accepts(s) != want {
			t.Errorf("Accepts(%q) = %v", s, !want)
		}
	}
	if got := address.NewBook("d", "answers@d").ReplyTo("tok"); got != "answers+tok@d" {
		t.Errorf("got %s", got)
	}
}
