package event

// State is what an event's facts add up to. The zero State does not exist.
type State struct {
	Exists           bool
	Tenant           string
	UID              string
	OrganizerID      string
	OrganizerAddress string
	OrganizerName    string
	ReplyTo          string
	Status           Status
	Content          Content
	Source           Source
	Revision         int // of the content: 1 at creation, +1 with every change attendees are told
	Sequence         int // the SEQUENCE of that revision
	TimeSequence     int // the SEQUENCE at which the time last changed; an older answer was to another time
	CancelledAt      Revision
}

// Cancelled says that the event exists and was called off.
func (s State) Cancelled() bool { return s.Status == Cancelled }

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case EventCreated:
		return State{
			Exists: true, Tenant: f.Tenant, UID: f.UID, Status: Confirmed,
			OrganizerID: f.OrganizerID, OrganizerAddress: f.OrganizerAddress, OrganizerName: f.OrganizerName,
			ReplyTo: f.ReplyTo, Content: f.Content, Source: f.Source, Revision: 1, CancelledAt: s.CancelledAt,
		}
	case EventUpdated:
		if !s.Content.SameTime(f.Content) {
			s.TimeSequence = f.Sequence
		}
		s.Content, s.Source, s.Revision, s.Sequence = f.Content, f.Source, f.Revision, f.Sequence
	case EventCancelled:
		s.CancelledAt = f.Source.Revision
		if s.Exists {
			s.Status, s.Source, s.Revision, s.Sequence = Cancelled, f.Source, f.Revision, f.Sequence
		}
	case EventReinstated:
		s.Status, s.TimeSequence = Confirmed, f.Sequence
		s.Content, s.Source, s.Revision, s.Sequence = f.Content, f.Source, f.Revision, f.Sequence
	}
	return s
}
