package projector

import "time"

// JobProgress is how far something is that takes a while.
type JobProgress struct {
	Phase    string  `json:"phase"`              // what is being done
	Position uint64  `json:"position,omitempty"` // reached in the log
	Head     uint64  `json:"head,omitempty"`     // where the log ended when it began
	Facts    int     `json:"facts,omitempty"`    // read so far
	Rate     float64 `json:"rate,omitempty"`     // facts per second
	Left     float64 `json:"left,omitempty"`     // seconds, as far as can be told
}

// Done is how much of the log is behind, from 0 to 1.
func (p JobProgress) Done() float64 {
	if p.Head == 0 {
		return 0
	}
	return min(1, float64(p.Position)/float64(p.Head))
}

// gauge turns pages into progress.
type gauge struct {
	phase string
	head  uint64
	begin time.Time
	start uint64
	facts int
	tell  func(JobProgress)
}

func (g *gauge) advance(position uint64, records int) {
	g.facts += records
	p := JobProgress{Phase: g.phase, Position: position, Head: max(g.head, position), Facts: g.facts}
	if took := time.Since(g.begin).Seconds(); took > 0 && g.facts > 0 {
		p.Rate = float64(g.facts) / took
		if done := position - g.start; done > 0 && g.head > position {
			p.Left = took * float64(g.head-position) / float64(done)
		}
	}
	g.tell(p)
}
