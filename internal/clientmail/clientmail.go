// Package clientmail writes mails the way calendar clients do, for the demo, the benchmarks and the tests.
package clientmail

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Event is a meeting as an organizer's calendar holds it.
type Event struct {
	UID           string
	Sequence      int
	DTStamp       time.Time
	Start, End    time.Time
	Summary       string
	Location      string
	Description   string
	OrganizerName string
	Organizer     string // address
	To            string // the server's address
	Zone          string // IANA name, for times with TZID; empty: UTC
	Extra         string // further lines of the VEVENT: RRULE, RECURRENCE-ID
}

// at writes a property of time.
func (e Event) at(name string, t time.Time) string {
	if loc, err := time.LoadLocation(e.Zone); e.Zone != "" && err == nil {
		return fmt.Sprintf("%s;TZID=%s:%s", name, e.Zone, t.In(loc).Format("20060102T150405"))
	}
	return name + ":" + t.UTC().Format(stamp)
}

// GoogleRequest is a METHOD:REQUEST mail in Google Calendar's form: multipart/mixed with an alternative that holds
// text, HTML and text/calendar, and application/ics beside it.
func GoogleRequest(e Event) []byte { return google(e, "REQUEST", "CONFIRMED", "Invitation: ") }

// GoogleCancel is a METHOD:CANCEL mail in the same form.
func GoogleCancel(e Event) []byte { return google(e, "CANCEL", "CANCELLED", "Canceled event: ") }

const stamp = "20060102T150405Z"

func google(e Event, method, status, subject string) []byte {
	ics := crlf(fmt.Sprintf(`BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:%s
BEGIN:VEVENT
%s
%s
%sDTSTAMP:%s
ORGANIZER;CN=%s:mailto:%s
UID:%s
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=
 TRUE;CN=%s;X-NUM-GUESTS=0:mailto:%s
CREATED:20261101T080000Z
DESCRIPTION:%s
LAST-MODIFIED:%s
LOCATION:%s
SEQUENCE:%d
STATUS:%s
SUMMARY:%s
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
`, method, e.at("DTSTART", e.Start), e.at("DTEND", e.End), e.Extra, e.DTStamp.UTC().Format(stamp), e.OrganizerName, e.Organizer, e.UID,
		e.To, e.To, escape(e.Description), e.DTStamp.UTC().Format(stamp), escape(e.Location), e.Sequence, status, escape(e.Summary)))
	return crlf(fmt.Sprintf(`From: %s <%s>
To: %s
Subject: %s%s
Message-ID: <calendar-%s-%d-%d@google.com>
Date: %s
Reply-To: %s <%s>
Sender: Google Calendar <calendar-notification@google.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="000000000000mixed"

--000000000000mixed
Content-Type: multipart/alternative; boundary="000000000000alt"

--000000000000alt
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes
Content-Transfer-Encoding: base64

%s
--000000000000alt
Content-Type: text/html; charset="UTF-8"
Content-Transfer-Encoding: quoted-printable

<p>You have been invited</p>
--000000000000alt
Content-Type: text/calendar; charset="UTF-8"; method=%s
Content-Transfer-Encoding: 7bit

%s
--000000000000alt--

--000000000000mixed
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

%s
--000000000000mixed--
`, e.OrganizerName, e.Organizer, e.To, subject, e.Summary, e.UID, e.Sequence, e.DTStamp.Unix(), e.DTStamp.UTC().Format(time.RFC1123Z),
		e.OrganizerName, e.Organizer, lines(base64.StdEncoding.EncodeToString([]byte("You have been invited"))), method, ics, lines(base64.StdEncoding.EncodeToString(ics))))
}

// Reply is an attendee's answer.
type Reply struct {
	UID       string
	Sequence  int
	DTStamp   time.Time
	Organizer string // address the invitation came from
	Attendee  string
	Name      string
	PartStat  string // ACCEPTED, DECLINED, TENTATIVE
	Start     time.Time
	Method    string // REPLY if empty
	Extra     string // further lines of the VEVENT: RECURRENCE-ID, COMMENT
	Params    string // further parameters of ATTENDEE, with a semicolon in front
	From      string // who sends it, if not the attendee
}

// GmailReply is a METHOD:REPLY mail in Gmail's form.
func GmailReply(r Reply) []byte {
	return reply(r, "-//Google Inc//Google Calendar 70.9054//EN", fmt.Sprintf("ORGANIZER;CN=Organizer:mailto:%s\n", r.Organizer), "text/calendar; charset=\"UTF-8\"; method=REPLY")
}

// OutlookReply is a METHOD:REPLY mail in Outlook.com's form, which leaves ORGANIZER out.
func OutlookReply(r Reply) []byte {
	return reply(r, "Microsoft Exchange Server 2010", "", "text/calendar; charset=\"utf-8\"; method=REPLY")
}

func reply(r Reply, prodid, organizer, contentType string) []byte {
	if r.Method == "" {
		r.Method = "REPLY"
	}
	if r.From == "" {
		r.From = r.Attendee
	}
	contentType = strings.Replace(contentType, "REPLY", r.Method, 1)
	ics := fmt.Sprintf(`BEGIN:VCALENDAR
PRODID:%s
VERSION:2.0
METHOD:%s
BEGIN:VEVENT
DTSTART:%s
DTSTAMP:%s
%s%sUID:%s
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=%s;CN=%s%s:MAILTO:%s
SEQUENCE:%d
SUMMARY:%s
END:VEVENT
END:VCALENDAR
`, prodid, r.Method, r.Start.UTC().Format(stamp), r.DTStamp.UTC().Format(stamp), organizer, r.Extra, r.UID, r.PartStat, r.Name, r.Params, r.Attendee,
		r.Sequence, r.PartStat)
	return crlf(fmt.Sprintf(`From: %s <%s>
To: %s
Subject: %s: an event
Message-ID: <reply-%s-%s-%d@mail.example>
Date: %s
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="----=_reply"

------=_reply
Content-Type: text/plain; charset="UTF-8"

%s has answered.
------=_reply
Content-Type: %s
Content-Transfer-Encoding: base64

%s
------=_reply--
`, r.Name, r.From, r.Organizer, r.PartStat, r.Attendee, r.PartStat, r.DTStamp.Unix(), r.DTStamp.UTC().Format(time.RFC1123Z), r.Name, contentType,
		lines(base64.StdEncoding.EncodeToString(crlf(ics)))))
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`).Replace(s)
}

func lines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s
}

func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}

// Text is a plain mail, as people write it.
func Text(from, to, subject, body string) []byte {
	return crlf(fmt.Sprintf("From: <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <%d.%s>\nDate: %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\n%s\n",
		from, to, subject, time.Now().UnixNano(), from, time.Now().Format(time.RFC1123Z), body))
}

// Table is a mail with a CSV file attached.
func Table(from, to string, csv []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: <%s>\nTo: <%s>\nSubject: Guests\nMessage-ID: <%d.%s>\nDate: %s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b1\n\n", from, to, time.Now().UnixNano(), from, time.Now().Format(time.RFC1123Z))
	b.WriteString("--b1\nContent-Type: text/plain; charset=UTF-8\n\nHere they are.\n--b1\nContent-Type: text/csv; name=guests.csv\nContent-Disposition: attachment; filename=guests.csv\nContent-Transfer-Encoding: base64\n\n")
	encoded := base64.StdEncoding.EncodeToString(csv)
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\n")
		encoded = encoded[76:]
	}
	b.WriteString(encoded + "\n--b1--\n")
	return crlf(b.String())
}
