package ical_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/ical"
)

func inZone(tzid, extra string) []byte {
	return []byte("BEGIN:VCALENDAR\r\n" + extra + "BEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=" + tzid + ":20260720T100000\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
}

func vtimezone(id, lic string) string {
	return "BEGIN:VTIMEZONE\r\nTZID:" + id + "\r\n" + lic + `BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
`
}

// TestZones holds names that clients write against the instant they mean, in summer.
func TestZones(t *testing.T) {
	odd := "BEGIN:VTIMEZONE\nTZID:Odd\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0117\nTZOFFSETTO:+0117\nEND:STANDARD\nEND:VTIMEZONE\n"
	for _, c := range []struct {
		tzid, extra string
		hour        string // of 10:00, in UTC
		zone        string
	}{
		{"Europe/Berlin", "", "08:00", "Europe/Berlin"},
		{"Europe_Berlin", "", "08:00", "Europe/Berlin"},
		{"America/New York", "", "14:00", "America/New_York"},
		{"europe/berlin", "", "08:00", "Europe/Berlin"},
		{"W. Europe Standard Time", "", "08:00", "Europe/Berlin"},
		{`"Eastern Standard Time"`, "", "14:00", "America/New_York"},
		{"Pacific Daylight Time", "", "17:00", "America/Los_Angeles"},
		{"India Standard Time", "", "04:30", "Asia/Calcutta"},
		{`"(UTC-05:00) Eastern Time (US & Canada)"`, "", "14:00", "America/New_York"},
		{`"(UTC-05:00) Eastern Time (US and Canada)"`, "", "14:00", "America/New_York"},
		{`"(GMT+01.00) Sarajevo/Warsaw/Zagreb"`, "", "08:00", "Europe/Warsaw"},
		{`"Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"`, "", "08:00", "Europe/Berlin"},
		{`"(GMT +01:00)"`, "", "09:00", "Etc/GMT-1"},
		{"UTC+11", "", "23:00", "Etc/GMT-11"},
		{"Eastern", "", "14:00", "America/New_York"},
		{"Western/Central Europe", "", "08:00", "Europe/Berlin"},
		{"tzone://Microsoft/Utc", "", "10:00", ""},
		{"/freeassociation.sourceforge.net/Tzfile/America/Toronto", "", "14:00", "America/Toronto"},
		{"/mozilla.org/20070129_1/Europe/Berlin", "", "08:00", "Europe/Berlin"},
		{"/softwarestudio.org/Olson_20011030_5/America/Argentina/Buenos_Aires", "", "13:00", "America/Argentina/Buenos_Aires"},
		{"Customized Time Zone", vtimezone("Customized Time Zone", "X-LIC-LOCATION:Asia/Tokyo\r\n"), "01:00", "Asia/Tokyo"},
		{"Customized Time Zone", vtimezone("Customized Time Zone", ""), "08:00", "*"}, // the same rules have many names
		{"Odd", odd, "08:43", ""},
	} {
		t.Run(c.tzid, func(t *testing.T) {
			cal, err := ical.Read(inZone(c.tzid, c.extra))
			if err != nil || len(cal.Unknown) > 0 || len(cal.Events) != 1 || len(cal.Events[0].Problems) > 0 {
				t.Fatalf("got %+v, %v", cal, err)
			}
			got := cal.Events[0].Start
			if c.zone == "*" && got.TZID != "" {
				c.zone = got.TZID
			}
			if got.UTC.Format("15:04") != c.hour && !(c.tzid == "UTC+11" && got.UTC.Format("15:04") == "23:00") || got.TZID != c.zone {
				t.Errorf("got %+v", got)
			}
		})
	}
	for _, unknown := range []string{"Nowhere/Middle", "Local", "CST", "(UTC-05:00) Amsterdam", "../../etc/passwd", "Customized Time Zone", strings.Repeat("x", 500)} {
		cal, err := ical.Read(inZone(`"`+unknown+`"`, ""))
		if err != nil || !slices.Contains(cal.Unknown, unknown) || !cal.Events[0].Start.IsZero() || len(cal.Events[0].Problems) == 0 {
			t.Errorf("%q must be flagged: %+v, %v", unknown, cal, err)
		}
	}
}

// TestWallTime: times that clocks show twice or never (RFC 5545 §3.3.5).
func TestWallTime(t *testing.T) {
	for wall, want := range map[string]string{
		"20261025T023000": "20261025T003000Z", // twice: the first one
		"20260329T023000": "20260329T013000Z", // never: with the offset from before the gap
		"20261025T033000": "20261025T023000Z",
	} {
		for _, zone := range []struct{ id, def string }{{"Europe/Berlin", ""}, {"Mine", strings.ReplaceAll(vtimezone("Mine", ""), "0000\n", "0000\n")}} {
			data := strings.Replace(string(inZone(zone.id, zone.def)), "20260720T100000", wall, 1)
			cal, err := ical.Read([]byte(data))
			if err != nil || cal.Events[0].Start.UTC.Format("20060102T150405Z") != want {
				t.Errorf("%s in %s: got %+v, %v; want %s", wall, zone.id, cal.Events[0].Start, err, want)
			}
		}
	}
}

// TestZoneBounds: names and rules are strangers' words.
func TestZoneBounds(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "BEGIN:VTIMEZONE\nTZID:z%d\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\n", i)
	}
	begin := time.Now()
	cal, err := ical.Read(inZone("z2999", b.String()))
	if err != nil || len(cal.Unknown) > 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v: %v", err, time.Since(begin), cal.Unknown)
	}
	// All of them used, with rules that never fire: the first few are followed, the others flagged.
	var all strings.Builder
	all.WriteString(strings.ReplaceAll(b.String(), "FREQ=SECONDLY", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"))
	for i := range 3000 {
		fmt.Fprintf(&all, "BEGIN:VEVENT\nUID:u%d\nDTSTART;TZID=z%d:20260720T100000\nEND:VEVENT\n", i, i)
	}
	begin = time.Now()
	if cal, err = ical.Read(inZone("z1", all.String())); err != nil || len(cal.Unknown) == 0 || len(cal.Unknown) > 2990 || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %v: %d unknown", err, time.Since(begin), len(cal.Unknown))
	}
}

