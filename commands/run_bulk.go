package commands

import "github.com/calendar-invite-server/cis/domain/bulk"

// StartBulk accepts a table of people to invite.
type StartBulk struct{ Started bulk.BulkStarted }

// Stream is the table's.
func (c StartBulk) Stream() string { return bulk.Stream(c.Started.BulkID) }

// Decide accepts it once.
func (c StartBulk) Decide(s bulk.State) ([]bulk.Fact, error) {
	if s.Exists {
		return nil, nil
	}
	return []bulk.Fact{c.Started}, nil
}

// RecordBlock records that a block of rows was worked off.
type RecordBlock struct{ Done bulk.BulkBlockDone }

// Stream is the table's.
func (c RecordBlock) Stream() string { return bulk.Stream(c.Done.BulkID) }

// Decide records blocks in order, each once.
func (c RecordBlock) Decide(s bulk.State) ([]bulk.Fact, error) {
	switch {
	case !s.Exists:
		return nil, bulk.ErrUnknown
	case c.Done.Block != s.Blocks+1:
		return nil, nil
	}
	return []bulk.Fact{c.Done}, nil
}

// FinishBulk records that there is nothing left to do about a table.
type FinishBulk struct{ Tenant, BulkID string }

// Stream is the table's.
func (c FinishBulk) Stream() string { return bulk.Stream(c.BulkID) }

// Decide finishes it once.
func (c FinishBulk) Decide(s bulk.State) ([]bulk.Fact, error) {
	switch {
	case !s.Exists:
		return nil, bulk.ErrUnknown
	case s.Finished:
		return nil, nil
	}
	return []bulk.Fact{bulk.BulkFinished{Tenant: c.Tenant, BulkID: c.BulkID, OrganizerID: s.OrganizerID}}, nil
}

// SteerBulk has a table wait, go on, or end where it is. When all rows are worked off its invitations may still be on
// their way, so that it can still wait.
type SteerBulk struct {
	Tenant string
	BulkID string
	To     string // pause, resume, stop
	By     string
}

// Stream is the table's.
func (c SteerBulk) Stream() string { return bulk.Stream(c.BulkID) }

// Decide changes what is not so already.
func (c SteerBulk) Decide(s bulk.State) ([]bulk.Fact, error) {
	switch {
	case !s.Exists:
		return nil, bulk.ErrUnknown
	case c.To == "stop" && s.Finished:
		return nil, bulk.ErrFinished
	case c.To == "pause" && !s.Paused:
		return []bulk.Fact{bulk.BulkPaused{Tenant: c.Tenant, BulkID: c.BulkID, By: c.By}}, nil
	case c.To == "resume" && s.Paused:
		return []bulk.Fact{bulk.BulkResumed{Tenant: c.Tenant, BulkID: c.BulkID, By: c.By}}, nil
	case c.To == "stop" && !s.Stopped:
		return []bulk.Fact{bulk.BulkStopped{Tenant: c.Tenant, BulkID: c.BulkID, By: c.By}}, nil
	}
	return nil, nil
}
