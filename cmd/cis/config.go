package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/imappoll"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Config is what the environment says, checked.
type Config struct {
	Data         string
	Tenant       string // that commands are about
	Secret       string // or
	SecretFile   string
	Domain       string
	PublicURL    string
	HTTP, SMTP   string
	LMTP         string // listen address or unix:/path; empty: none
	IMAP         string
	WebhookKey   string
	MailgunKey   string
	SESTopic     string
	Shopify      string
	OrderSecret  string
	TLSCert      string
	TLSKey       string
	Proxies      []*net.IPNet
	Relay        string
	EventStore   string
	Database     string
	AdminKey     string
	MailAuth     string
	AuthServID   string
	Sealers      []string
	Google       bool
	DNS          string
	Alarm        int    // minutes
	DKIMKey      string // a file
	DKIMSelector string
	Landing      string
	LandingHosts []string
	EventLimit   int // events in a list
	Limits       commands.Limits
	LogLevel     slog.Level
	RSVP         string
	Sender       string
	Operator     string
	Templates    string
	Language     string
	Footer       string
	Test         bool
	KeyRate      int // per second
	TenantRate   int
	ClientRate   int
	Origins      []string
	PrivateHooks bool
	HookPauses   []time.Duration
	ACME         bool

	VaultKeyFile      string
	CheckpointMinutes int
	CheckpointURL     string
	CheckpointMail    string

	ACMEEmail, ACMEDirectory string
	OIDCIssuer               string
	OIDCClient               string
	OIDCSecret               string
	Window                   int // seconds
	Reminders                []string
	Rates                    notifier.Rates

	templates *notifier.Templates
	own       []projector.Projection // analysts'

	tls  *tls.Config
	dkim *dkimsign.Signer
}

// setting describes a variable, for "cis config".
type setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default bool   `json:"default"`
	Meaning string `json:"meaning"`
}

// environment reads variables and remembers what it read and what was wrong.
type environment struct {
	lookup   func(string) string
	settings []setting
	problems []error
}

// get returns a variable; an empty one is an unset one.
func (e *environment) get(name, fallback, meaning string) string {
	v := strings.TrimSpace(e.lookup(name))
	s := setting{Name: name, Value: v, Meaning: meaning}
	if v == "" {
		s.Value, s.Default = fallback, true
	}
	e.settings = append(e.settings, s)
	return s.Value
}

// secret is get for values that must not be shown.
func (e *environment) secret(name, meaning string) string {
	v := e.get(name, "", meaning)
	if v != "" {
		e.settings[len(e.settings)-1].Value = "(set)"
	}
	return v
}

// url is get for addresses that may hold a password.
func (e *environment) url(name, meaning string) string {
	v := e.get(name, "", meaning)
	if u, err := url.Parse(v); err == nil && u.User != nil {
		e.settings[len(e.settings)-1].Value = u.Redacted()
	}
	return v
}

func (e *environment) bad(name, format string, args ...any) {
	e.problems = append(e.problems, fmt.Errorf(name+": "+format, args...))
}

func (e *environment) number(name string, fallback int, meaning string) int {
	v := e.get(name, strconv.Itoa(fallback), meaning)
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		e.bad(name, "%q is not a number from 0 on", v)
		return fallback
	}
	return n
}

func (e *environment) toggle(name string, fallback bool, meaning string) bool {
	words := map[string]bool{"on": true, "true": true, "1": true, "off": false, "false": false, "0": false}
	v := strings.ToLower(e.get(name, map[bool]string{true: "on", false: "off"}[fallback], meaning))
	on, ok := words[v]
	if !ok {
		e.bad(name, "%q is neither on nor off", v)
	}
	return on
}

