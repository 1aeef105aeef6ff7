// Package address knows mail addresses: which are well-formed, and which are the server's own.
package address

import (
	"net/mail"
	"strings"
)

// Valid says whether s is a bare mail address that can be put into a header and an envelope: local@domain with a
// domain, no display name, no quoting, no control characters, at most 254 bytes (RFC 5321 §4.5.3.1.3).
func Valid(s string) bool {
	if len(s) == 0 || len(s) > 254 || strings.ContainsAny(s, " \t\r\n<>()[]\\,;:\"\x00") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(domain) == 0 || strings.HasPrefix(domain, ".") || strings.HasPrefix(domain, "-") {
		return false
	}
	for _, r := range s {
		if r < 0x21 || r == 0x7f {
			return false
		}
	}
	return true
}

// Book is the server's own addresses.
type Book struct {
	Domain string // lower case
	RSVP   string // base of the reply address: local part, usually "rsvp"
}

// NewBook makes the addresses at a domain. rsvp is the base of the reply address ("rsvp@domain" if empty).
func NewBook(domain, rsvp string) Book {
	b := Book{Domain: strings.ToLower(domain), RSVP: "rsvp"}
	if local, _, ok := strings.Cut(strings.ToLower(rsvp), "@"); ok && local != "" {
		b.RSVP = local
	}
	return b
}

// ReplyTo is the address replies to an organizer's events come back to.
func (b Book) ReplyTo(token string) string { return b.RSVP + "+" + token + "@" + b.Domain }

// Bounce is the envelope sender that delivery reports for a mail come back to.
func (b Book) Bounce(token string) string { return "bounce+" + token + "@" + b.Domain }

// Notices is the address our own mails to organizers come from.
func (b Book) Notices() string { return "notification@" + b.Domain }

// Accepts says whether mail for an address is taken: create@, rsvp@ with any tag, bulk@, unsubscribe@, abuse@,
// postmaster@ (RFC 5321 §4.5.1) and bounce+TOKEN@.
func (b Book) Accepts(addr string) bool {
	local, domain, ok := strings.Cut(strings.ToLower(addr), "@")
	if !ok || domain != b.Domain {
		return false
	}
	base, tag, _ := strings.Cut(local, "+")
	switch base {
	case "create", "bulk", "unsubscribe", "abuse", "postmaster", "notification":
		return true
	case b.RSVP:
		return true
	case "bounce":
		return tag != ""
	}
	return false
}
