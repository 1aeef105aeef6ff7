// Package address knows mail addresses: which are well-formed, and which are the server's own.
package address

import (
	"net/mail"
	"strings"

	"golang.org/x/net/publicsuffix"
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

// Domain is the domain of an address, lower case; empty if there is none.
func Domain(addr string) string {
	return strings.ToLower(addr[strings.LastIndexByte(addr, '@')+1:])
}

// Organization is the domain that somebody registered, of which domain is a part (RFC 7489 §3.2, by the public suffix
// list): example.co.uk of mail.example.co.uk.
func Organization(domain string) string {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}

// SameOrganization says whether both addresses belong to one organization. At providers where anybody gets an address,
// two of them have nothing to do with each other.
func SameOrganization(a, b string) bool {
	org := Organization(Domain(a))
	return org != "" && org == Organization(Domain(b)) && !public[org]
}

// public are the domains where anybody gets an address.
var public = map[string]bool{
	"gmail.com": true, "googlemail.com": true, "outlook.com": true, "hotmail.com": true, "live.com": true, "msn.com": true,
	"yahoo.com": true, "yahoo.co.uk": true, "yahoo.co.jp": true, "yahoo.de": true, "yahoo.fr": true, "ymail.com": true,
	"icloud.com": true, "me.com": true, "mac.com": true, "aol.com": true, "gmx.de": true, "gmx.net": true, "gmx.com": true, "gmx.at": true,
	"web.de": true, "t-online.de": true, "freenet.de": true, "mail.com": true, "proton.me": true, "protonmail.com": true, "pm.me": true,
	"tutanota.com": true, "tuta.io": true, "mail.ru": true, "yandex.ru": true, "yandex.com": true, "qq.com": true, "163.com": true, "126.com": true,
	"naver.com": true, "zoho.com": true, "fastmail.com": true, "hey.com": true, "orange.fr": true, "free.fr": true, "laposte.net": true,
	"libero.it": true, "comcast.net": true, "verizon.net": true, "att.net": true, "btinternet.com": true, "hotmail.co.uk": true, "hotmail.fr": true,
	"live.co.uk": true, "seznam.cz": true, "wp.pl": true, "o2.pl": true, "uol.com.br": true, "rediffmail.com": true,
}

// SameMailbox says whether mail to both lands in one mailbox: the same but for case and for a tag behind a plus sign.
func SameMailbox(a, b string) bool {
	return a != "" && untagged(a) == untagged(b)
}

func untagged(addr string) string {
	local, domain, ok := strings.Cut(strings.ToLower(addr), "@")
	if base, _, tagged := strings.Cut(local, "+"); ok && tagged && base != "" {
		local = base
	}
	return local + "@" + domain
}

// LoopHeader marks what we send, so that it is known when it comes back; its value is our domain.
const LoopHeader = "X-CIS-Loop"

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

// Unsubscribe is where a mail says that somebody wants no more.
func (b Book) Unsubscribe(token string) string { return "unsubscribe+" + token + "@" + b.Domain }

// Dialogue is where an organizer answers a mail of ours about an event.
func (b Book) Dialogue(token string) string { return "event+" + token + "@" + b.Domain }

// Token is the tag of an address of ours: of the reply address or of a bounce address.
func (b Book) Token(addr string) (base, token string) {
	local, domain, ok := strings.Cut(strings.ToLower(addr), "@")
	if !ok || domain != b.Domain {
		return "", ""
	}
	base, token, _ = strings.Cut(local, "+")
	return base, token
}

// Create is where event requests go.
func (b Book) Create() string { return "create@" + b.Domain }

// Bulk is where tables of people go.
func (b Book) Bulk() string { return "bulk@" + b.Domain }

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
	case "bounce", "event":
		return tag != ""
	}
	return false
}