// readConfig reads and checks the whole environment. All mistakes come back in one error.
func readConfig(lookup func(string) string) (*Config, []setting, error) {
	e := &environment{lookup: lookup}
	c := &Config{
		Data:        e.get("CIS_DATA", "./data", "folder for everything embedded"),
		Secret:      e.secret("CIS_SECRET", "the secret all ids and keys come from, at least 32 characters; it never changes"),
		SecretFile:  e.get("CIS_SECRET_FILE", "", "a file holding it; by default one is made in CIS_DATA"),
		Tenant:      e.get("CIS_TENANT", tenant.Default, "the tenant that commands (cis organizers, cis keys …) are about; the server is for all"),
		Domain:      strings.ToLower(e.get("CIS_DOMAIN", "localhost", "mail domain of the server")),
		HTTP:        e.get("CIS_HTTP", "127.0.0.1:8080", "address HTTP listens on"),
		SMTP:        e.get("CIS_SMTP", "127.0.0.1:2525", "address SMTP listens on"),
		LMTP:        e.get("CIS_LMTP", "", "address LMTP listens on for a mail server of yours, host:port or unix:/path; empty: none"),
		IMAP:        e.url("CIS_IMAP", "mailbox to fetch mail from: imaps://user:password@host/INBOX; empty: none"),
		WebhookKey:  e.secret("CIS_WEBHOOK_SECRET", "password in the URL Postmark and SendGrid post mail to: https://cis:PASSWORD@host/mail/postmark"),
		MailgunKey:  e.secret("CIS_MAILGUN_KEY", "Mailgun's HTTP webhook signing key, for /mail/mailgun"),
		SESTopic:    e.get("CIS_SES_TOPIC", "", "ARN of the SNS topic Amazon SES publishes mail to, for /mail/ses"),
		Shopify:     e.secret("CIS_SHOPIFY_SECRET", "secret of Shopify's webhooks, for /order; empty: every order is refused"),
		OrderSecret: e.secret("CIS_ORDER_SECRET", "secret of other payment processors' webhooks, whsec_… or text, for /order/webhook; empty: every order is refused"),
		TLSCert:     e.get("CIS_TLS_CERT", "", "certificate file for HTTPS and STARTTLS"),
		TLSKey:      e.get("CIS_TLS_KEY", "", "its key"),
		Relay:       e.url("CIS_RELAY", "outgoing mail: smtp://[user:password@]host:port or smtps://…; empty: a Maildir in CIS_DATA/outbox"),
		EventStore:  e.url("EVENTSTORE_URL", "EventStoreDB, esdb://…; empty: embedded in CIS_DATA"),
		Database:    e.url("DATABASE_URL", "PostgreSQL, postgres://…; empty: a private server in CIS_DATA"),
		AdminKey:    e.secret("CIS_ADMIN_KEY", "the API key; empty: one is made at the first start and printed once"),
		EventLimit:  e.number("EVENT_VIEW_LENGTH", 100, "events in a list"),
		RSVP:        e.get("RSVP_EMAIL", "", "base of the reply address, by default rsvp@CIS_DOMAIN"),
	}
	c.Limits.Events = e.number("EVENT_LIMIT", 5, "events of an organizer nobody pays for; 0: any number")
	c.Limits.Invites = e.number("EVENT_INVITE_LIMIT", 1000, "bulk invitations to an event; 0: any number")
	maxLimit := e.number("MAX_EVENT_VIEW_LENGTH", 500, "events in a list at most")
	if c.EventLimit == 0 || maxLimit > 0 && c.EventLimit > maxLimit {
		c.EventLimit = maxLimit
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	c.PublicURL = e.get("CIS_PUBLIC_URL", scheme+"://"+c.HTTP, "base of links in mails")
	c.Landing = e.get("CIS_LANDING", strings.TrimSuffix(c.PublicURL, "/")+"/thanks", "page after an invite link")
	c.LandingHosts = list(strings.ToLower(e.get("CIS_LANDING_HOSTS", "", "further hosts a link's landing parameter may name, separated by commas")))
	c.MailAuth = e.get("CIS_MAIL_AUTH", map[bool]string{true: "off", false: "enforce"}[c.Domain == "localhost"], "whether senders must be proven: enforce, off")
	c.AuthServID = e.get("CIS_AUTHSERV_ID", "", "believe the topmost Authentication-Results of this host, a mail server in front of this one, on mail by LMTP, IMAP, or SMTP from this machine or CIS_TRUSTED_PROXIES")
	c.Sealers = list(strings.ToLower(e.get("CIS_ARC_SEALERS", "", "domains of forwarders whose ARC seals are believed, separated by commas")))
	c.Google = e.toggle("CIS_GOOGLE_CALENDAR", true, "accept what Google Calendar signs in its users' names: on, off")
	c.DNS = e.get("CIS_DNS", "", "DNS server for checking senders, host:port; empty: the system's")
	c.Alarm = e.number("CIS_ALARM", 15, "minutes before an event at which attendees' calendars remind them; 0: none")
	c.DKIMKey = e.get("CIS_DKIM_KEY", "", "file with the private key outgoing mail is signed with (cis dkim generate)")
	c.DKIMSelector = e.get("CIS_DKIM_SELECTOR", "cis", "selector of that key in the DNS")
	if strings.TrimSpace(lookup("CIS_VAULT_URL")) != "" {
		e.bad("CIS_VAULT_URL", "this version does not do that yet; unset it, so that nobody relies on it")
	}
	c.readMails(e)
	c.readProof(e)
	c.readAPI(e)
	c.readProxies(e)
	c.LogLevel = c.readLevel(e)
	c.check(e)
	if len(e.problems) > 0 {
		return nil, e.settings, fmt.Errorf("the configuration has %d mistakes:\n%w", len(e.problems), errors.Join(e.problems...))
	}
	return c, e.settings, nil
}

// check looks for mistakes that show only when values are seen together.
func (c *Config) check(e *environment) {
	if !address.Valid("x@" + c.Domain) {
		e.bad("CIS_DOMAIN", "%q is not a mail domain", c.Domain)
	}
	for name, v := range map[string]string{"CIS_HTTP": c.HTTP, "CIS_SMTP": c.SMTP} {
		if _, _, err := net.SplitHostPort(v); err != nil {
			e.bad(name, "%q is not host:port", v)
		}
	}
	if _, _, err := net.SplitHostPort(c.LMTP); c.LMTP != "" && err != nil && !strings.HasPrefix(c.LMTP, "unix:/") {
		e.bad("CIS_LMTP", "%q is neither host:port nor unix:/path", c.LMTP)
	}
	if c.IMAP != "" {
		if _, err := imappoll.New(imappoll.Options{URL: c.IMAP}); err != nil {
			e.bad("CIS_IMAP", "%v", err)
		}
	}
	for name, v := range map[string]string{"CIS_PUBLIC_URL": c.PublicURL, "CIS_LANDING": c.Landing} {
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			e.bad(name, "%q is not an http or https address", v)
		}
	}
	if c.Secret != "" {
		if _, err := secret.New(c.Secret); err != nil {
			e.bad("CIS_SECRET", "%v", err)
		}
	}
	if c.EventStore != "" {
		if _, err := eventstore.ParseURL(c.EventStore); err != nil {
			e.bad("EVENTSTORE_URL", "%v", err)
		}
		if c.Secret == "" && c.SecretFile == "" {
			e.bad("CIS_SECRET", "an external event store needs CIS_SECRET or CIS_SECRET_FILE: without it its ids could not be made again")
		}
	}
	if c.Database != "" {
		if _, err := pgxpool.ParseConfig(c.Database); err != nil {
			e.bad("DATABASE_URL", "it cannot be read as a connection string") // pgx's own message may quote the password
		}
	}
	if c.MailAuth != "off" && c.MailAuth != "enforce" {
		e.bad("CIS_MAIL_AUTH", "%q is neither enforce nor off", c.MailAuth)
	}
	if c.DNS != "" {
		if _, _, err := net.SplitHostPort(c.DNS); err != nil {
			e.bad("CIS_DNS", "%q is not host:port", c.DNS)
		}
	}
	c.checkTLS(e)
	c.readDKIM(e)
}

