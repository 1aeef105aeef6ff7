package event

import (
	"maps"
	"time"
)

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
	Denied           string         `json:",omitzero"` // why it is not there, if somebody asked
	Before           *Before        `json:",omitzero"` // what undoing the last change restores; nil: there is nothing to undo
	UndoneBy         string         `json:",omitzero"` // the mail that last asked for it
	InviteLimit      int            `json:",omitzero"` // bulk invitations at most; 0: any number
	Reserved         int            `json:",omitzero"` // of them
	Blocks           map[string]int `json:",omitzero"` // by whom, what was not returned
	Reminders        *[]string      `json:",omitzero"` // when to remind attendees; nil: when the installation says
	Reminded         time.Time      `json:",omitzero"` // up to when reminders are dealt with
	ReminderNumber   int            `json:",omitzero"` // of the last one
	ReminderOf       InstanceID     `json:",omitzero"` // what it was about
	Public           bool           `json:",omitzero"` // everybody may see it
}

// Before is what a change replaced.
type Before struct {
	Instance InstanceID // that the change was about; empty: the event itself
	Known    bool       // there was something before it
	Status   Status
	Content  Content
}

// SlotsLeft is how many more may be invited in bulk; -1: any number.
func (s State) SlotsLeft() int {
	if s.InviteLimit == 0 {
		return -1
	}
	return max(0, s.InviteLimit-s.Reserved)
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
			Crashers: s.Crashers, InviteLimit: f.InviteLimit, Before: &Before{},
		}
	case EventDenied:
		s.Denied = f.Reason
	case EventUpdated:
		s.Before = s.before("")
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
			s.Before = s.before("")
			s = s.revised(f.Revision, f.Sequence, f.Source)
			s.Status = Cancelled
		}
	case EventReinstated:
		s.Before = s.before("")
		s = s.revised(f.Revision, f.Sequence, f.Source)
		s.Status, s.TimeSequence, s.Content, s.Instances = Confirmed, f.Sequence, f.Content, nil
	case InstanceUpdated:
		s.Before = s.before(f.Instance)
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
		s.Before = s.before(f.Instance)
		s.Revision = f.Revision
		s = s.evolveInstances(func(all map[InstanceID]Instance) {
			inst := all[f.Instance]
			inst.Cancelled, inst.Source, inst.Revision, inst.Sequence = true, f.Source.Revision, f.Revision, f.Sequence
			all[f.Instance] = inst
		})
	case EventPolicyChanged:
		s.Crashers = f.Crashers
	case VisibilityChanged:
		s.Public = f.Public
	case ChangeUndone:
		s = s.undone(f)
	case InviteLimitChanged:
		s.InviteLimit = f.Limit
	case InviteSlotsReserved:
		s = s.reserve(f.Block, f.Count)
	case InviteSlotsReturned:
		s = s.reserve(f.Block, -f.Count)
	case RemindersChanged:
		before := f.Before
		s.Reminders = &before
	case RemindersDue:
		s.Reminded, s.ReminderNumber, s.ReminderOf = f.Due, f.Number, f.Instance
	}
	return s
}

// before remembers what a change of an instance, or of the event itself, replaces.
func (s State) before(id InstanceID) *Before {
	b := &Before{Instance: id, Known: true, Status: s.Status, Content: s.Content}
	if id != "" {
		inst, known := s.Instances[id]
		b.Known, b.Content, b.Status = known, inst.Content, Confirmed
		if inst.Cancelled {
			b.Status = Cancelled
		}
	}
	return b
}

// undone is the state after a change was taken back; that can itself be undone.
func (s State) undone(f ChangeUndone) State {
	before := s.before(f.Instance)
	s.UndoneBy = f.Cause
	if f.Instance == "" {
		if !s.Content.SameTime(f.Content) || s.Cancelled() {
			s.TimeSequence = f.Sequence
		}
		s = s.revised(f.Revision, f.Sequence, s.Source)
		s.Status, s.Content, s.Before = f.Status, f.Content, before
		return s
	}
	s.Revision, s.Before = f.Revision, before
	return s.evolveInstances(func(all map[InstanceID]Instance) {
		inst := all[f.Instance]
		if inst.Cancelled || !inst.Content.SameTime(f.Content) {
			inst.TimeSequence = f.Sequence
		}
		inst.Cancelled, inst.Content, inst.Revision, inst.Sequence = f.Status == Cancelled, f.Content, f.Revision, f.Sequence
		all[f.Instance] = inst
	})
}

// reserve adds to what a block holds.
func (s State) reserve(block string, n int) State {
	blocks := maps.Clone(s.Blocks)
	if blocks == nil {
		blocks = map[string]int{}
	}
	blocks[block] += n
	s.Blocks, s.Reserved = blocks, s.Reserved+n
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
