package senderauth

import (
	"strings"

	"github.com/emersion/go-msgauth/authres"
)

// relay believes what a mail server in front of us found out (RFC 8601). It puts its header on top; anything further
// down may have been in the mail when it came.
func (k *check) relay() {
	_, values := headerValues(k.raw, "Authentication-Results")
	if len(values) == 0 {
		k.result("none")
		return
	}
	id, results, err := authres.Parse(values[0])
	if host, _, _ := strings.Cut(id, " "); err != nil || !strings.EqualFold(host, k.opts.AuthServID) {
		k.result("none")
		return
	}
	k.believe("relay", results)
}

// believe takes somebody else's results for our own.
func (k *check) believe(by string, results []authres.Result) {
	for _, r := range results {
		switch r := r.(type) {
		case *authres.DKIMResult:
			domain := strings.ToLower(r.Domain)
			if domain == "" {
				domain = strings.ToLower(r.Identifier[strings.LastIndexByte(r.Identifier, '@')+1:])
			}
			k.result("dkim=%s header.d=%s", r.Value, domain)
			if r.Value == authres.ResultPass {
				if k.aligned(domain, false) {
					k.pass(by, domain)
				}
				k.google(domain, signedBy(k.raw, domain))
			}
		case *authres.SPFResult:
			domain := strings.ToLower(r.From[strings.LastIndexByte(r.From, '@')+1:])
			k.result("spf=%s smtp.mailfrom=%s", r.Value, domain)
			if r.Value == authres.ResultPass && k.aligned(domain, false) {
				k.pass(by, domain)
			}
		case *authres.DMARCResult:
			domain := strings.ToLower(r.From[strings.LastIndexByte(r.From, '@')+1:])
			k.result("dmarc=%s header.from=%s", r.Value, domain)
			if r.Value == authres.ResultPass && domain == k.from {
				k.pass(by, domain)
			}
		}
	}
}

// signedBy lists the headers that a domain's signatures all cover.
func signedBy(raw []byte, domain string) (signed []string) {
	_, values := headerValues(raw, "DKIM-Signature")
	first := true
	for _, v := range values {
		tags := tagList(v)
		if !strings.EqualFold(tags["d"], domain) {
			continue
		}
		h := strings.Split(strings.ToLower(tags["h"]), ":")
		if first {
			signed, first = h, false
			continue
		}
		var both []string
		for _, name := range signed {
			for _, other := range h {
				if name == other {
					both = append(both, name)
					break
				}
			}
		}
		signed = both
	}
	return signed
}
