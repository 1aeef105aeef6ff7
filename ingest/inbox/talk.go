package inbox

import (
	"sync"
	"time"
)

const (
	talkTime = time.Hour
	maxTalks = 10_000
)

// talk bounds how often somebody is written to because somebody wrote to us: so many times an hour, in memory. It keeps
// us from answering machines that answer.
type talk struct {
	burst int
	mu    sync.Mutex
	last  map[string][]time.Time
}

func newTalk(burst int) *talk { return &talk{burst: burst, last: map[string][]time.Time{}} }

func (t *talk) allow(who string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) >= maxTalks {
		t.last = map[string][]time.Time{}
	}
	recent := t.last[who]
	for len(recent) > 0 && now.Sub(recent[0]) > talkTime {
		recent = recent[1:]
	}
	if len(recent) >= t.burst {
		return false
	}
	t.last[who] = append(recent, now)
	return true
}