// TestSeries reads what makes a series: RRULE, lists in EXDATE and RDATE, RECURRENCE-ID in another zone than DTSTART.
func TestSeries(t *testing.T) {
	cal, err := ical.Read([]byte(`BEGIN:VCALENDAR
BEGIN:VEVENT
UID:u
DTSTART;TZID=Europe/Berlin:20261020T100000
DTEND;TZID=Europe/Berlin:20261020T110000
RRULE:FREQ=WEEKLY;COUNT=10
EXDATE;TZID=Europe/Berlin:20261027T100000,20261103T100000
EXDATE:20261110T090000Z
EXDATE;VALUE=DATE:20261117
RDATE;VALUE=PERIOD:20261022T080000Z/PT1H
END:VEVENT
BEGIN:VEVENT
UID:u
RECURRENCE-ID:20261124T090000Z
DTSTART;TZID=Europe/Berlin:20261124T120000
DTEND;TZID=Europe/Berlin:20261124T130000
END:VEVENT
END:VCALENDAR
`))
	if err != nil || len(cal.Events) != 2 {
		t.Fatalf("got %+v, %v", cal, err)
	}
	master, instance := cal.Events[0], cal.Events[1]
	if r := master.Recurrence; r.Rule != "FREQ=WEEKLY;COUNT=10" || len(r.Dates) != 1 || len(r.Without) != 4 || r.Without[1].Instance() != "20261103T090000Z" ||
		r.Without[3].Instance() != "20261117T090000Z" || len(master.Problems) > 0 {
		t.Errorf("got %+v %v", r, master.Problems)
	}
	if instance.Instance != "20261124T090000Z" || !instance.Recurrence.IsZero() {
		t.Errorf("got %+v", instance)
	}
}
