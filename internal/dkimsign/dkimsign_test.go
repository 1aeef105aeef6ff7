package dkimsign_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/emersion/go-msgauth/dkim"
)

// TestSign: the signature verifies and covers what a reader acts on, the way out of a list included (RFC 8058 §4).
func TestSign(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := dkimsign.New("cis.example", "cis", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	mail := "From: <a@cis.example>\r\nTo: <b@example.com>\r\nSubject: Hello\r\nList-Unsubscribe: <https://cis.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nText\r\n"
	signed, err := signer.Sign([]byte(mail))
	if err != nil {
		t.Fatal(err)
	}
	check := func(mail []byte) error {
		list, err := dkim.VerifyWithOptions(bytes.NewReader(mail), &dkim.VerifyOptions{LookupTXT: func(string) ([]string, error) {
			return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
		}})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v %v", list, err)
		}
		return list[0].Err
	}
	if err := check(signed); err != nil {
		t.Errorf("as it was signed: %v", err)
	}
	for from, to := range map[string]string{"https://cis.example/u": "https://evil.example/u", "=One-Click": "=Never", "Subject: Hello": "Subject: Hullo"} {
		if err := check([]byte(strings.Replace(string(signed), from, to, 1))); err == nil {
			t.Errorf("%s can be changed", from)
		}
	}
	if _, err := dkimsign.New("cis.example", "cis", []byte("nonsense")); err == nil {
		t.Error("nonsense is a key")
	}
}
