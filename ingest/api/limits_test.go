package api

import (
	"fmt"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	t.Run("a client may ask 200 times at once and then once a second", func(t *testing.T) {
		l := newLimits()
		for i := range clientBurst {
			if !l.allowClient("192.0.2.1", now) {
				t.Fatalf("refused at %d", i)
			}
		}
		if l.allowClient("192.0.2.1", now) {
			t.Error("the 201st was allowed")
		}
		if !l.allowClient("192.0.2.2", now) {
			t.Error("another client pays for the first")
		}
		if !l.allowClient("192.0.2.1", now.Add(time.Second)) || l.allowClient("192.0.2.1", now.Add(time.Second)) {
			t.Error("a second later it is one, not none and not two")
		}
	})
	t.Run("five new events a day may invite an address, and the ones that did may ask again", func(t *testing.T) {
		l := newLimits()
		for i := range recipientEvents {
			if !l.allowRecipient("ann", fmt.Sprint(i), now) {
				t.Fatalf("refused at %d", i)
			}
		}
		if l.allowRecipient("ann", "sixth", now) || !l.allowRecipient("ann", "0", now) || !l.allowRecipient("bob", "sixth", now) {
			t.Error("the sixth event, the first again, another person")
		}
		if !l.allowRecipient("ann", "sixth", now.Add(25*time.Hour)) {
			t.Error("refused the next day")
		}
	})
}
