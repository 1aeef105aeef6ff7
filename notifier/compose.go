package notifier

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
	gomail "github.com/wneessen/go-mail"
)

//go:embed templates
var templates embed.FS

// subjects of the mails, by template.
var subjects = map[string]string{
	"invite":        "Invitation: %s",
	"update":        "Event Updated: %s",
	"cancel":        "Event Cancelled: %s",
	"event-created": "Your event is ready: %s",
}

// Composer writes mails.
type Composer struct {
	addresses address.Book
	publicURL string
	text      *texttemplate.Template
	html      *htmltemplate.Template
}

// NewComposer reads the templates. It fails if one is missing or broken.
func NewComposer(addresses address.Book, publicURL string) (*Composer, error) {
	c := &Composer{addresses: addresses, publicURL: strings.TrimSuffix(publicURL, "/")}
	var err error
	if c.text, err = texttemplate.ParseFS(templates, "templates/*.txt"); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if c.html, err = htmltemplate.ParseFS(templates, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for name := range subjects {
		if c.text.Lookup(name+".txt") == nil || c.html.Lookup(name+".html") == nil {
			return nil, fmt.Errorf("templates: %s is missing", name)
		}
	}
	return c, nil
}

// view is what templates see.
type view struct {
	Summary, Description, Location, When string
	Organizer, Name, UID                 string
	EventURL, InviteURL                  string
}

// compose writes a letter as MIME and returns it with its Message-ID.
func (c *Composer) compose(l *letter, now time.Time) (*gomail.Msg, string, error) {
	id := l.token + "@" + c.addresses.Domain
	v := c.view(l)
	var text, html bytes.Buffer
	if err := c.text.ExecuteTemplate(&text, l.kind+".txt", v); err != nil {
		return nil, "", fmt.Errorf("template %s: %w", l.kind, err)
	}
	if err := c.html.ExecuteTemplate(&html, l.kind+".html", v); err != nil {
		return nil, "", fmt.Errorf("template %s: %w", l.kind, err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.ToMailAddress(&mail.Address{Name: oneLine(l.to.Name), Address: l.to.Address})
	msg.EnvelopeFromMailAddress(&mail.Address{Address: c.addresses.Bounce(l.token[:min(32, len(l.token))])})
	msg.Subject(oneLine(fmt.Sprintf(subjects[l.kind], v.Summary)))
	msg.SetMessageIDWithValue(id)
	msg.SetDateWithValue(now.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	msg.SetGenHeader("X-CIS-Loop", c.addresses.Domain)
	msg.SetBodyString(gomail.TypeTextPlain, text.String())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	if l.kind == "event-created" {
		msg.FromMailAddress(&mail.Address{Name: "Calendar Invite Server", Address: c.addresses.Notices()})
		return msg, id, nil
	}
	from := &mail.Address{Name: oneLine(v.Organizer), Address: l.event.ReplyTo}
	msg.FromMailAddress(from)
	msg.ReplyToMailAddress(&mail.Address{Address: l.event.ReplyTo})
	return msg, id, c.attach(msg, l, v, now)
}

// attach adds the calendar twice: as the alternative that mail clients show buttons for, and as a file for the rest
// (RFC 6047 §2.4; the alternative has neither disposition nor name, or Exchange and Gmail would show an attachment).
func (c *Composer) attach(msg *gomail.Msg, l *letter, v view, now time.Time) error {
	method := "REQUEST"
	if l.kind == "cancel" {
		method = "CANCEL"
	}
	ics, err := ical.Write(ical.Message{
		Method: method, UID: l.event.UID, Sequence: l.event.Sequence, DTStamp: now, Content: l.event.Content, Alarm: 15 * time.Minute,
		Organizer: ical.Person{Address: l.event.ReplyTo, Name: v.Organizer},
		Attendee:  ical.Attendee{Person: ical.Person{Address: l.to.Address, Name: v.Name}, PartStat: l.partstat},
	})
	if err != nil {
		return err
	}
	msg.AddAlternativeString(gomail.ContentType("text/calendar; method="+method), string(ics), gomail.WithPartEncoding(gomail.EncodingB64))
	return msg.AttachReader("invite.ics", bytes.NewReader(ics), gomail.WithFileContentType("application/ics"), gomail.WithFileEncoding(gomail.EncodingB64))
}

func (c *Composer) view(l *letter) view {
	ev := l.event
	v := view{
		Summary: ev.Content.Summary, Description: ev.Content.Description, Location: ev.Content.Location, When: when(ev.Content),
		Organizer: ev.OrganizerName, Name: l.to.Name, UID: ev.UID, EventURL: c.publicURL + "/event/" + ev.UID,
	}
	if v.Summary == "" {
		v.Summary = "(no title)"
	}
	if v.Organizer == "" {
		v.Organizer = ev.OrganizerAddress
	}
	if v.Name == "" {
		v.Name = l.to.Address
	}
	v.InviteURL = v.EventURL + "/invite?email=EMAIL&name=NAME&origin=emailcta"
	return v
}

// when says a time the way the organizer wrote it.
func when(c event.Content) string {
	start, err1 := parseLocal(c.Start)
	end, err2 := parseLocal(c.End)
	if err1 != nil || err2 != nil {
		return c.Start.Local
	}
	if c.Start.AllDay {
		if end = end.AddDate(0, 0, -1); end.After(start) { // the end is exclusive
			return start.Format("Mon 2 Jan 2006") + " – " + end.Format("Mon 2 Jan 2006")
		}
		return start.Format("Mon 2 Jan 2006")
	}
	zone := c.Start.TZID
	if zone == "" {
		zone = "UTC"
	}
	layout := "15:04"
	if start.Format("20060102") != end.Format("20060102") {
		layout = "Mon 2 Jan 2006 15:04"
	}
	return fmt.Sprintf("%s – %s (%s)", start.Format("Mon 2 Jan 2006 15:04"), end.Format(layout), zone)
}

func parseLocal(m event.Moment) (time.Time, error) {
	if m.AllDay {
		return time.Parse("2006-01-02", m.Local)
	}
	return time.Parse("2006-01-02T15:04:05", m.Local)
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
