package inbox

import (
	"testing"
	"time"
)

func TestTalk(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	talk := newTalk(2)
	for i, want := range []bool{true, true, false} {
		if talk.allow("ann", now) != want {
			t.Errorf("mail %d: want %v", i, want)
		}
	}
	if !talk.allow("bob", now) || talk.allow("ann", now.Add(30*time.Minute)) || !talk.allow("ann", now.Add(61*time.Minute)) {
		t.Error("everybody has their own hour")
	}
}
