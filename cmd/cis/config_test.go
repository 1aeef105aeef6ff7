package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/internal/dkimsign"
)

func TestConfig(t *testing.T) {
	read := func(env map[string]string) (*Config, []setting, error) {
		return readConfig(func(name string) string { return env[name] })
	}
	t.Run("nothing configured is a configuration", func(t *testing.T) {
		cfg, _, err := read(map[string]string{"CIS_RELAY": "", "CIS_DOMAIN": " "})
		if err != nil || cfg.Domain != "localhost" || cfg.MailAuth != "off" || cfg.PublicURL != "http://127.0.0.1:8080" || cfg.Landing != "http://127.0.0.1:8080/thanks" {
			t.Errorf("got %+v, %v", cfg, err)
		}
	})
	t.Run("all mistakes come in one message", func(t *testing.T) {
		_, _, err := read(map[string]string{
			"CIS_DOMAIN": "a b", "CIS_HTTP": "8080", "CIS_PUBLIC_URL": "ftp://x", "CIS_SECRET": "short", "EVENTSTORE_URL": "what", "DATABASE_URL": "postgres://u:hunter2@h:port/x",
			"CIS_MAIL_AUTH": "maybe", "CIS_GOOGLE_CALENDAR": "sometimes", "CIS_DNS": "x", "CIS_TLS_CERT": "/nowhere", "CIS_TRUSTED_PROXIES": "me", "EVENT_VIEW_LENGTH": "-1", "LOG_LEVEL": "loud",
		})
		if err == nil {
			t.Fatal("accepted")
		}
		for _, name := range strings.Fields("CIS_DOMAIN CIS_HTTP CIS_PUBLIC_URL CIS_SECRET EVENTSTORE_URL DATABASE_URL CIS_MAIL_AUTH CIS_GOOGLE_CALENDAR CIS_DNS CIS_TLS_CERT CIS_TRUSTED_PROXIES EVENT_VIEW_LENGTH LOG_LEVEL") {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s is not mentioned in: %v", name, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Error("a password is in the message")
		}
	})
	t.Run("senders must be proven, but on this machine", func(t *testing.T) {
		cfg, _, err := read(map[string]string{"CIS_DOMAIN": "cis.example"})
		if err != nil || cfg.checker() == nil {
			t.Errorf("got %v", err)
		}
		if cfg, _, err = read(nil); err != nil || cfg.checker() != nil {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a certificate made by others is for our own host only", func(t *testing.T) {
		env := map[string]string{"CIS_DOMAIN": "cis.example", "CIS_ACME": "on", "CIS_PUBLIC_URL": "https://events.example.com", "CIS_DATA": t.TempDir(), "CIS_ACME_DIRECTORY": "http://127.0.0.1:1/"}
		cfg, _, err := read(env)
		if err != nil || !slices.Contains(cfg.tls.NextProtos, "acme-tls/1") {
			t.Fatalf("%v", err)
		}
		if _, err := cfg.tls.GetCertificate(&tls.ClientHelloInfo{ServerName: "evil.example"}); err == nil || !strings.Contains(err.Error(), "not configured") {
			t.Errorf("for another host: %v", err)
		}
		for _, bad := range []string{"http://events.example.com", "https://127.0.0.1", "https://localhost"} {
			env["CIS_PUBLIC_URL"] = bad
			if _, _, err := read(env); err == nil || !strings.Contains(err.Error(), "CIS_ACME") {
				t.Errorf("%s: %v", bad, err)
			}
		}
	})
	t.Run("a key that is none, and one there is", func(t *testing.T) {
		key, err := dkimsign.Generate("ed25519")
		file := filepath.Join(t.TempDir(), "key.pem")
		if err = errors.Join(err, os.WriteFile(file, key, 0o600)); err != nil {
			t.Fatal(err)
		}
		if cfg, _, err := read(map[string]string{"CIS_DKIM_KEY": file}); err != nil || cfg.dkim == nil {
			t.Errorf("got %v", err)
		}
		for _, bad := range []string{"/nowhere/key.pem", "config_test.go"} {
			if _, _, err := read(map[string]string{"CIS_DKIM_KEY": bad}); err == nil || !strings.Contains(err.Error(), "CIS_DKIM_KEY") {
				t.Errorf("%s: got %v", bad, err)
			}
		}
	})
	t.Run("secrets are not shown", func(t *testing.T) {
		_, settings, _ := read(map[string]string{"CIS_SECRET": strings.Repeat("s3cret", 8), "CIS_ADMIN_KEY": "hunter2", "CIS_RELAY": "smtp://u:hunter2@h:25", "DATABASE_URL": "postgres://u:hunter2@h/x"})
		for _, s := range settings {
			if strings.Contains(s.Value, "hunter2") || strings.Contains(s.Value, "s3cret") {
				t.Errorf("%s=%s", s.Name, s.Value)
			}
		}
	})
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"mail", "import", "--help"}, {"completion", "bash"}, {"version"}, {"config", "--json"}} {
		var out bytes.Buffer
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(&out)
		if err := root.Execute(); err != nil || out.Len() == 0 {
			t.Errorf("cis %v: %v", args, err)
		}
	}
}
