// Package message reads raw mails: who they say they are from, and the calendar parts in them. It is tolerant (a
// missing boundary, an unknown charset, a broken header cost no more than themselves) and bounded in depth and parts.
// A calendar inside a forwarded or returned message is not this mail's calendar.
//
// Start reading at [Parse].
package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // charsets beyond UTF-8 and Latin-1
)

const (
	maxDepth    = 8       // of nested multiparts
	maxParts    = 200     // looked at
	maxCalendar = 5 << 20 // bytes of one calendar part, decoded
)

// Message is what a mail says, as far as we look.
type Message struct {
	FromAddress   string // of the From header, lower case; empty if it cannot be read
	FromName      string
	Subject       string
	MessageID     string
	AutoSubmitted string // lower case; "no" and absent are empty
	Calendars     []Calendar
	Warnings      []string // what was wrong and could be got over
}

// Calendar is a part of type text/calendar or application/ics.
type Calendar struct {
	Method string // of the Content-Type, upper case
	Data   []byte
}

// Parse reads a mail. It fails only when there is no header to read at all.
func Parse(raw []byte) (*Message, error) {
	raw = bytes.TrimLeft(raw, "\r\n")
	if bytes.HasPrefix(raw, []byte("From ")) { // QUIRK: an mbox separator in front of the header (RFC 4155)
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			raw = raw[i+1:]
		}
	}
	entity, err := message.Read(bytes.NewReader(raw))
	if entity == nil {
		return nil, fmt.Errorf("reading a mail: %w", err)
	}
	p := &parser{msg: &Message{}}
	p.warn(err)
	p.header(entity.Header)
	p.walk(entity, 0)
	return p.msg, nil
}

type parser struct {
	msg   *Message
	parts int
}

func (p *parser) warn(err error) {
	if err != nil && len(p.msg.Warnings) < 20 {
		p.msg.Warnings = append(p.msg.Warnings, err.Error())
	}
}

func (p *parser) header(h message.Header) {
	decode := func(name string) string {
		s, err := h.Text(name)
		if err != nil {
			return h.Get(name)
		}
		return s
	}
	p.msg.Subject = decode("Subject")
	p.msg.MessageID = strings.TrimSpace(h.Get("Message-Id"))
	if s := strings.ToLower(strings.TrimSpace(h.Get("Auto-Submitted"))); s != "no" {
		p.msg.AutoSubmitted = s
	}
	parse := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: message.CharsetReader}}
	from, err := parse.ParseList(h.Get("From"))
	if err != nil || len(from) == 0 {
		p.warn(fmt.Errorf("reading From: %w", err))
		return
	}
	p.msg.FromAddress, p.msg.FromName = strings.ToLower(from[0].Address), from[0].Name
}

func (p *parser) walk(e *message.Entity, depth int) {
	if p.parts++; p.parts > maxParts || depth > maxDepth {
		p.warn(errors.New("too many parts, or nested too deep; the rest was not looked at"))
		return
	}
	if multi := e.MultipartReader(); multi != nil {
		for p.parts <= maxParts {
			part, err := multi.NextPart()
			if part == nil {
				if !errors.Is(err, io.EOF) { // QUIRK: the closing boundary is missing; what came before counts
					p.warn(err)
				}
				return
			}
			p.warn(err)
			p.walk(part, depth+1)
		}
		return
	}
	mediaType, params, err := e.Header.ContentType()
	if err != nil {
		p.warn(err)
	}
	if mediaType != "text/calendar" && mediaType != "application/ics" {
		return // message/rfc822 among them
	}
	data, err := io.ReadAll(io.LimitReader(e.Body, maxCalendar+1))
	p.warn(err)
	if len(data) > 0 {
		p.msg.Calendars = append(p.msg.Calendars, Calendar{Method: strings.ToUpper(params["method"]), Data: data})
	}
}
