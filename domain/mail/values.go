package mail

// Outcome is what a message led to.
type Outcome string

const (
	// Done: a command was carried out, or what it asks for was true already.
	Done Outcome = "done"
	// Refused: it was understood and refused.
	Refused Outcome = "refused"
	// Ignored: there is nothing in it for us.
	Ignored Outcome = "ignored"
	// Forwarded: it is for people, and goes on to the organizer.
	Forwarded Outcome = "forwarded"
)

// Verdict is what was found out about a message's sender.
type Verdict string

const (
	// VerdictNone: nothing was checked (CIS_MAIL_AUTH=off); the header is believed.
	VerdictNone Verdict = "none"
	// VerdictPass: an aligned identity supports the sender.
	VerdictPass Verdict = "pass"
	// VerdictFail: nothing does.
	VerdictFail Verdict = "fail"
)

// State is what a message's facts add up to.
type State struct {
	Exists   bool
	Tenant   string
	Verdict  Verdict
	Proof    MailAuthenticated
	Held     string // the reason; empty: it is not
	Released bool
	Done     bool // handled, or dropped
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case MailReceived:
		s.Exists, s.Tenant = true, f.Tenant
	case MailAuthenticated:
		s.Verdict, s.Proof = f.Verdict, f
	case MailHeld:
		s.Held, s.Released = f.Reason, false
	case MailReleased:
		s.Held, s.Released = "", true
	case MailDropped, MailHandled:
		s.Held, s.Done = "", true
	}
	return s
}

const (
	// StreamPrefix starts the names of streams of messages.
	StreamPrefix = "mail-"
	// RawStreamPrefix starts the names of streams of messages' bytes.
	RawStreamPrefix = "raw-"
)

// Stream is the name of a message's stream.
func Stream(mailID string) string { return StreamPrefix + mailID }

// RawStream is the name of the stream of a message's bytes.
func RawStream(mailID string) string { return RawStreamPrefix + mailID }
