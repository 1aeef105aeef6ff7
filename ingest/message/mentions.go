package message

import (
	"bytes"
	"io"
	"mime"
	"regexp"
	"strings"

	"github.com/emersion/go-message"
)

// Mentioned finds addresses and names in mails, however they are encoded there.
type Mentioned struct{ pattern *regexp.Regexp }

// NewMentioned looks for words: an address, or a full name. Case does not matter; an address is not found inside a longer
// one.
func NewMentioned(words ...string) Mentioned {
	var any []string
	for _, w := range words {
		w = regexp.QuoteMeta(strings.ToLower(w))
		any = append(any, w)
		if strings.Contains(w, "@") {
			any = append(any, strings.ReplaceAll(w, "@", "%40")) // in links
		}
	}
	return Mentioned{regexp.MustCompile(`(?:^|[^a-z0-9._+\-])(?:` + strings.Join(any, "|") + `)(?:$|[^a-z0-9.\-]|\.(?:$|[^a-z0-9]))`)}
}

// In says whether a text mentions them.
func (m Mentioned) In(text []byte) bool {
	low := bytes.ToLower(text)
	if bytes.IndexByte(low, 0) >= 0 { // UTF-16
		low = bytes.ReplaceAll(low, []byte{0}, nil)
	}
	return m.pattern.Match(low) || bytes.Contains(low, []byte("\n ")) && m.pattern.Match(unfolded.ReplaceAll(low, nil))
}

// unfolded is what a fold adds (RFC 5545 §3.1).
var unfolded = regexp.MustCompile(`\r?\n[ \t]`)

// InMail says whether a mail does: as it stands, or in a header or part of it once decoded, other mails in it included.
func (m Mentioned) InMail(raw []byte) bool {
	if m.In(raw) {
		return true
	}
	entity, _ := message.Read(bytes.NewReader(Trim(raw)))
	return entity != nil && m.inEntity(entity, 0)
}

func (m Mentioned) inEntity(e *message.Entity, depth int) bool {
	words := mime.WordDecoder{CharsetReader: message.CharsetReader}
	for fields := e.Header.Fields(); fields.Next(); {
		if text, err := words.DecodeHeader(fields.Value()); err == nil && m.In([]byte(text)) {
			return true
		}
	}
	if depth > maxDepth {
		return false
	}
	if multi := e.MultipartReader(); multi != nil {
		for {
			part, err := multi.NextPart()
			if part == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return false
			}
			if m.inEntity(part, depth+1) {
				return true
			}
		}
	}
	body, _ := io.ReadAll(e.Body) // as far as it can be read
	if m.In(body) {
		return true
	}
	if kind, _, _ := e.Header.ContentType(); kind == "message/rfc822" || kind == "message/global" {
		inner, _ := message.Read(bytes.NewReader(body))
		return inner != nil && m.inEntity(inner, depth+1)
	}
	return false
}
