package ical

import (
	_ "embed" // windows_zones.tsv
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-ical"
)

// ErrZone says that a time's zone is not known. Taking it for UTC would move the meeting by hours, silently.
var ErrZone = errors.New("unknown time zone")

// zones resolves the TZIDs of one calendar object (RFC 5545 §3.2.19). TZIDs are the sender's own words, so they are
// understood in this order: IANA name, Windows name, Windows display name, other aliases, the end of a path, the
// X-LIC-LOCATION of the file's VTIMEZONE, that VTIMEZONE's rules. What is left is unknown, and never UTC.
type zones struct {
	definitions map[string]*ical.Component // VTIMEZONE by TZID
	floating    *time.Location             // of times without any zone: X-WR-TIMEZONE, else UTC
	floats      bool                       // there is such a time
	resolved    map[string]clock
	custom      int // how many were read from their rules
	unresolved  []string
}

const (
	maxZones  = 500 // names of one calendar that are looked up: each costs a walk through the zone files
	maxCustom = 50  // of them, those read from their rules
)

// clock turns wall time into instants: an IANA zone, or the rules of a VTIMEZONE.
type clock struct {
	loc    *time.Location // nil: unknown, or rules
	custom *customZone
}

func newZones(root *ical.Component) *zones {
	z := &zones{definitions: map[string]*ical.Component{}, floating: time.UTC, resolved: map[string]clock{}}
	for _, c := range root.Children {
		if c.Name == ical.CompTimezone {
			if id := cleanTZID(value(c, ical.PropTimezoneID)); z.definitions[id] == nil {
				z.definitions[id] = c
			}
		}
	}
	if loc := named(value(root, "X-WR-TIMEZONE")); loc != nil {
		z.floating = loc
	}
	return z
}

// clock resolves a TZID. It fails with [ErrZone], and remembers what it could not resolve.
func (z *zones) clock(tzid string) (clock, error) {
	id := cleanTZID(tzid)
	if id == "" {
		return clock{loc: z.floating}, nil
	}
	c, known := z.resolved[id]
	if !known {
		if len(z.resolved) < maxZones {
			c = z.resolve(id)
		}
		z.resolved[id] = c
		if c.loc == nil && c.custom == nil {
			z.unresolved = append(z.unresolved, tzid)
		}
	}
	if c.loc == nil && c.custom == nil {
		return c, fmt.Errorf("%w %q", ErrZone, tzid)
	}
	return c, nil
}

// isCustom says whether a property's zone is known by its rules only.
func (z *zones) isCustom(p *ical.Prop) bool {
	c, err := z.clock(p.Params.Get(ical.ParamTimezoneID))
	return err == nil && c.custom != nil && len(p.Value) != len(date) && !strings.HasSuffix(p.Value, "Z")
}

func (z *zones) resolve(id string) clock {
	if loc := named(id); loc != nil {
		return clock{loc: loc}
	}
	def := z.definitions[id]
	if def == nil {
		return clock{}
	}
	if loc := named(value(def, "X-LIC-LOCATION")); loc != nil {
		return clock{loc: loc}
	}
	if z.custom++; z.custom > maxCustom { // following rules takes time; nobody meets in so many places
		return clock{}
	}
	rules := newCustomZone(def)
	if rules == nil {
		return clock{}
	}
	if loc := rules.equivalent(); loc != nil {
		return clock{loc: loc}
	}
	return clock{custom: rules}
}

// cleanTZID removes what does not belong to a TZID. QUIRK: "3D" in front is quoted-printable that nobody decoded
// (Apple's calendar server has such replies in its tests).
func cleanTZID(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(strings.Trim(strings.TrimSpace(s), `"'`), `\,`, ","))
	return strings.TrimPrefix(strings.TrimPrefix(s, "3D"), "TZID=")
}

// maxTZID is the longest name that is looked at.
const maxTZID = 200

