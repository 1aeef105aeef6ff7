// Package dkimsign signs outgoing mail (RFC 6376, RFC 8463) and makes the keys for it.
//
// Start reading at [Signer.Sign].
package dkimsign

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// signed are the headers a signature covers. From stands twice, so that nobody can add another one.
var signed = []string{
	"From", "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type", "Auto-Submitted",
	"List-Unsubscribe", "List-Unsubscribe-Post", // RFC 8058 §4
}

// Signer signs mails. The nil Signer leaves them as they are.
type Signer struct {
	domain, selector string
	key              crypto.Signer
}

// New makes a signer for a domain from a private key in PEM (PKCS #8, or PKCS #1 for RSA).
func New(domain, selector string, keyPEM []byte) (*Signer, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("there is no PEM block in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("it is no private key in PKCS #8 or PKCS #1")
		}
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < 1024 {
			return nil, fmt.Errorf("an RSA key of %d bits is not believed by anybody; 2048 are usual", key.N.BitLen())
		}
		return &Signer{domain, selector, key}, nil
	case ed25519.PrivateKey:
		return &Signer{domain, selector, key}, nil
	}
	return nil, fmt.Errorf("a %T cannot sign mails; RSA and Ed25519 can", parsed)
}

// Sign returns a mail from the signer's own domain with a signature in front.
func (s *Signer) Sign(mail []byte) ([]byte, error) {
	if s == nil {
		return mail, nil
	}
	return s.SignFrom(mail, s.domain)
}

// SignFrom returns a mail from a domain with a signature in front. It is that of the signer's own domain for everything
// below that, too, which is aligned (RFC 7489 §3.1.1); for another domain it is that domain's, which publishes the same
// key.
func (s *Signer) SignFrom(mail []byte, from string) ([]byte, error) {
	if s == nil {
		return mail, nil
	}
	domain := s.domain
	if from != domain && !strings.HasSuffix(from, "."+domain) {
		domain = from
	}
	var out bytes.Buffer
	out.Grow(len(mail) + 1024)
	err := dkim.Sign(&out, bytes.NewReader(mail), &dkim.SignOptions{
		Domain: domain, Selector: s.selector, Signer: s.key, Hash: crypto.SHA256, HeaderKeys: signed,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return nil, fmt.Errorf("signing a mail: %w", err)
	}
	return out.Bytes(), nil
}

// Record is the TXT record that belongs to the key: its name and its value.
func (s *Signer) Record() (name, value string, err error) {
	name = s.selector + "._domainkey." + s.domain
	switch key := s.key.Public().(type) {
	case ed25519.PublicKey:
		return name, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key), nil
	default:
		der, err := x509.MarshalPKIXPublicKey(key)
		return name, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), err
	}
}

// Generate makes a private key, "ed25519" or "rsa" with 2048 bits, in PEM.
func Generate(kind string) ([]byte, error) {
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, fmt.Errorf("%q is neither ed25519 nor rsa", kind)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
