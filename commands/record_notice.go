package commands

import "github.com/calendar-invite-server/cis/domain/notice"

// RecordNotice records what became of a notice to an organizer.
type RecordNotice struct {
	Ref       notice.Ref
	MessageID string
	Answer    string
	Failed    bool
	Code      int
}

// Stream is the notice's.
func (c RecordNotice) Stream() string { return c.Ref.Stream() }

// Decide records the outcome once.
func (c RecordNotice) Decide(s notice.State) ([]notice.Fact, error) {
	switch {
	case s.Settled:
		return nil, nil
	case c.Failed:
		return []notice.Fact{notice.NoticeFailed{Ref: c.Ref, Code: c.Code, Answer: c.Answer}}, nil
	default:
		return []notice.Fact{notice.NoticeSent{Ref: c.Ref, MessageID: c.MessageID, Answer: c.Answer}}, nil
	}
}
