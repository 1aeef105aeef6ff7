package notifier

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"mime"
	"net/mail"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/emersion/go-message/charset"
	gomail "github.com/wneessen/go-mail"
)

//go:embed templates
var templates embed.FS

// mails are the mails there are, by template: what their subject says and, of a calendar mail, its METHOD.
var mails = map[string]struct{ subject, method string }{
	"invite":                      {"Invitation: %s", "REQUEST"},
	"update":                      {"Event Updated: %s", "REQUEST"},
	"cancel":                      {"Event Cancelled: %s", "CANCEL"},
	"withdrawn":                   {"Invitation withdrawn: %s", "CANCEL"},
	string(notice.Crasher):        {"Event Cancelled: %s", "CANCEL"},
	string(notice.DeclineCounter): {"Proposal declined: %s", "DECLINECOUNTER"},
	string(notice.EventCreated):   {"Your event is ready: %s", ""},
	string(notice.Counter):        {"Another time is proposed: %s", ""},
	string(notice.Forward):        {"Fwd: %s", ""},
	string(notice.Refused):        {"Your mail could not be used: %s", ""},
}

// Composer writes mails.
type Composer struct {
	addresses address.Book
	publicURL string
	signer    *dkimsign.Signer

	Alarm time.Duration // before the start, for attendees' calendars; 0: none
	text  *texttemplate.Template
	html  *htmltemplate.Template
}

// NewComposer reads the templates. It fails if one is missing or broken.
// Mails are signed if there is a signer.
func NewComposer(addresses address.Book, publicURL string, signer *dkimsign.Signer) (*Composer, error) {
	c := &Composer{addresses: addresses, publicURL: strings.TrimSuffix(publicURL, "/"), signer: signer, Alarm: 15 * time.Minute}
	var err error
	if c.text, err = texttemplate.ParseFS(templates, "templates/*.txt"); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if c.html, err = htmltemplate.ParseFS(templates, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for name := range mails {
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
	Instance                             bool   // it is about one of a series
	Repeats                              string // how the series does, in the words of RFC 5545
	About, AboutAddress                  string // whom a notice is about
	Proposed, ProposedLocation, Comment  string
	Reason                               string
}

// compose writes a letter as MIME, signed.
func (c *Composer) compose(l *letter, now time.Time) (Envelope, error) {
	v := c.view(l)
	kind := mails[l.kind]
	var text, html bytes.Buffer
	if err := c.text.ExecuteTemplate(&text, l.kind+".txt", v); err != nil {
		return Envelope{}, fmt.Errorf("template %s: %w", l.kind, err)
	}
	if err := c.html.ExecuteTemplate(&html, l.kind+".html", v); err != nil {
		return Envelope{}, fmt.Errorf("template %s: %w", l.kind, err)
	}
	env := Envelope{From: c.addresses.Bounce(l.bounce), To: l.to.Address, ID: l.token + "@" + c.addresses.Domain}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.ToMailAddress(&mail.Address{Name: oneLine(l.to.Name), Address: l.to.Address})
	msg.Subject(oneLine(fmt.Sprintf(kind.subject, v.Summary)))
	msg.SetMessageIDWithValue(env.ID)
	msg.SetDateWithValue(now.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	msg.SetGenHeader(address.LoopHeader, c.addresses.Domain)
	msg.SetBodyString(gomail.TypeTextPlain, text.String())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	var err error
	if kind.method == "" {
		msg.FromMailAddress(&mail.Address{Name: "Calendar Invite Server", Address: c.addresses.Notices()})
		if l.kind == string(notice.Forward) {
			err = forward(msg, l)
		}
	} else {
		msg.FromMailAddress(&mail.Address{Name: oneLine(v.Organizer), Address: l.event.ReplyTo})
		msg.ReplyToMailAddress(&mail.Address{Address: l.event.ReplyTo})
		err = c.attach(msg, l, v, kind.method, now)
	}
	if err != nil {
		return Envelope{}, err
	}
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return Envelope{}, fmt.Errorf("writing a mail: %w", err)
	}
	env.Data, err = c.signer.Sign(out.Bytes())
	return env, err
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

func (c *Composer) view(l *letter) view {
	ev := l.event
	v := view{
		Summary: ev.Content.Summary, Description: ev.Content.Description, Location: ev.Content.Location, When: when(ev.Content.Start, ev.Content.End),
		Organizer: ev.OrganizerName, Name: l.to.Name, UID: ev.UID, EventURL: c.publicURL + "/event/" + ev.UID,
		Instance: l.instance != "", Repeats: repeats(ev.Content), About: l.about.Name, AboutAddress: l.about.Address, Reason: l.reason,
		Comment: l.counter.Comment, ProposedLocation: l.counter.Location,
	}
	if !l.counter.Start.IsZero() {
		v.Proposed = when(l.counter.Start, l.counter.End)
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
	if v.About == "" {
		v.About = l.about.Address
	}
	v.InviteURL = v.EventURL + "/invite?email=EMAIL&name=NAME&origin=emailcta"
	return v
}

// repeats says how a series repeats, in few words; empty for a single event.
func repeats(c event.Content) string {
	if c.Recurrence.IsZero() {
		return ""
	}
	words := map[string]string{"DAILY": "every day", "WEEKLY": "every week", "MONTHLY": "every month", "YEARLY": "every year"}
	parts := map[string]string{}
	for p := range strings.SplitSeq(c.Recurrence.Rule, ";") {
		name, value, _ := strings.Cut(p, "=")
		parts[name] = value
	}
	said := words[parts["FREQ"]]
	switch {
	case said == "":
		return "on several dates"
	case parts["INTERVAL"] != "" && parts["INTERVAL"] != "1":
		said = fmt.Sprintf("every %s %ss", parts["INTERVAL"], strings.TrimPrefix(said, "every "))
	}
	if n := parts["COUNT"]; n != "" {
		said += ", " + n + " times"
	}
	if until, err := time.Parse("20060102", parts["UNTIL"][:min(8, len(parts["UNTIL"]))]); err == nil {
		said += ", until " + until.Format("2 Jan 2006")
	}
	return said
}

// when says a time the way the organizer wrote it.
func when(from, to event.Moment) string {
	start, err1 := parseLocal(from)
	end, err2 := parseLocal(to)
	if err1 != nil || err2 != nil {
		return from.Local
	}
	if from.AllDay {
		if end = end.AddDate(0, 0, -1); end.After(start) { // the end is exclusive
			return start.Format("Mon 2 Jan 2006") + " – " + end.Format("Mon 2 Jan 2006")
		}
		return start.Format("Mon 2 Jan 2006")
	}
	zone := from.TZID
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
