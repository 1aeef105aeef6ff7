package message_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/clientmail"
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
			"no closing boundary": whole[:strings.LastIndex(whole, "--000000000000mixed--")],
			"an mbox separator":   "From olga@organizer.example Fri Nov 20 12:00:00 2026\r\n" + whole,
			"blank lines before":  "\r\n\r\n" + whole,
			"LF only":             strings.ReplaceAll(whole, "\r\n", "\n"),
			"an unknown charset":  strings.ReplaceAll(whole, `charset="UTF-8"; method`, `charset="x-unknown"; method`),
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
