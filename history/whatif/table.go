package whatif

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/internal/secret"
)

// Row is what would become of a row of a table.
type Row struct {
	Line  int    `json:"line"`
	Email string `json:"email,omitempty"`
	UID   string `json:"uid,omitempty"`
	Would string `json:"would"` // invite, nothing (they are invited already), or a refusal's code, or what is wrong
}

// Invite is what a row would do that is granted.
const Invite = "invite"

// Table says what would become of each row of a table that an organizer sends, from the state of things now.
func Table(ctx context.Context, h *commands.Handler, keys secret.Keys, tenant, organizerID string, table []byte, tell func(rows int64)) (list []Row, err error) {
	events := map[string]event.State{}
	left := map[string]int{} // places; negative: any number
	seen := map[string]bool{}
	for r := range bulk.Rows(table) {
		row := Row{Line: r.Line, Email: r.Email, UID: r.UID, Would: r.Problem}
		if r.Problem == "" {
			ev, ok := events[r.UID]
			if !ok {
				if ev, err = h.FreshEvent(ctx, r.UID); err != nil {
					return list, err
				}
				events[r.UID], left[r.UID] = ev, ev.SlotsLeft()
			}
			switch key := r.UID + "/" + r.Email; {
			case !ev.Exists:
				row.Would = event.ErrUnknown.Code
			case ev.OrganizerID != organizerID:
				row.Would = event.ErrNotYours.Code
			case seen[key]:
				row.Would = invitation.ErrAlready.Code
			default:
				seen[key] = true
				c := commands.RequestInvite{
					Tenant: tenant, Event: ev, EventUID: r.UID, AttendeeID: keys.PersonID(tenant, r.Email), Address: r.Email, Name: r.Name, Origin: invitation.Bulk,
					Bulk: "what-if", Line: r.Line, Now: time.Now().UTC(),
				}
				fact, slot, err := h.WouldInvite(ctx, c, left[r.UID] != 0)
				if err != nil {
					return list, err
				}
				if slot {
					left[r.UID]--
				}
				row.Would = would(fact)
			}
		}
		list = append(list, row)
		tell(int64(len(list)))
	}
	return list, nil
}

func would(f invitation.Fact) string {
	switch f := f.(type) {
	case invitation.InviteRequested:
		return Invite
	case invitation.InviteDenied:
		return f.Reason
	case invitation.ResendRequested:
		return "send again"
	}
	return "nothing"
}
