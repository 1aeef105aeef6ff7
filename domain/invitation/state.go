package invitation

import "github.com/calendar-invite-server/cis/domain/event"

// State is what an invitation's facts add up to. The zero State does not exist.
type State struct {
	Exists      bool
	OrganizerID string
	Address     string
	Name        string
	Origin      Origin
	Status      Status
	ProdID      string
	LastReply   event.Revision
	Told        int // the last content revision handed over; 0: none
	Failed      int // the last content revision the next server refused for good
	Denied      string
}

// Settled says that content revision r was told, or cannot be: nothing is owed up to it.
func (s State) Settled(r int) bool { return max(s.Told, s.Failed) >= r }

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case InviteRequested:
		s.Exists, s.OrganizerID, s.Origin, s.Status = true, f.OrganizerID, f.Origin, NoAction
		s.Address, s.Name, s.Denied = f.Address, f.Name, ""
	case InviteDenied:
		s.Denied = f.Reason
	case InviteSent:
		s.Told = max(s.Told, f.Revision)
	case UpdateSent:
		s.Told = max(s.Told, f.Revision)
	case CancellationSent:
		s.Told = max(s.Told, f.Revision)
	case DeliveryFailed:
		s.Failed = max(s.Failed, f.Revision)
	case RsvpReceived:
		if !s.Exists {
			s.Exists, s.OrganizerID, s.Origin, s.Address, s.Name, s.Told = true, f.OrganizerID, f.Origin, f.Address, f.Name, f.Told
		}
		s.Status, s.ProdID, s.LastReply = f.Status, f.ProdID, f.Reply
	}
	return s
}
