package notifier

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/emersion/go-message/charset"
	gomail "github.com/wneessen/go-mail"
)

// Composer writes mails.
type Composer struct {
	addresses *address.Directory
	publicURL string
	signer    *dkimsign.Signer
	templates *Templates

	Alarm    time.Duration // before the start, for attendees' calendars; 0: none
	Sender   string        // address our own notices come from; empty: notification@
	Footer   string        // who runs this, as the law wants to see it
	Language string        // of mails of organizers who have not said theirs
	Test     bool          // this installation is for trying things out
}

// NewComposer makes a composer. Mails are signed if there is a signer.
func NewComposer(addresses *address.Directory, publicURL string, signer *dkimsign.Signer, templates *Templates) *Composer {
	return &Composer{addresses: addresses, publicURL: strings.TrimSuffix(publicURL, "/"), signer: signer, templates: templates, Alarm: 15 * time.Minute}
}

// template is which one a letter is written with.
func (c *Composer) template(l *letter) string {
	if l.kind == string(notice.EventCreated) && c.Test {
		return testEnvironment
	}
	return l.kind
}

// compose writes a letter as MIME, signed. It fails with errTemplate.
func (c *Composer) compose(l *letter, now time.Time) (Envelope, error) {
	v := c.view(l)
	book, own := c.addresses.Of(l.tenant), c.addresses.Settings(l.tenant)
	language := cmp.Or(l.own.Language, own.Language, c.Language)
	name := c.template(l)
	subject, text, html, err := c.templates.find(l.tenant, language).render(name, v)
	if err != nil {
		return Envelope{}, err
	}
	env := Envelope{From: book.Bounce(l.bounce), To: l.to.Address, ID: l.token + "@" + book.Domain}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.ToMailAddress(&mail.Address{Name: oneLine(l.to.Name), Address: l.to.Address})
	msg.Subject(subject)
	msg.SetMessageIDWithValue(env.ID)
	msg.SetDateWithValue(now.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	msg.SetGenHeader(address.LoopHeader, book.Domain)
	if v.UnsubscribeURL != "" {
		msg.SetGenHeader("List-Unsubscribe", "<"+v.UnsubscribeURL+">, <mailto:"+l.unsub.mail+">") // RFC 2369
		if strings.HasPrefix(v.UnsubscribeURL, "https:") {
			msg.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") // RFC 8058 §3.1
		}
	}
	msg.SetBodyString(gomail.TypeTextPlain, text)
	msg.AddAlternativeString(gomail.TypeTextHTML, html)
	if err := c.complete(msg, l, v, methods[name], now); err != nil {
		return Envelope{}, err
	}
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return Envelope{}, fmt.Errorf("writing a mail: %w", err)
	}
	env.Data, err = c.signer.SignFrom(out.Bytes(), book.Domain)
	return env, err
}

// complete adds whom a mail is from and what is attached to it.
func (c *Composer) complete(msg *gomail.Msg, l *letter, v view, method string, now time.Time) error {
	if l.event.ReplyTo != "" && (method != "" || l.kind == "reminder") { // to an attendee: from the organizer
		msg.FromMailAddress(&mail.Address{Name: v.Organizer, Address: l.event.ReplyTo})
		msg.ReplyToMailAddress(&mail.Address{Address: l.event.ReplyTo})
		if method == "" {
			return nil
		}
		return c.attach(msg, l, v, method, now)
	}
	sender, name := c.Sender, cmp.Or(oneLine(c.addresses.Settings(l.tenant).Sender), "Calendar Invite Server")
	if book := c.addresses.Of(l.tenant); sender == "" || book != c.addresses.Own() {
		sender = book.Notices()
	}
	msg.FromMailAddress(&mail.Address{Name: name, Address: sender})
	if l.reply != "" {
		msg.ReplyToMailAddress(&mail.Address{Name: name, Address: l.reply})
	}
	if l.kind == string(notice.Forward) || l.kind == string(notice.Operator) {
		return forward(msg, l)
	}
	if l.file != nil {
		return msg.AttachReader(l.file.name, bytes.NewReader(l.file.data), gomail.WithFileContentType(gomail.ContentType(l.file.kind)), gomail.WithFileEncoding(gomail.EncodingB64))
	}
	return nil
}

// attach adds the calendar twice: as the alternative that mail clients show buttons for, and as a file for the rest
// (RFC 6047 §2.4; the alternative has neither disposition nor name, or Exchange and Gmail would show an attachment).
func (c *Composer) attach(msg *gomail.Msg, l *letter, v view, method string, now time.Time) error {
	if !l.stamp.IsZero() {
		now = l.stamp
	}
	ics, err := ical.Write(ical.Message{
		Method: method, UID: l.event.UID, Sequence: l.event.Sequence, DTStamp: now, Content: l.event.Content, Alarm: c.Alarm,
		Organizer: ical.Person{Address: l.event.ReplyTo, Name: v.Organizer},
		Attendee:  ical.Attendee{Person: ical.Person{Address: l.to.Address, Name: v.Name}, PartStat: l.partstat},
		Instance:  l.instance, Zone: l.zone,
	})
	if err != nil {
		return err
	}
	msg.AddAlternativeString(gomail.ContentType("text/calendar; method="+method), string(ics), gomail.WithPartEncoding(gomail.EncodingB64))
	return msg.AttachReader("invite.ics", bytes.NewReader(ics), gomail.WithFileContentType("application/ics"), gomail.WithFileEncoding(gomail.EncodingB64))
}

// forward passes the mail on as it came, answerable to whom it is from. It travels as a file: a message/rfc822 must not
// be encoded (RFC 2046 §5.2.1), and what came may not survive unencoded.
func forward(msg *gomail.Msg, l *letter) error {
	if address.Valid(l.about.Address) {
		msg.ReplyToMailAddress(&mail.Address{Name: oneLine(l.about.Name), Address: l.about.Address})
	}
	return msg.AttachReader("original.eml", bytes.NewReader(l.original), gomail.WithFileContentType("application/octet-stream"), gomail.WithFileEncoding(gomail.EncodingB64))
}

// headline reads who a mail is from and what it says it is about.
func headline(raw []byte) (from person, subject string) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return person{}, ""
	}
	words := &mime.WordDecoder{CharsetReader: charset.Reader}
	if list, err := (&mail.AddressParser{WordDecoder: words}).ParseList(m.Header.Get("From")); err == nil && len(list) == 1 {
		from = person{strings.ToLower(list[0].Address), list[0].Name}
	}
	if subject, err = words.DecodeHeader(m.Header.Get("Subject")); err != nil {
		subject = m.Header.Get("Subject")
	}
	return from, oneLine(subject)
}

// oneLine makes text fit for a header.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}
