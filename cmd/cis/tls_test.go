package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificate writes a self-signed certificate for 127.0.0.1 and returns its files and a pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, data := range map[string][]byte{certFile: cert, keyFile: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return certFile, keyFile, pool
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	env := map[string]string{
		"CIS_DATA": filepath.Join(t.TempDir(), "data"), "CIS_HTTP": "127.0.0.1:0", "CIS_SMTP": "127.0.0.1:0", "CIS_TLS_CERT": cert, "CIS_TLS_KEY": key, "CIS_ADMIN_KEY": "k",
	}
	cfg, _, err := readConfig(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	app, err := Start(within(t, time.Minute), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close(); _ = app.private.Remove() })
	trust := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}

	t.Run("HTTP is HTTPS", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
		eventually(t, within(t, 20*time.Second), "livez", func() error {
			resp, err := client.Get("https://" + app.HTTPAddr.String() + "/livez")
			if err == nil {
				_ = resp.Body.Close()
			}
			return err
		})
	})
	t.Run("SMTP offers STARTTLS and takes mail over it", func(t *testing.T) {
		c, err := smtp.Dial(app.SMTPAddr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if ok, _ := c.Extension("STARTTLS"); !ok {
			t.Fatal("not offered")
		}
		if err := c.StartTLS(trust); err != nil {
			t.Fatal(err)
		}
		if err := c.Mail("a@example.com"); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("create@localhost"); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte("From: a@example.com\r\n\r\nhello\r\n"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