func (c *Config) readDKIM(e *environment) {
	if c.DKIMKey == "" {
		return
	}
	pem, err := os.ReadFile(c.DKIMKey)
	if err == nil {
		c.dkim, err = dkimsign.New(c.Domain, c.DKIMSelector, pem)
	}
	if err != nil {
		e.bad("CIS_DKIM_KEY", "%v", err)
	}
}

// checker proves senders; nil if they are not to be proven.
func (c *Config) checker() *senderauth.Checker {
	if c.MailAuth == "off" {
		return nil
	}
	opts := senderauth.Options{AuthServID: c.AuthServID, Sealers: c.Sealers, NoGoogle: !c.Google}
	if c.DNS != "" {
		opts.Resolver = senderauth.NewResolver(c.DNS)
	}
	return senderauth.New(opts)
}

func (c *Config) checkTLS(e *environment) {
	if c.ACME {
		c.checkACME(e)
		return
	}
	if c.TLSCert == "" && c.TLSKey == "" {
		return
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		e.bad("CIS_TLS_CERT, CIS_TLS_KEY", "%v", err)
		return
	}
	c.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}

// checkACME has the certificate made when somebody first comes, and kept below CIS_DATA. Only for our own host: who asks
// for another name gets none.
func (c *Config) checkACME(e *environment) {
	u, err := url.Parse(c.PublicURL)
	switch {
	case c.TLSCert != "" || c.TLSKey != "":
		e.bad("CIS_ACME", "there is a certificate in CIS_TLS_CERT already; choose one")
		return
	case err != nil || u.Scheme != "https" || net.ParseIP(u.Hostname()) != nil || !strings.Contains(u.Hostname(), "."):
		e.bad("CIS_ACME", "CIS_PUBLIC_URL must say the host, like https://events.example.com")
		return
	}
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, "acme")), HostPolicy: autocert.HostWhitelist(u.Hostname()), Email: c.ACMEEmail,
	}
	if c.ACMEDirectory != "" {
		m.Client = &acme.Client{DirectoryURL: c.ACMEDirectory}
	}
	c.tls = m.TLSConfig()
	c.tls.MinVersion = tls.VersionTLS12
	ask := c.tls.GetCertificate
	c.tls.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" { // mail servers seldom say whom they call
			hello.ServerName = u.Hostname()
		}
		return ask(hello)
	}
}

// keys derives the installation's keys, making the secret if this is a first start.
func (c *Config) keys() (secret.Keys, error) {
	if c.Secret != "" {
		return secret.New(c.Secret)
	}
	return secret.FromFile(c.secretFile())
}

func (c *Config) book() address.Book { return address.NewBook(c.Domain, c.RSVP) }

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func newConfig() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "config", Short: "Show the configuration, checked and without secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, settings, err := readConfig(os.Getenv)
			out := cmd.OutOrStdout()
			if asJSON {
				return errors.Join(printJSON(out, settings), err)
			}
			for _, s := range settings {
				mark := ""
				if s.Default {
					mark = " (default)"
				}
				_, _ = fmt.Fprintf(out, "%s=%s%s\n    %s\n", s.Name, s.Value, mark, s.Meaning)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
