"""Compares what python3-icalendar and our own reader ("cis mail inspect", a JSON line per mail) understand of golden mails."""
import email
import email.policy
import json
import sys
from datetime import date, datetime, timezone

import icalendar


def instant(prop):
    """The instant of a property as inspect writes it, and whether it is a whole day."""
    value = prop.dt
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc), True
    assert value.tzinfo is not None, "a floating time"
    return value.astimezone(timezone.utc), False


def one(values):
    return values[0] if isinstance(values, list) else values


def check(ours):
    with open(ours["file"], "rb") as f:
        mail = email.message_from_binary_file(f, policy=email.policy.default)
    parts = [p for p in mail.walk() if p.get_content_type() in ("text/calendar", "application/ics")]
    if not parts:
        return 0
    assert len(parts) == 2, "an alternative and a file"
    for part in parts:
        data = part.get_payload(decode=True)
        for line in data.split(b"\r\n"):
            assert len(line) <= 75, "a line is not folded: %r" % line
        calendar = icalendar.Calendar.from_ical(data)
        assert not calendar.errors, calendar.errors
        method = str(calendar["METHOD"])
        assert method == ours["method"]
        if part.get_content_type() == "text/calendar":
            assert part.get_param("method") == method
        events = list(calendar.walk("VEVENT"))
        assert len(events) == 1 and len(ours["events"]) >= 1, "one VEVENT"
        event, mine = events[0], ours["events"][0]
        assert not event.errors, event.errors
        assert str(event["UID"]) == mine["uid"]
        assert int(event["SEQUENCE"]) == mine["sequence"]
        assert str(event["SUMMARY"]) == mine["summary"]
        assert str(event["ORGANIZER"]) == "mailto:" + mine["organizer"]
        assert str(one(event["ATTENDEE"])) == "mailto:" + mine["attendees"][0]["address"]
        zones = {str(z["TZID"]) for z in calendar.walk("VTIMEZONE")}
        for name, key in (("DTSTART", "start"), ("DTEND", "end")):
            at, all_day = instant(event[name])
            assert at == datetime.fromisoformat(mine[key]["utc"].replace("Z", "+00:00")), (name, at, mine[key])
            assert all_day == mine[key].get("all_day", False)
            tzid = event[name].params.get("TZID")
            assert tzid is None or tzid in zones, "no VTIMEZONE for " + str(tzid)
        for z in calendar.walk("VTIMEZONE"):
            z.to_tz()  # its rules can be followed
        rule = mine.get("recurrence", {}).get("rule")
        assert ("RRULE" in event) == bool(rule)
        if rule:
            assert event["RRULE"].to_ical().decode().split(";")[0] == rule.split(";")[0]
        if mine.get("instance"):
            at, _ = instant(event["RECURRENCE-ID"])
            assert at.strftime("%Y%m%dT%H%M%SZ") == mine["instance"], (at, mine["instance"])
    return 1


checked = 0
with open(sys.argv[1]) as lines:
    for line in lines:
        ours = json.loads(line)
        try:
            checked += check(ours)
        except AssertionError as e:
            sys.exit("%s: %s" % (ours["file"], e))
print("%d calendar mails read alike by python3-icalendar and by cis" % checked)
if checked < 8:
    sys.exit("too few: what was checked?")
