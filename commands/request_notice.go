package commands

import "github.com/calendar-invite-server/cis/domain/notice"

// RequestNotice asks that somebody be told something.
type RequestNotice struct {
	Ref    notice.Ref
	Code   string // of a refusal
	Reason string
	Detail string
}

// Stream is the notice's.
func (c RequestNotice) Stream() string { return c.Ref.Stream() }

// Decide asks once.
func (c RequestNotice) Decide(s notice.State) ([]notice.Fact, error) {
	if s.Requested {
		return nil, nil
	}
	return []notice.Fact{notice.NoticeRequested{Ref: c.Ref, Code: c.Code, Reason: c.Reason, Detail: c.Detail}}, nil
}
