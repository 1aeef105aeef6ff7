package message_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/calendar-invite-server/cis/ingest/message"
)

func TestMentioned(t *testing.T) {
	ann := message.NewMentioned("Ann.Smith@example.com")
	plain := "From: a@b.example\r\nTo: c@d.example\r\n\r\n"
	wide := make([]byte, 0, 100)
	for _, r := range utf16.Encode([]rune("name,ann.smith@example.com\n")) {
		wide = append(wide, byte(r), byte(r>>8))
	}
	inner := "From: x@y.example\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("ask ann.smith@example.com")) + "\r\n"
	for name, c := range map[string]struct {
		mail string
		want bool
	}{
		"header":            {"To: ANN.SMITH@example.com\r\n\r\nhello", true},
		"body":              {plain + "ask ann.smith@example.com.", true},
		"longer address":    {plain + "ask joann.smith@example.com", false},
		"other domain":      {plain + "ask ann.smith@example.com.au or Ann.Smith@example.community", false},
		"end of a sentence": {plain + "write to ann.smith@example.com. Thanks", true},
		"link":              {plain + "https://x.example/?to=Ann.Smith%40example.com&n=1", true},
		"folded calendar":   {plain + "ATTENDEE;CN=Ann:mailto:ann.sm\r\n ith@example.com\r\n", true},
		"quoted-printable":  {"Content-Transfer-Encoding: quoted-printable\r\n\r\nann.smi=\r\nth=40example.com", true},
		"base64":            {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("email\nann.smith@example.com\n")) + "\r\n--b--\r\n", true},
		"UTF-16":            {"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(wide), true},
		"encoded header":    {"Subject: =?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte("ann.smith@example.com")) + "?=\r\n\r\n", true},
		"mail in a mail":    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + "\r\n--b--\r\n", true},
		"nobody":            {plain + "hello", false},
		"not a mail":        {"\x00\x01" + strings.Repeat("x", 10), false},
	} {
		if got := ann.InMail([]byte(c.mail)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
