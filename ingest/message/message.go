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
	"regexp"
	"strings"

	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // charsets beyond UTF-8 and Latin-1
)

const (
	maxDepth    = 8        // of nested multiparts
	maxParts    = 200      // looked at
	maxCalendar = 6 << 20  // bytes of one calendar part, decoded
	maxOther    = 5 << 20  // bytes of a delivery report or winmail.dat
	maxTable    = 20 << 20 // bytes of a table of people
	maxTables   = 10
	maxWritten  = 64 << 10 // bytes of what somebody wrote
)

// Message is what a mail says, as far as we look.
type Message struct {
	FromAddress   string // of the From header, lower case; empty if it cannot be read, or names several
	FromName      string
	Sender        string // address of the Sender header, lower case
	ReplyTo       string // address of the Reply-To header, lower case
	Subject       string
	MessageID     string
	References    []string // Message-IDs of In-Reply-To and References, without brackets
	AutoSubmitted string   // lower case; "no" and absent are empty
	Loop          string   // the domain in our own loop header: a mail of ours that came back
	Calendars     []Calendar
	Tables        [][]byte // CSV attachments
	Text          string   // what somebody wrote: the first part that is plain text
	Report        *Report  // a delivery report (RFC 3464), or a complaint (RFC 5965)
	Vacation      bool     // an automatic answer: it says so in one of the ways that are in use
	TNEF          bool     // there is a winmail.dat, and no calendar that could be taken out of it
	Warnings      []string // what was wrong and could be got over
}

// Calendar is a part of type text/calendar or application/ics.
type Calendar struct {
	Method string // of the Content-Type, upper case
	Data   []byte
}

// Parse reads a mail. It fails only when there is no header to read at all.
func Parse(raw []byte) (*Message, error) {
	raw = Trim(raw)
	msg, whole, err := parse(raw)
	if whole {
		return msg, nil
	}
	// Lines in a header that are none end the reading; without them there may be more.
	mended, _, _ := parse(mend(raw))
	if mended != nil && (msg == nil && mended.FromAddress != "" || msg != nil && len(mended.Calendars) > len(msg.Calendars)) {
		mended.Warnings = append(mended.Warnings, "lines that do not belong there were left out of a header")
		return mended, nil
	}
	return msg, err
}

// parse reads a mail once. whole says that nothing kept it from being read to its end.
func parse(raw []byte) (_ *Message, whole bool, _ error) {
	entity, err := message.Read(bytes.NewReader(raw))
	if entity == nil {
		return nil, false, fmt.Errorf("reading a mail: %w", err)
	}
	p := &parser{msg: &Message{}}
	p.warn(err)
	p.header(entity.Header)
	p.walk(entity, 0)
	if mediaType, _, _ := entity.Header.ContentType(); mediaType == "multipart/report" || p.msg.Report != nil {
		p.msg.Calendars = nil // what a report returns is another mail
		if p.msg.Report == nil {
			p.msg.Report = &Report{}
		}
	}
	p.msg.TNEF = p.msg.TNEF && len(p.msg.Calendars) == 0
	return p.msg, !p.broken, nil
}

// field begins a line of a header (RFC 5322 §2.2).
var field = regexp.MustCompile(`^[!-9;-~]+[ \t]*:`)

// mend leaves lines out of headers that are neither fields nor their continuations: of the mail's header, and of what
// follows a boundary.
func mend(raw []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(raw))
	header, kept := true, false
	for line := range bytes.Lines(raw) {
		bare := bytes.TrimRight(line, "\r\n")
		switch {
		case bytes.HasPrefix(bare, []byte("--")):
			header, kept = true, false
		case len(bare) == 0:
			header = false
		case !header:
		case bare[0] == ' ' || bare[0] == '\t':
			if !kept {
				continue
			}
		default:
			if kept = field.Match(bare); !kept {
				continue
			}
		}
		out.Write(line)
	}
	return out.Bytes()
}

// Trim removes what mailboxes put in front of a mail. QUIRK: blank lines, and mbox separators (RFC 4155).
func Trim(raw []byte) []byte {
	raw = bytes.TrimLeft(raw, "\r\n")
	if bytes.HasPrefix(raw, []byte("From ")) || bytes.HasPrefix(raw, []byte(">From ")) {
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			raw = raw[i+1:]
		}
	}
	return raw
}