// named finds a zone by its name alone; nil if there is none.
func named(name string) *time.Location {
	name = cleanTZID(name)
	if name == "" || len(name) > maxTZID {
		return nil
	}
	if loc, ok := locations.Load(name); ok {
		return loc.(*time.Location) //nolint:forcetypeassert // only this function stores here
	}
	loc := lookUp(name)
	if loc != nil && known.Add(1) <= maxKnown { // names are strangers' words: what is remembered of them is bounded
		locations.Store(name, loc)
	}
	return loc
}

func lookUp(name string) *time.Location {
	switch strings.ToUpper(name) {
	case "UTC", "GMT", "Z", "ETC/UTC", "COORDINATED UNIVERSAL TIME":
		return time.UTC
	}
	finders := []func(string) *time.Location{iana, windows, offset, display, suffix}
	if strings.HasPrefix(name, "/") { // a path is no list of places
		finders = []func(string) *time.Location{suffix}
	}
	for _, find := range finders {
		if loc := find(name); loc != nil {
			return loc
		}
	}
	return nil
}

// iana loads a zone by its name in the IANA database, also where a client wrote it a little differently.
// QUIRK: "Europe_Berlin" (khal), "America/New York", "europe/berlin".
func iana(name string) *time.Location {
	underscored := strings.ReplaceAll(name, " ", "_")
	for _, n := range []string{name, underscored, strings.Replace(underscored, "_", "/", 1), titled(underscored)} {
		if n == "Local" || n == "" || strings.HasPrefix(n, "/") {
			continue
		}
		if loc, err := time.LoadLocation(n); err == nil {
			return loc
		}
	}
	return nil
}

// titled writes every word of a name with a capital: europe/berlin, AMERICA/NEW_YORK.
func titled(s string) string {
	b := []byte(strings.ToLower(s))
	for i := range b {
		if (i == 0 || b[i-1] == '/' || b[i-1] == '_' || b[i-1] == '-') && 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

//go:embed windows_zones.tsv
var windowsTSV string

// tables are the names Windows gives to zones, as keys: names → IANA, and whole display names and single places of
// them → IANA.
var tables = sync.OnceValue(func() (t struct{ names, shown, places map[string]string }) {
	t.names, t.shown, t.places = map[string]string{}, map[string]string{}, map[string]string{}
	for line := range strings.Lines(windowsTSV) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		t.names[key(f[0])] = f[1]
		if len(f) < 3 {
			continue
		}
		t.shown[key(f[2])] = f[1]
		for _, place := range places(f[2]) {
			if _, taken := t.places[key(place)]; !taken {
				t.places[key(place)] = f[1]
			}
		}
	}
	return t
})

// key is a name without what clients write differently: case, blanks, punctuation.
func key(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '+', r == '-', r > 0x7f:
			return r
		}
		return -1
	}, strings.ReplaceAll(s, " and ", "&"))
}

func places(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '/' || r == ';' })
}

// windows finds a Windows name (CLDR windowsZones). "… Daylight Time" and "… Time" mean the same zone.
func windows(name string) *time.Location {
	k := key(name)
	for _, n := range []string{k, strings.Replace(k, "daylighttime", "standardtime", 1), strings.TrimSuffix(k, "time") + "standardtime", aliases[k]} {
		if loc := ianaOf(tables().names[n]); loc != nil {
			return loc
		}
	}
	return ianaOf(aliases[k])
}

