package message_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/ical"
)

func request() []byte {
	start := time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC)
	return clientmail.GoogleRequest(clientmail.Event{UID: "u@google.com", DTStamp: start, Start: start, End: start.Add(time.Hour), Summary: "S", OrganizerName: "Olga", Organizer: "Olga@Organizer.example", To: "create@cis.example"})
}

func TestParse(t *testing.T) {
	t.Run("Google's form: sender, method and both calendar parts", func(t *testing.T) {
		m, err := message.Parse(request())
		if err != nil || m.FromAddress != "olga@organizer.example" || m.FromName != "Olga" || len(m.Calendars) != 2 || m.Calendars[0].Method != "REQUEST" {
			t.Fatalf("got %+v, %v", m, err)
		}
		if !bytes.Contains(m.Calendars[1].Data, []byte("UID:u@google.com")) {
			t.Error("the attachment was not decoded")
		}
	})
	t.Run("damage costs no more than itself", func(t *testing.T) {
		whole := string(request())
		for name, data := range map[string]string{
			"no closing boundary":  whole[:strings.LastIndex(whole, "--000000000000mixed--")],
			"an mbox separator":    "From olga@organizer.example Fri Nov 20 12:00:00 2026\r\n" + whole,
			"blank lines before":   "\r\n\r\n" + whole,
			"LF only":              strings.ReplaceAll(whole, "\r\n", "\n"),
			"a line in the header": strings.Replace(whole, "To: ", "nonsense without a colon\r\nTo: ", 1),
			"and in a part's":      strings.Replace(whole, "Content-Type: text/html", "more nonsense\r\n and more\r\nContent-Type: text/html", 1),
			"an unknown charset":   strings.ReplaceAll(whole, `charset="UTF-8"; method`, `charset="x-unknown"; method`),
		} {
			m, err := message.Parse([]byte(data))
			if err != nil || len(m.Calendars) == 0 || !bytes.Contains(m.Calendars[0].Data, []byte("UID:u@google.com")) {
				t.Errorf("%s: %+v, %v", name, m, err)
			}
		}
	})
	t.Run("a calendar in a forwarded or returned message is not this mail's", func(t *testing.T) {
		m, err := message.Parse([]byte("From: a@b.example\r\nContent-Type: message/rfc822\r\n\r\n" + string(request())))
		if err != nil || len(m.Calendars) != 0 {
			t.Errorf("got %+v, %v", m, err)
		}
	})
	t.Run("nesting and parts are bounded", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("From: a@b.example\r\n")
		for range 5000 {
			b.WriteString("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n")
		}
		begin := time.Now()
		if _, err := message.Parse([]byte(b.String())); err != nil {
			t.Log(err)
		}
		many := "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n", 50_000)
		m, err := message.Parse([]byte(many))
		if err != nil || len(m.Calendars) > 200 || time.Since(begin) > 2*time.Second {
			t.Errorf("%d calendars, %v, %v", len(m.Calendars), err, time.Since(begin))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(request())
	f.Add([]byte("From: a@b\nContent-Type: multipart/mixed; boundary=\"\n\n--\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		_, _ = message.Parse(data)
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("took %v for %d bytes", d, len(data))
		}
	})
}

