package commands

import (
	"fmt"

	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
)

// Meta says which command this is and where it comes from.
type Meta = facts.Meta

// namespace makes command ids out of what caused them.
var namespace = uuid.MustParse("6b1f7b5c-7f5d-5d0e-9c42-6f2c1f0a9d11")

// From is the Meta of the n-th command that a cause (a mail, a call) leads to: the same cause, handled again, leads to
// the same command id and with it to the same fact ids.
func From(actor, tenant, cause string, n int) Meta {
	return Meta{
		Tenant: tenant, Actor: actor, Correlation: cause, Causation: cause,
		Command: uuid.NewSHA1(namespace, fmt.Appendf(nil, "%s/%s/%d", actor, cause, n)),
	}
}

// Aside is the Meta of a command that is carried out beside another one.
func Aside(m Meta, what string) Meta {
	m.Command, m.If = uuid.NewSHA1(m.Command, []byte(what)), nil
	return m
}

// Again is the Meta of a call that a caller may repeat: the same key of the same caller is the same command, whatever
// happens in between. request is a fingerprint of what was asked, so that a key is not used for something else.
func Again(m Meta, caller, key, request string) Meta {
	m.Command = uuid.NewSHA1(namespace, fmt.Appendf(nil, "again/%s/%s/%s", m.Tenant, caller, key))
	m.Request = request
	return m
}
