package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/logbook"
)

// RestoreLog records that the log was brought back from a backup, and holds what it thinks is owed.
type RestoreLog struct {
	Taken time.Time // when the backup was made; zero: nobody knows
	By    string
}

// Stream is the log's own.
func (c RestoreLog) Stream() string { return logbook.Stream }

// Decide records every time.
func (c RestoreLog) Decide(logbook.State) ([]logbook.Fact, error) {
	return []logbook.Fact{logbook.LogRestored{Taken: c.Taken.UTC(), By: c.By}}, nil
}

// ReleaseOwed lets go on what is held since a restore, or drops it.
type ReleaseOwed struct {
	What, Kind, Subject string // as in [logbook.OwedReleased]
	Drop                bool
	By                  string
}

// ErrRelease refuses what makes no sense.
var ErrRelease = &fault.Error{Kind: fault.Invalid, Code: "release-invalid", Title: "this cannot be released"}

// Stream is the log's own.
func (c ReleaseOwed) Stream() string { return logbook.Stream }

// Decide refuses where nothing is held.
func (c ReleaseOwed) Decide(s logbook.State) ([]logbook.Fact, error) {
	switch {
	case !s.Fenced:
		return nil, logbook.ErrNoFence
	case c.What != "" && c.What != logbook.Mails && c.What != logbook.Inbox && c.What != logbook.Tables:
		return nil, ErrRelease.With(c.What + " is none of mails, inbox, tables.")
	case c.What != logbook.Mails && (c.Drop || c.Kind != "" || c.Subject != ""):
		return nil, ErrRelease.With("only mails can be dropped, or chosen by kind or event.")
	}
	return []logbook.Fact{logbook.OwedReleased{What: c.What, Kind: c.Kind, Subject: c.Subject, Drop: c.Drop, By: c.By}}, nil
}
