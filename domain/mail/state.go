package mail

// State is what a message's facts add up to.
type State struct {
	Received bool
	Verdict  Verdict
	Handled  bool
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case MailReceived:
		s.Received = true
	case MailAuthenticated:
		s.Verdict = f.Verdict
	case MailHandled:
		s.Handled = true
	}
	return s
}