func ianaOf(name string) *time.Location {
	switch name {
	case "":
		return nil
	case "Etc/UTC", "Etc/GMT":
		return time.UTC
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}

// aliases are names that clients use beside IANA's and Windows': Lotus Notes', old Outlook's, and URIs of Microsoft's.
var aliases = map[string]string{
	"tzonemicrosoftutc": "Etc/UTC", "greenwichmeantime": "Europe/London", "gmtgreenwichmeantime": "Europe/London",
	"eastern": "America/New_York", "central": "America/Chicago", "mountain": "America/Denver", "pacific": "America/Los_Angeles",
	"atlantic": "America/Halifax", "alaska": "America/Anchorage", "hawaii": "Pacific/Honolulu", "arizona": "America/Phoenix",
	"us-eastern": "America/New_York", "us-central": "America/Chicago", "us-mountain": "America/Denver", "us-pacific": "America/Los_Angeles",
	"pacifictimeuscanada": "America/Los_Angeles",
	"easterntime":         "America/New_York", "centraltime": "America/Chicago", "mountaintime": "America/Denver", "pacifictime": "America/Los_Angeles",
	"westerncentraleurope": "Europe/Berlin", "centraleurope": "Europe/Budapest", "weurope": "Europe/Berlin", "easterneurope": "Europe/Bucharest",
	"centraleuropeantime": "Europe/Berlin", "westerneuropeantime": "Europe/Lisbon", "easterneuropeantime": "Europe/Helsinki",
	"britishsummertime": "Europe/London", "germanyberlin": "Europe/Berlin", "japan": "Asia/Tokyo", "india": "Asia/Kolkata", "singapore": "Asia/Singapore",
}

// offsets: UTC+01, GMT-5, UTC+05:30, GMT+0100.
var offsets = regexp.MustCompile(`^\(?(?i:UTC|GMT)?\s*([+-])(\d{1,2})[:.]?(\d{2})?\)?$`)

// offset understands a fixed distance from UTC; whole hours have IANA names (whose sign is the other way round).
func offset(name string) *time.Location {
	m := offsets.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	hours, _ := strconv.Atoi(m[2])
	if m[3] != "" && m[3] != "00" || hours > 14 {
		return nil // no zone is always at a half hour; guessing which one is meant is not for us
	}
	sign := map[string]string{"+": "-", "-": "+"}[m[1]]
	if hours == 0 {
		return time.UTC
	}
	return ianaOf("Etc/GMT" + sign + strconv.Itoa(hours))
}

// prefix is what display names begin with: (UTC-05:00), (GMT+01.00), also without digits.
var prefix = regexp.MustCompile(`^\((?:UTC|GMT)\s*(?:([+-])(\d{1,2})[:.]?(\d{2})|)\)?\s*`)

// display understands what Windows shows to people, like "(UTC-05:00) Eastern Time (US & Canada)", and lists of places
// like "Sarajevo/Warsaw/Zagreb". A zone counts only if its standard time fits the offset in front.
func display(name string) *time.Location {
	fits := func(*time.Location) bool { return true }
	if m := prefix.FindStringSubmatch(name); m != nil {
		name = name[len(m[0]):]
		if m[1] != "" {
			hours, _ := strconv.Atoi(m[2])
			minutes, _ := strconv.Atoi(m[3])
			want := hours*3600 + minutes*60
			if m[1] == "-" {
				want = -want
			}
			fits = func(loc *time.Location) bool { return standardOffset(loc) == want }
		}
	}
	t := tables()
	candidates := []string{t.shown[key(name)], aliases[key(name)], t.names[key(name)]}
	for _, place := range places(name) {
		candidates = append(candidates, t.shown[key(place)], aliases[key(place)], t.places[key(place)])
	}
	for _, c := range candidates {
		if loc := ianaOf(c); loc != nil && fits(loc) {
			return loc
		}
	}
	return nil
}

func standardOffset(loc *time.Location) int {
	_, january := time.Date(2026, 1, 1, 0, 0, 0, 0, loc).Zone()
	_, july := time.Date(2026, 7, 1, 0, 0, 0, 0, loc).Zone()
	return min(january, july)
}

// suffix understands paths that end in an IANA name: /freeassociation.sourceforge.net/Tzfile/America/Toronto.
func suffix(name string) *time.Location {
	if !strings.Contains(name, "/") || strings.Contains(name, "..") {
		return nil
	}
	for parts := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/"); len(parts) >= 2; parts = parts[1:] {
		if parts[0] == "posix" || parts[0] == "right" {
			continue
		}
		if loc := iana(strings.Join(parts, "/")); loc != nil {
			return loc
		}
	}
	return nil
}

// candidates are the zones a VTIMEZONE may turn out to be.
var candidates = sync.OnceValue(func() (list []*time.Location) {
	for _, name := range slices.Compact(slices.Sorted(maps.Values(tables().names))) {
		if loc := ianaOf(name); loc != nil {
			list = append(list, loc)
		}
	}
	return list
})
