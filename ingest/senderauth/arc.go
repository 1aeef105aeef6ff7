package senderauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-msgauth/authres"
)

const maxInstances = 50 // RFC 8617 §4.2.1

// arcSet is one forwarder's three headers, as they stand in the mail (RFC 8617 §4.1).
type arcSet struct{ results, signature, seal string }

// arc believes what a trusted forwarder says it saw, if its chain is whole. Only the newest seal's domain is asked for:
// it vouches for those before.
func (k *check) arc() {
	sets, err := arcSets(k.raw)
	if err == nil && len(sets) == 0 {
		k.result("arc=none")
		return
	}
	if err == nil {
		err = k.verifyChain(sets)
	}
	if err != nil {
		k.result("arc=fail")
		return
	}
	last := sets[len(sets)-1]
	sealer := strings.ToLower(tagList(valueOf(last.seal))["d"])
	k.result("arc=pass header.oldest-pass=0 smtp.sealer=%s", sealer)
	if !slices.Contains(k.opts.Sealers, sealer) {
		return
	}
	_, value, _ := strings.Cut(last.results, ":")
	if _, rest, ok := strings.Cut(value, ";"); ok { // behind i=1;
		if _, results, err := authres.Parse(strings.Join(strings.Fields(rest), " ")); err == nil {
			k.believe("arc", results)
			if k.verdict.By == "arc" {
				k.verdict.Domain += " sealed by " + sealer
			}
		}
	}
}

// arcSets collects the sets, oldest first. It fails if one is missing or there twice.
func arcSets(raw []byte) ([]arcSet, error) {
	byInstance := map[int]*arcSet{}
	for name, put := range map[string]func(*arcSet) *string{
		"ARC-Authentication-Results": func(s *arcSet) *string { return &s.results },
		"ARC-Message-Signature":      func(s *arcSet) *string { return &s.signature },
		"ARC-Seal":                   func(s *arcSet) *string { return &s.seal },
	} {
		fields, values := headerValues(raw, name)
		for i, v := range values {
			n, err := strconv.Atoi(tagList(v)["i"])
			if err != nil || n < 1 || n > maxInstances {
				return nil, errors.New("arc: instance")
			}
			if byInstance[n] == nil {
				byInstance[n] = &arcSet{}
			}
			if place := put(byInstance[n]); *place == "" {
				*place = fields[i]
			} else {
				return nil, errors.New("arc: a header is there twice")
			}
		}
	}
	sets := make([]arcSet, len(byInstance))
	for n, s := range byInstance {
		if n > len(sets) || s.results == "" || s.signature == "" || s.seal == "" {
			return nil, errors.New("arc: a set is not whole")
		}
		sets[n-1] = *s
	}
	return sets, nil
}

// verifyChain checks the newest message signature and every seal (RFC 8617 §5.2).
func (k *check) verifyChain(sets []arcSet) error {
	for i, s := range sets {
		if cv := strings.ToLower(tagList(valueOf(s.seal))["cv"]); i == 0 && cv != "none" || i > 0 && cv != "pass" {
			return errors.New("arc: cv")
		}
	}
	if err := k.verifyMessage(sets[len(sets)-1].signature); err != nil {
		return err
	}
	var sealed bytes.Buffer
	for _, s := range sets {
		sealed.WriteString(relaxed(s.results) + "\r\n" + relaxed(s.signature) + "\r\n")
		tags := tagList(valueOf(s.seal))
		if _, has := tags["h"]; has {
			return errors.New("arc: a seal names headers")
		}
		signed := append(slices.Clone(sealed.Bytes()), relaxed(withoutSignature(s.seal))...)
		if err := k.verifySignature(tags, signed); err != nil {
			return err
		}
		sealed.WriteString(relaxed(s.seal) + "\r\n")
	}
	return nil
}

// verifyMessage checks an ARC-Message-Signature: a DKIM signature by another name.
func (k *check) verifyMessage(field string) error {
	tags := tagList(valueOf(field))
	if _, partial := tags["l"]; partial {
		return errors.New("arc: it covers part of the body")
	}
	header, body, _ := bytes.Cut(crlf(k.raw), []byte("\r\n\r\n"))
	_, bodyCanon, _ := strings.Cut(tags["c"], "/")
	sum := sha256.Sum256(canonicalBody(body, bodyCanon == "relaxed"))
	if base64.StdEncoding.EncodeToString(sum[:]) != tags["bh"] {
		return errors.New("arc: the body was changed")
	}
	var signed bytes.Buffer
	picked := map[string]int{}
	names := strings.Split(strings.ToLower(tags["h"]), ":")
	if !slices.Contains(names, "from") {
		return errors.New("arc: From is not signed")
	}
	for _, name := range names {
		fields, _ := headerValues(append(slices.Clone(header), "\r\n\r\n"...), name)
		if n := len(fields) - 1 - picked[name]; n >= 0 { // from the bottom up
			picked[name]++
			signed.WriteString(canonicalHeader(fields[n], strings.HasPrefix(tags["c"], "relaxed")) + "\r\n")
		}
	}
	signed.WriteString(canonicalHeader(withoutSignature(field), strings.HasPrefix(tags["c"], "relaxed")))
	return k.verifySignature(tags, signed.Bytes())
}

