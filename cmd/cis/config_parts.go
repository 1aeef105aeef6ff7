package main

import (
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/projections/own"
)

// readMails reads what our own mails are like and when they go out.
func (c *Config) readMails(e *environment) {
	c.Sender = e.get("SENDER", "", "address our own notices come from, by default notification@CIS_DOMAIN")
	c.Operator = e.get("SYSTEM_EMAIL", "", "whoever runs this server; gets mail to postmaster@ and abuse@; empty: it is only kept")
	c.Templates = e.get("CIS_TEMPLATES", "", "folder with templates that stand in for built-in ones (cis templates export)")
	c.Language = e.get("CIS_LANGUAGE", "", "language of mails, of those CIS_TEMPLATES has; empty: none in particular")
	c.Footer = e.get("CIS_FOOTER", "", "who runs this, at the end of every mail, as the law may want to see it")
	c.Test = e.toggle("CIS_TEST_ENVIRONMENT", false, "this installation is for trying things out, and says so: on, off")
	c.Window = e.number("CIS_UPDATE_WINDOW", 60, "seconds that a change waits for further ones, to be told as one; cancellations never wait")
	c.Reminders = list(e.get("CIS_REMINDERS", "", "when attendees are reminded by mail, like 24h,1h or daily@12:00 (UTC, of everything within 24 hours); empty: never"))
	c.Rates.PerSecond = e.number("CIS_SEND_RATE", 0, "mails per second to many (bulk, changes, reminders) at most; 0: no bound; single invitations never wait")
	c.Rates.PerDomain = e.number("CIS_DOMAIN_RATE", 0, "of those, mails per second to one domain at most; 0: no bound")
	c.Rates.PerDay = int64(e.number("CIS_DAILY_CAP", 0, "mails to attendees per day, UTC, beyond which what goes to many waits; 0: no bound"))
	for name, v := range map[string]string{"SENDER": c.Sender, "SYSTEM_EMAIL": c.Operator} {
		if v != "" && !address.Valid(v) {
			e.bad(name, "%q is not a mail address", v)
		}
	}
	for _, r := range c.Reminders {
		if _, err := event.ParseReminder(r); err != nil {
			e.bad("CIS_REMINDERS", "%v", err)
		}
	}
	var err error
	if c.templates, err = notifier.LoadTemplates(c.Templates); err != nil {
		e.bad("CIS_TEMPLATES", "%v", err)
	}
}

// readProof reads how often the log is signed, and who is told.
func (c *Config) readProof(e *environment) {
	var err error
	if c.own, err = own.Load(e.get("CIS_PROJECTIONS", "", "folder with analysts' own read models, NAME.sql (cis projections try --help); empty: none")); err != nil {
		e.bad("CIS_PROJECTIONS", "%v", err)
	}
	c.VaultKeyFile = e.get("CIS_VAULT_KEY_FILE", "", "file with the key that wraps the keys of personal data, once `cis vault rotate` made one; by default vault.key in CIS_DATA")
	c.CheckpointMinutes = e.number("CIS_CHECKPOINT_MINUTES", 5, "how often all that is in the log is signed, if there is anything new; 0: never")
	c.CheckpointURL = e.url("CIS_CHECKPOINT_URL", "where each signed checkpoint is posted, as text/plain, so that nobody here can change the log unnoticed; empty: nowhere")
	c.CheckpointMail = e.get("CIS_CHECKPOINT_MAIL", "", "address that is mailed one a day; empty: nobody")
	if c.CheckpointMail != "" && !address.Valid(c.CheckpointMail) {
		e.bad("CIS_CHECKPOINT_MAIL", "%q is not a mail address", c.CheckpointMail)
	}
}

// readAPI reads who may call the API and how often, and how people sign in.
func (c *Config) readAPI(e *environment) {
	c.ACME = e.toggle("CIS_ACME", false, "have the certificate for the host of CIS_PUBLIC_URL made and renewed by Let's Encrypt, whose terms you accept by it; CIS_HTTP must be reached at port 443: on, off")
	c.ACMEEmail = e.get("CIS_ACME_EMAIL", "", "address Let's Encrypt writes to about the certificate")
	c.ACMEDirectory = e.get("CIS_ACME_DIRECTORY", "", "another ACME directory than Let's Encrypt's")
	c.KeyRate = e.number("CIS_API_RATE", 100, "requests per second with one key, twice as many at once; 0: no bound")
	c.TenantRate = e.number("CIS_TENANT_RATE", 0, "requests per second of all of a tenant; 0: no bound")
	c.ClientRate = e.number("CIS_CLIENT_RATE", 200, "requests per second from one address, twice as many at once; 0: no bound")
	c.Origins = list(e.get("CIS_CORS_ORIGINS", "", "web origins whose pages may call the API, like https://www.example.com, separated by commas"))
	c.PrivateHooks = e.toggle("CIS_PRIVATE_WEBHOOKS", false, "webhooks may be http, and in private networks: on, off")
	for _, s := range list(e.get("CIS_WEBHOOK_PAUSES", "5s,5m,30m,2h,5h,10h,14h,20h,24h", "how long a webhook is left alone after each failure in turn; after the last it is disabled")) {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			e.bad("CIS_WEBHOOK_PAUSES", "%q is not a time like 30s, 5m or 2h", s)
		}
		c.HookPauses = append(c.HookPauses, d)
	}
	c.OIDCIssuer = e.get("CIS_OIDC_ISSUER", "", "OpenID Connect identity provider that people sign in with, https://…; empty: by links in mails only")
	c.OIDCClient = e.get("CIS_OIDC_CLIENT_ID", "", "what the provider knows this server as")
	c.OIDCSecret = e.secret("CIS_OIDC_CLIENT_SECRET", "and its secret there")
	if (c.OIDCIssuer == "") != (c.OIDCClient == "") {
		e.bad("CIS_OIDC_CLIENT_ID", "an identity provider needs both CIS_OIDC_ISSUER and CIS_OIDC_CLIENT_ID")
	}
	if u, err := url.Parse(c.OIDCIssuer); c.OIDCIssuer != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		e.bad("CIS_OIDC_ISSUER", "%q is not an https address", c.OIDCIssuer)
	}
	if !tenant.ValidCode(c.Tenant) {
		e.bad("CIS_TENANT", "%q cannot be a tenant's code", c.Tenant)
	}
}

func (c *Config) readProxies(e *environment) {
	for _, s := range list(e.get("CIS_TRUSTED_PROXIES", "", "addresses or networks whose X-Forwarded-For and, with CIS_AUTHSERV_ID, Authentication-Results are believed")) {
		if ip := net.ParseIP(s); ip != nil {
			bits := 8 * len(ip.To16())
			c.Proxies = append(c.Proxies, &net.IPNet{IP: ip.To16(), Mask: net.CIDRMask(bits, bits)})
			continue
		}
		_, network, err := net.ParseCIDR(s)
		if err != nil {
			e.bad("CIS_TRUSTED_PROXIES", "%q is neither an address nor a network", s)
			continue
		}
		c.Proxies = append(c.Proxies, network)
	}
}

func (c *Config) readLevel(e *environment) (level slog.Level) {
	v := e.get("LOG_LEVEL", "info", "debug, info, warn, error")
	if err := level.UnmarshalText([]byte(v)); err != nil {
		e.bad("LOG_LEVEL", "%q is none of debug, info, warn, error", v)
	}
	return level
}
