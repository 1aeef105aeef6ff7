package inbox

import (
	"sync"
	"time"
)

const (
	talkBurst = 5         // answers somebody gets about mails that could not be used
	talkEvery = time.Hour // and then one in this time
	maxTalks  = 10_000
)

// talk keeps us from answering machines that answer: per sender, in memory.
type talk struct {
	mu   sync.Mutex
	last map[string][]time.Time
}

func newTalk() *talk { return &talk{last: map[string][]time.Time{}} }

func (t *talk) allow(who string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) >= maxTalks {
		t.last = map[string][]time.Time{}
	}
	recent := t.last[who]
	for len(recent) > 0 && now.Sub(recent[0]) > talkEvery*talkBurst {
		recent = recent[1:]
	}
	if len(recent) >= talkBurst {
		return false
	}
	t.last[who] = append(recent, now)
	return true
}
