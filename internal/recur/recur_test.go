package recur_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

func berlin(day, hour int) event.Moment {
	return recur.At(time.Date(2026, 10, day, hour, 0, 0, 0, recur.Zone("Europe/Berlin")), "Europe/Berlin")
}

func series(t *testing.T, rule string) event.Content {
	t.Helper()
	c := event.Content{Start: berlin(20, 10), End: berlin(20, 11)}
	var err error
	if c.Recurrence.Rule, err = recur.Rule(rule, c.Start); err != nil {
		t.Fatal(err)
	}
	return c
}

func starts(c event.Content, n int) (list []string) {
	for s := range recur.Starts(c) {
		if list = append(list, s.Format("0102T15Z")); len(list) == n {
			break
		}
	}
	return list
}

func TestStarts(t *testing.T) {
	t.Run("the wall time stays when clocks change", func(t *testing.T) {
		if got := starts(series(t, "FREQ=WEEKLY;COUNT=3"), 9); !slices.Equal(got, []string{"1020T08Z", "1027T09Z", "1103T09Z"}) {
			t.Error(got)
		}
	})
	t.Run("a time that clocks show twice is the first, as everywhere", func(t *testing.T) {
		c := event.Content{Start: recur.At(time.Date(2026, 10, 24, 0, 30, 0, 0, time.UTC), "Europe/Berlin"), Recurrence: event.Recurrence{Rule: "FREQ=DAILY;COUNT=3"}}
		c.End = c.Start // 02:30 on the wall
		if !recur.Includes(c, "20261025T003000Z") || !recur.Includes(c, "20261026T013000Z") || recur.Includes(c, "20261025T013000Z") {
			t.Error(starts(c, 9))
		}
	})
	t.Run("RDATE adds, EXDATE removes, DTSTART always counts once", func(t *testing.T) {
		c := series(t, "FREQ=WEEKLY;BYDAY=WE;COUNT=2") // Tuesday the 20th is DTSTART
		c.Recurrence.Dates = []event.Moment{berlin(23, 10), berlin(21, 10)}
		c.Recurrence.Without = []event.Moment{berlin(28, 10)}
		if got := starts(c, 9); !slices.Equal(got, []string{"1020T08Z", "1021T08Z", "1023T08Z"}) {
			t.Error(got)
		}
	})
	t.Run("a rule without an end is followed for a while", func(t *testing.T) {
		c, n := series(t, "FREQ=DAILY"), 0
		for range recur.Starts(c) {
			n++
		}
		if n > recur.MaxInstances || recur.Over(c, time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%d instances", n)
		}
	})
	t.Run("a rule that never fires ends", func(t *testing.T) {
		begin := time.Now()
		if got := starts(series(t, "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), 9); len(got) != 1 || time.Since(begin) > 5*time.Second {
			t.Errorf("%v after %v", got, time.Since(begin))
		}
	})
	t.Run("every kind of rule gives what the calendar says", func(t *testing.T) {
		for rule, want := range map[string][]string{
			"FREQ=MONTHLY;BYDAY=-1FR;COUNT=2":                 {"1020T08Z", "1030T09Z", "1127T09Z"},
			"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1":     {"1020T08Z", "0229T09Z"},
			"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=4":      {"1020T08Z", "1022T08Z", "1103T09Z", "1105T09Z"},
			"FREQ=DAILY;UNTIL=20261022T080000Z":               {"1020T08Z", "1021T08Z", "1022T08Z"},
			"FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;COUNT=2;WKST=MO": {"1020T08Z", "0104T09Z", "0103T09Z"},
		} {
			if got := starts(series(t, rule), 9); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", rule, got, want)
			}
		}
	})
	t.Run("a series is over after its last instance", func(t *testing.T) {
		c := series(t, "FREQ=WEEKLY;COUNT=3")
		last := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC) // its end
		if recur.Over(c, last.Add(-time.Minute)) || !recur.Over(c, last.Add(time.Minute)) {
			t.Error("wrong end")
		}
	})
	t.Run("instances are found by their instant", func(t *testing.T) {
		c := series(t, "FREQ=WEEKLY;COUNT=3")
		if !recur.Includes(c, "20261027T090000Z") || recur.Includes(c, "20261027T080000Z") || recur.Includes(c, "20261110T090000Z") || recur.Includes(c, "nonsense") {
			t.Error("wrong instances")
		}
		one := recur.Instance(c, "20261027T090000Z")
		if one.Start.Local != "2026-10-27T10:00:00" || one.End.Local != "2026-10-27T11:00:00" || !one.Recurrence.IsZero() {
			t.Errorf("got %+v", one)
		}
	})
}

func TestRule(t *testing.T) {
	for in, want := range map[string]string{
		"freq=weekly; byday=MO, TU;RSCALE=GREGORIAN;X-A=1;": "FREQ=WEEKLY;BYDAY=MO,TU",
		"FREQ=DAILY;UNTIL=20261120T090000Z":                 "FREQ=DAILY;UNTIL=20261120T090000Z",
		"FREQ=DAILY;UNTIL=20261120T100000":                  "FREQ=DAILY;UNTIL=20261120T090000Z", // local, written as UTC
	} {
		if got, err := recur.Rule(in, berlin(20, 10)); err != nil || got != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	day := event.Moment{Local: "2026-10-20", AllDay: true, UTC: time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)}
	if got, err := recur.Rule("FREQ=DAILY;UNTIL=20261120", day); err != nil || got != "FREQ=DAILY;UNTIL=20261120" {
		t.Errorf("whole days: %s, %v", got, err)
	}
	for _, in := range []string{"FREQ=SECONDLY", "FREQ=MINUTELY;COUNT=5", "FREQ=HOURLY", "FREQ=SOMETIMES", "COUNT=3", "RSCALE=HEBREW;FREQ=YEARLY", "FREQ=DAILY;COUNT=x"} {
		if got, err := recur.Rule(in, day); !errors.Is(err, recur.ErrRule) {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
}