// verifySignature checks b= over data with the key at s=, d= in the DNS.
func (k *check) verifySignature(tags map[string]string, data []byte) error {
	sig, err := base64.StdEncoding.DecodeString(tags["b"])
	if err != nil || tags["d"] == "" || tags["s"] == "" {
		return errors.New("arc: signature")
	}
	records, err := k.txt(tags["s"] + "._domainkey." + tags["d"])
	if err != nil {
		k.temporary = k.temporary || !notFound(err)
		return fmt.Errorf("arc: key: %w", err)
	}
	sum := sha256.Sum256(data)
	for _, record := range records {
		der, err := base64.StdEncoding.DecodeString(tagList(record)["p"])
		if err != nil || len(der) == 0 {
			continue
		}
		switch key, err := x509.ParsePKIXPublicKey(der); {
		case tags["a"] == "ed25519-sha256" && len(der) == ed25519.PublicKeySize:
			if ed25519.Verify(der, sum[:], sig) {
				return nil
			}
		case err == nil && tags["a"] == "rsa-sha256":
			if key, ok := key.(*rsa.PublicKey); ok && key.N.BitLen() >= 1024 && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil {
				return nil
			}
		}
	}
	return errors.New("arc: the signature does not fit")
}

// headerValues returns a header's fields as they stand, and their values, from the top down.
func headerValues(raw []byte, name string) (fields, values []string) {
	header, _, _ := bytes.Cut(crlf(raw), []byte("\r\n\r\n"))
	var field string
	flush := func() {
		if n, v, ok := strings.Cut(field, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			fields, values = append(fields, field), append(values, strings.TrimSpace(strings.ReplaceAll(v, "\r\n", "")))
		}
	}
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && field != "" {
			field += "\r\n" + line
			continue
		}
		flush()
		field = line
	}
	flush()
	return fields, values
}

func valueOf(field string) string {
	_, v, _ := strings.Cut(field, ":")
	return v
}

// tagList reads tag=value lists (RFC 6376 §3.2), without white space in the values.
func tagList(s string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			tags[strings.ToLower(strings.TrimSpace(name))] = strings.Join(strings.Fields(value), "")
		}
	}
	return tags
}

// withoutSignature empties b=, as it was when the signature was made (RFC 6376 §3.7).
func withoutSignature(field string) string {
	for i := 0; i < len(field); i++ {
		start := strings.IndexAny(field[i:], ";:")
		if start < 0 {
			break
		}
		i += start
		name, _, ok := strings.Cut(field[i+1:], "=")
		if !ok || strings.TrimSpace(name) != "b" {
			continue
		}
		from := i + 1 + len(name) + 1
		end := strings.IndexByte(field[from:], ';')
		if end < 0 {
			return field[:from]
		}
		return field[:from] + field[from+end:]
	}
	return field
}

func canonicalHeader(field string, relax bool) string {
	if relax {
		return relaxed(field)
	}
	return field
}

// relaxed is a header field in relaxed form, without line end (RFC 6376 §3.4.2).
func relaxed(field string) string {
	name, value, _ := strings.Cut(field, ":")
	return strings.ToLower(strings.TrimSpace(name)) + ":" + strings.Join(strings.Fields(value), " ")
}

// canonicalBody is a body in relaxed or simple form (RFC 6376 §3.4.3, §3.4.4).
func canonicalBody(body []byte, relax bool) []byte {
	var out bytes.Buffer
	for line := range bytes.SplitSeq(body, []byte("\r\n")) {
		if relax {
			line = bytes.TrimRight(line, " \t")
			blank := false
			for _, c := range line {
				if c == ' ' || c == '\t' {
					blank = true
					continue
				}
				if blank {
					out.WriteByte(' ')
					blank = false
				}
				out.WriteByte(c)
			}
		} else {
			out.Write(line)
		}
		out.WriteString("\r\n")
	}
	trimmed := bytes.TrimRight(out.Bytes(), "\r\n")
	if len(trimmed) == 0 && relax {
		return nil
	}
	return append(trimmed, "\r\n"...)
}

// crlf gives every line the ending signatures are made over.
func crlf(raw []byte) []byte {
	if !bytes.Contains(raw, []byte("\n")) || bytes.Count(raw, []byte("\n")) == bytes.Count(raw, []byte("\r\n")) {
		return raw
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