// TestEncodings: the same calendar, however it travels.
func TestEncodings(t *testing.T) {
	const plain = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nSUMMARY:Gr\u00fc\u00dfe\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	latin := strings.NewReplacer("\u00fc", "\xfc", "\u00df", "\xdf").Replace(plain)
	for name, part := range map[string]string{
		"8bit":             "Content-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + plain,
		"base64":           "Content-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(plain)),
		"quoted-printable": "Content-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.NewReplacer("\u00fc", "=C3=BC", "\u00df", "=C3=9F").Replace(plain),
		"Latin-1":          "Content-Type: text/calendar; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + latin,
		"a file":           "Content-Type: application/octet-stream; name=\"invite.ics\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(plain)),
		"winmail.dat":      "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(winmail(plain)),
	} {
		m, err := message.Parse([]byte("From: a@b.example\r\n" + part))
		if err != nil || len(m.Calendars) != 1 || m.TNEF {
			t.Errorf("%s: %+v, %v", name, m, err)
			continue
		}
		cal, err := ical.Read(m.Calendars[0].Data)
		if err != nil || len(cal.Events) != 1 || cal.Events[0].Summary != "Gr\u00fc\u00dfe" {
			t.Errorf("%s: %+v, %v", name, cal, err)
		}
	}
	m, err := message.Parse([]byte("From: a@b.example\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx\x9f\x3e\x22"))
	if err != nil || !m.TNEF || len(m.Calendars) != 0 {
		t.Errorf("a winmail.dat with nothing to take out: %+v, %v", m, err)
	}
}

// winmail is a winmail.dat (MS-OXTNEF §2.1) with one attachment.
func winmail(file string) []byte {
	data := []byte{0x78, 0x9f, 0x3e, 0x22, 1, 0}
	for _, a := range []struct {
		level byte
		id    uint32
		value string
	}{{1, 0x00089006, "\x00\x00\x01\x00"}, {2, 0x00069002, strings.Repeat("\x00", 14)}, {2, 0x0006800f, file}} {
		data = append(data, a.level)
		data = binary.LittleEndian.AppendUint32(data, a.id)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(a.value)))
		data = append(data, a.value...)
		sum := uint16(0)
		for i := range len(a.value) {
			sum += uint16(a.value[i])
		}
		data = binary.LittleEndian.AppendUint16(data, sum)
	}
	return data
}

// TestReport reads delivery reports; a calendar in one is not an invitation.
func TestReport(t *testing.T) {
	report := func(status string) *message.Message {
		t.Helper()
		m, err := message.Parse([]byte("From: <MAILER-DAEMON@mx.example>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n" + status + "\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n"))
		if err != nil || m.Report == nil || len(m.Calendars) != 0 {
			t.Fatalf("got %+v, %v", m, err)
		}
		return m
	}
	for status, want := range map[string]struct{ failed, hard bool }{
		"Final-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1 (no such user)\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n":                         {true, true},
		"Final-Recipient: rfc822; a@b\r\nAction: Failed\r\nStatus: 5.2.2\r\n":                                                                            {true, false},
		"Final-Recipient: rfc822; a@b\r\nAction: delayed\r\nStatus: 4.4.1\r\n":                                                                           {false, false},
		"Final-Recipient: rfc822; a@b\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822; c@d\r\nAction: failed\r\nStatus: 5.1.10\r\n": {true, true},
		"nonsense\r\n": {false, false},
	} {
		if r := report(status).Report; r.Failed() != want.failed || r.Hard() != want.hard {
			t.Errorf("%q: got %+v", status, r)
		}
	}
}

// TestWho reads whom a mail names, and refuses to choose among several.
func TestWho(t *testing.T) {
	for header, want := range map[string]string{
		"From: Ann <Ann@Example.com>":                   "ann@example.com",
		"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>": "j@example.com",
		"From: a@example.com, b@example.com":            "",
		"From: a@example.com\r\nFrom: b@example.com":    "",
		"From: nobody": "",
		"Subject: x":   "",
	} {
		m, err := message.Parse([]byte(header + "\r\n\r\nx"))
		if err != nil || m.FromAddress != want {
			t.Errorf("%q: got %q, %v", header, m.FromAddress, err)
		}
	}
	from, to := message.Envelope([]byte("Return-Path: <bounce@x.example>\r\nDelivered-To: create@cis.example\r\nTo: CREATE@cis.example, list@x.example\r\nCc: rsvp@cis.example\r\n\r\nx"),
		func(a string) bool { return strings.HasSuffix(a, "@cis.example") })
	if from != "bounce@x.example" || strings.Join(to, " ") != "create@cis.example rsvp@cis.example" {
		t.Errorf("got %q, %q", from, to)
	}
}
