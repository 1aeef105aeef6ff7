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
)

// Verdict is what was found out about a message's sender.
type Verdict string

const (
	// VerdictNone: nothing was checked (CIS_MAIL_AUTH=off); the header is believed.
	VerdictNone Verdict = "none"
)

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