type parser struct {
	msg    *Message
	parts  int
	broken bool // something could not be read to its end
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
	m := p.msg
	m.Subject = decode("Subject")
	m.MessageID = strings.TrimSpace(h.Get("Message-Id"))
	for _, id := range strings.Fields(h.Get("In-Reply-To") + " " + h.Get("References")) {
		if id = strings.Trim(id, "<>,"); id != "" && len(m.References) < 50 {
			m.References = append(m.References, id)
		}
	}
	if s := strings.ToLower(strings.TrimSpace(h.Get("Auto-Submitted"))); s != "no" {
		m.AutoSubmitted, _, _ = strings.Cut(s, ";")
	}
	m.Loop = strings.ToLower(strings.TrimSpace(h.Get(address.LoopHeader)))
	precedence := strings.ToLower(strings.TrimSpace(h.Get("Precedence")))
	m.Vacation = m.AutoSubmitted != "" || h.Get("X-Autoreply") != "" || h.Get("X-Autorespond") != "" || precedence == "auto_reply"
	m.Sender, _ = p.address(h, "Sender")
	m.ReplyTo, _ = p.address(h, "Reply-To")
	m.FromAddress, m.FromName = p.address(h, "From")
}

// address reads the one address of a header; none if the header or the address stands there twice: then nobody knows
// which of them was meant, or proven.
func (p *parser) address(h message.Header, name string) (addr, display string) {
	if !h.Has(name) {
		return "", ""
	}
	parse := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: message.CharsetReader}}
	list, err := parse.ParseList(h.Get(name))
	switch {
	case err != nil:
		p.warn(fmt.Errorf("reading %s: %w", name, err))
		return "", ""
	case len(h.Values(name)) > 1 || len(list) != 1:
		p.warn(fmt.Errorf("%s names several", name))
		return "", ""
	}
	return strings.ToLower(list[0].Address), list[0].Name
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
					p.broken = true
				}
				return
			}
			p.warn(err)
			p.walk(part, depth+1)
		}
		return
	}
	p.leaf(e)
}

// leaf looks at a part that holds no others. What is inside a message/rfc822 is another mail's.
func (p *parser) leaf(e *message.Entity) {
	mediaType, params, err := e.Header.ContentType()
	if err != nil {
		p.warn(err)
	}
	_, disposition, _ := e.Header.ContentDisposition()
	name := strings.ToLower(params["name"])
	if disposition["filename"] != "" {
		name = strings.ToLower(disposition["filename"])
	}
	read := func(limit int64) []byte {
		data, err := io.ReadAll(io.LimitReader(e.Body, limit))
		p.warn(err)
		return data
	}
	switch {
	case mediaType == "text/calendar", mediaType == "application/ics", strings.HasSuffix(name, ".ics") && mediaType != "message/rfc822":
		if data := read(maxCalendar + 1); len(data) > 0 {
			p.msg.Calendars = append(p.msg.Calendars, Calendar{Method: strings.ToUpper(params["method"]), Data: data})
		}
	case mediaType == "text/csv", strings.HasSuffix(name, ".csv") && mediaType != "message/rfc822":
		if data := read(maxTable + 1); len(data) > 0 && len(p.msg.Tables) < maxTables {
			p.msg.Tables = append(p.msg.Tables, data)
		}
	case mediaType == "message/delivery-status" && p.msg.Report == nil:
		p.msg.Report = parseReport(read(maxOther))
	case mediaType == "message/feedback-report" && p.msg.Report == nil:
		p.msg.Report = parseFeedback(read(maxOther))
	case mediaType == "text/plain" && p.msg.Text == "" && disposition["filename"] == "":
		p.msg.Text = strings.ToValidUTF8(string(read(maxWritten)), "\uFFFD")
	case mediaType == "application/ms-tnef", name == "winmail.dat":
		p.msg.TNEF = true
		for _, a := range tnefAttachments(read(maxOther)) {
			p.msg.Calendars = append(p.msg.Calendars, Calendar{Data: a})
		}
	}
}
