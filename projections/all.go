// Package projections lists what is kept in Postgres for readers. Each projection owns its tables: nobody else writes
// them, and nobody else queries them but through its package.
package projections

import (
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/access"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/organizers"
	"github.com/calendar-invite-server/cis/projections/statistics"
)

// All returns every projection that readers use, one line each.
func All(log *facts.Log) []projector.Projection {
	return []projector.Projection{
		events.Projection(),
		attendees.Projection(log),
		statistics.Projection(),
		organizers.Projection(),
		access.Projection(),
	}
}
