// Package ingest is where everything untrusted stops. Doors (smtpd, api) take bytes and calls in; message, itip and
// inbox turn mails into commands. Nothing behind it looks at a mail again.
package ingest
