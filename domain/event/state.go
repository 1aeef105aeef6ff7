package event

import "maps"

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
	SeriesRevision   int                     // the Revision at which the event itself, not one instance, last changed
	Instances        map[InstanceID]Instance // of a series: those that differ from it
	Crashers         Crashers
}

// Instance is an instance that differs from its series.
type Instance struct {
	Cancelled    bool
	Content      Content
	Source       Revision // of the organizer's message
	Revision     int      // the event's Revision at which this last changed, or had to be told again
	Sequence     int
	TimeSequence int
}

// Cancelled says that the event exists and was called off.
func (s State) Cancelled() bool { return s.Status == Cancelled }

// At is the event as one of its instances is: content, SEQUENCE and status. The empty id is the event itself, and an
// instance that does not differ is told by plain, what the series says about it.
func (s State) At(id InstanceID, plain func(Content, InstanceID) Content) State {
	if id == "" {
		return s
	}
	s.Content = plain(s.Content, id)
	if inst, differs := s.Instances[id]; differs {
		s.Sequence, s.TimeSequence = inst.Sequence, inst.TimeSequence
		if !inst.Content.Start.IsZero() {
			s.Content = inst.Content
		}
		if inst.Cancelled {
			s.Status = Cancelled
		}
	}
	return s
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case EventCreated:
		return State{
			Exists: true, Tenant: f.Tenant, UID: f.UID, Status: Confirmed,
			OrganizerID: f.OrganizerID, OrganizerAddress: f.OrganizerAddress, OrganizerName: f.OrganizerName,
			ReplyTo: f.ReplyTo, Content: f.Content, Source: f.Source, Revision: 1, SeriesRevision: 1, CancelledAt: s.CancelledAt,
			Crashers: s.Crashers,
		}
	case EventUpdated:
		moved := !s.Content.SameTime(f.Content)
		if moved {
			s.TimeSequence = f.Sequence
		}
		s = s.revised(f.Revision, f.Sequence, f.Source).evolveInstances(func(all map[InstanceID]Instance) {
			for _, id := range f.Dropped {
				delete(all, id)
			}
			for id, inst := range all {
				if moved { // a calendar that gets a new series forgets its exceptions
					inst.Revision = f.Revision
					all[id] = inst
				}
			}
		})
		s.Content = f.Content
	case EventCancelled:
		s.CancelledAt = f.Source.Revision
		if s.Exists {
			s = s.revised(f.Revision, f.Sequence, f.Source)
			s.Status = Cancelled
		}
	case EventReinstated:
		s = s.revised(f.Revision, f.Sequence, f.Source)
		s.Status, s.TimeSequence, s.Content, s.Instances = Confirmed, f.Sequence, f.Content, nil
	case InstanceUpdated:
		s.Revision = f.Revision
		s = s.evolveInstances(func(all map[InstanceID]Instance) {
			inst := all[f.Instance]
			if inst.Cancelled || !inst.Content.SameTime(f.Content) {
				inst.TimeSequence = f.Sequence
			}
			all[f.Instance] = Instance{
				Content: f.Content, Source: f.Source.Revision, Revision: f.Revision, Sequence: f.Sequence, TimeSequence: inst.TimeSequence,
			}
		})
	case InstanceCancelled:
		s.Revision = f.Revision
		s = s.evolveInstances(func(all map[InstanceID]Instance) {
			inst := all[f.Instance]
			inst.Cancelled, inst.Source, inst.Revision, inst.Sequence = true, f.Source.Revision, f.Revision, f.Sequence
			all[f.Instance] = inst
		})
	case EventPolicyChanged:
		s.Crashers = f.Crashers
	}
	return s
}

// revised is the state after the event itself changed.
func (s State) revised(revision, sequence int, source Source) State {
	s.Revision, s.SeriesRevision, s.Sequence, s.Source = revision, revision, sequence, source
	return s
}

// evolveInstances changes a copy of the instances: states share no memory.
func (s State) evolveInstances(change func(map[InstanceID]Instance)) State {
	all := maps.Clone(s.Instances)
	if all == nil {
		all = map[InstanceID]Instance{}
	}
	change(all)
	if len(all) == 0 {
		all = nil
	}
	s.Instances = all
	return s
}
