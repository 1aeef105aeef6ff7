package invitation

import (
	"maps"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
)

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
	Instances   map[event.InstanceID]Instance // of a series, where they differ from it
	Told        int                           // the content revision of the last mail about the event itself; 0: none
	Failed      int                           // the last content revision the next server refused for good
	Denied      string
	DelegateID  string
	Counter     Counter // the last proposal
	Resends     int
	LastResend  time.Time
	Stamp       time.Time // DTSTAMP of the last mail
	Withdrawn   bool      // no longer invited,
	TakenBack   bool      // and told so
	Bounced     bool
	TurnedAway  int
	DeniedBulk  string // the bulk mail that asked then,
	DeniedLine  int    // and where in its table
	Bulk        string // the bulk mail they were invited by,
	Line        int    // and where in its table
	Reminded    int    // the number of the last reminder they got
}

// Instance is what is known about an attendee and one instance of a series.
type Instance struct {
	Told      int    // the content revision of the last mail about it
	Status    Status // empty: as for the series
	ProdID    string
	LastReply event.Revision
}

// Counter is an attendee's proposal.
type Counter struct {
	Number     int
	Instance   event.InstanceID
	Reply      event.Revision
	Start, End event.Moment
	Location   string
	Comment    string
	Declined   bool
}

// Answer is the attendee's answer as it holds for an instance, or for the event itself if the id is empty.
func (s State) Answer(id event.InstanceID) (Status, event.Revision) {
	if inst, ok := s.Instances[id]; ok && inst.Status != "" {
		return inst.Status, inst.LastReply
	}
	return s.Status, s.LastReply
}

// Apart are the instances that were answered on their own, in order.
func (s State) Apart() []event.InstanceID {
	var list []event.InstanceID
	for id, inst := range s.Instances {
		if inst.Status != "" {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case InviteRequested:
		if s.Withdrawn { // invited again: everything begins anew, but what calendars have seen
			s = State{
				Stamp: s.Stamp, LastReply: s.LastReply, Resends: s.Resends + 1,
				Counter: Counter{Number: s.Counter.Number, Reply: s.Counter.Reply, Declined: true}, // proposals are numbered on
			}
		}
		s.Exists, s.OrganizerID, s.Origin, s.Status = true, f.OrganizerID, f.Origin, NoAction
		s.Address, s.Name, s.Denied, s.Bulk, s.Line = f.Address, f.Name, "", f.Bulk, f.Line
	case InviteWithdrawn:
		s.Withdrawn, s.Status = true, NoAction
	case InviteDenied:
		s.Denied, s.DeniedBulk, s.DeniedLine = f.Reason, f.Bulk, f.Line
	case InviteSent:
		s = s.told(f.Handover)
	case UpdateSent:
		s = s.told(f.Handover)
	case CancellationSent:
		s = s.told(f.Handover)
		s.TakenBack = s.Withdrawn
	case DeliveryFailed:
		s.Failed = max(s.Failed, f.Revision)
	case RsvpReceived:
		s = s.answered(f)
	case InviteDelegated:
		s.DelegateID, s.LastReply = f.DelegateID, f.Reply
	case CounterReceived:
		s.Counter = Counter{Number: f.Number, Instance: f.Instance, Reply: f.Reply, Start: f.Start, End: f.End, Location: f.Location, Comment: f.Comment}
	case CounterDeclined:
		s.Counter.Declined = s.Counter.Declined || s.Counter.Number == f.Number
	case ResendRequested:
		s.Resends, s.LastResend, s.Told, s.Failed = f.Number, f.At, 0, 0
		s = s.evolveInstances(func(all map[event.InstanceID]Instance) {
			for id, inst := range all {
				inst.Told = 0
				all[id] = inst
			}
		})
	case ReminderSent:
		s.Reminded = max(s.Reminded, f.Number)
	case Bounced:
		s.Bounced = true
	case CrasherTurnedAway:
		s.TurnedAway++
		s.Address, s.Name, s.OrganizerID = f.Address, f.Name, f.OrganizerID
	}
	return s
}

func (s State) told(h Handover) State {
	if h.DTStamp.After(s.Stamp) {
		s.Stamp = h.DTStamp
	}
	if h.Instance == "" {
		s.Told = max(s.Told, h.Revision)
		return s
	}
	return s.evolveInstances(func(all map[event.InstanceID]Instance) {
		inst := all[h.Instance]
		inst.Told = max(inst.Told, h.Revision)
		all[h.Instance] = inst
	})
}

func (s State) answered(f RsvpReceived) State {
	if !s.Exists {
		s.Exists, s.OrganizerID, s.Origin, s.Address, s.Name, s.Told = true, f.OrganizerID, f.Origin, f.Address, f.Name, f.Told
		s.Status = NoAction
	}
	if f.Instance == "" {
		s.Status, s.ProdID, s.LastReply = f.Status, f.ProdID, f.Reply
		return s
	}
	return s.evolveInstances(func(all map[event.InstanceID]Instance) {
		inst := all[f.Instance]
		inst.Status, inst.ProdID, inst.LastReply = f.Status, f.ProdID, f.Reply
		all[f.Instance] = inst
	})
}

// evolveInstances changes a copy of the instances: states share no memory.
func (s State) evolveInstances(change func(map[event.InstanceID]Instance)) State {
	all := maps.Clone(s.Instances)
	if all == nil {
		all = map[event.InstanceID]Instance{}
	}
	change(all)
	if len(all) == 0 {
		all = nil
	}
	s.Instances = all
	return s
}
