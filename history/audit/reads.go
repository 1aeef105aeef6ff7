package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/disclosure"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
)

// Again is how long the same reading is not recorded again.
const Again = 10 * time.Minute

// Reads records who was shown what is personal.
type Reads struct {
	log    *facts.Log
	logger *slog.Logger

	mu    sync.Mutex
	since time.Time // what is older is forgotten
	noted map[disclosure.PersonalDataRead]time.Time
}

// NewReads makes a recorder.
func NewReads(log *facts.Log, logger *slog.Logger) *Reads {
	return &Reads{log: log, logger: logger, noted: map[disclosure.PersonalDataRead]time.Time{}}
}

// Note records that somebody is shown what is personal, before they are. A reading that cannot be recorded because the
// store is away is not refused: it stands in the program's log instead.
func (r *Reads) Note(ctx context.Context, f disclosure.PersonalDataRead) {
	if !r.first(f, time.Now()) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	meta := facts.Meta{Tenant: f.Tenant, Command: uuid.New(), Actor: "read", By: f.By}
	if _, err := r.log.Append(ctx, disclosure.Stream(f.Tenant), eventstore.Any, meta, f); err != nil {
		r.logger.Error("audit: a reading of personal data could not be recorded in the log", "tenant", f.Tenant, "by", f.By, "what", f.What, "about", f.About, "error", err)
	}
}

// first says whether this is the first such reading for a while.
func (r *Reads) first(f disclosure.PersonalDataRead, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) > Again {
		r.since = now
		for k, at := range r.noted {
			if now.Sub(at) > Again {
				delete(r.noted, k)
			}
		}
	}
	if at, ok := r.noted[f]; ok && now.Sub(at) <= Again {
		return false
	}
	r.noted[f] = now
	return true
}
