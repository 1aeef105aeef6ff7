package invitation

import "strings"

// Status is an attendee's answer, in the words of the published API.
type Status string

// The answers. NoAction is RFC 5545's NEEDS-ACTION: invited, not answered.
const (
	NoAction  Status = "noaction"
	Accepted  Status = "accepted"
	Declined  Status = "declined"
	Tentative Status = "tentative"
)

// StatusOf reads a PARTSTAT, in any case (RFC 5545 §3.2.12).
func StatusOf(partstat string) (Status, bool) {
	switch strings.ToUpper(strings.TrimSpace(partstat)) {
	case "ACCEPTED":
		return Accepted, true
	case "DECLINED":
		return Declined, true
	case "TENTATIVE":
		return Tentative, true
	case "NEEDS-ACTION":
		return NoAction, true
	}
	return "", false
}

// Delegated is the PARTSTAT of an attendee who sends somebody else. It is no [Status]: the answer is still to come.
const Delegated = "DELEGATED"

// PartStat is the status as RFC 5545 §3.2.12 writes it.
func (s Status) PartStat() string {
	if s == NoAction || s == "" {
		return "NEEDS-ACTION"
	}
	return strings.ToUpper(string(s))
}

// Origin says where an invitation came from.
type Origin string

// Shared is the origin of attendees who answered an invitation that was forwarded to them.
const Shared Origin = "shared"

// Origins are the published ones.
var Origins = []Origin{
	"api", "bulk", "convertkit", "emailcta", "hubspot", "klaviyo", "klaviyocta", "landingpage", "mailchimpcta",
	"multievent", "sendgrid", "sendgridcta", Shared, "singlesend", "test", "vip", "webform", "wix", "wixv2", "zoho",
}

// Bulk is the origin of invitations from a table, Test of those that may be sent again.
const (
	Bulk Origin = "bulk"
	Test Origin = "test"
)

// InBulk says whether invitations of this origin need the right to send in bulk and one of the event's slots.
func (o Origin) InBulk() bool { return o == Bulk || o == "vip" }

// StreamPrefix starts the names of streams of invitations.
const StreamPrefix = "invitation-"

// Stream is the name of an invitation's stream.
func Stream(uid, attendeeID string) string { return StreamPrefix + uid + "." + attendeeID }

// Stream is the name of the invitation's stream.
func (r Ref) Stream() string { return Stream(r.EventUID, r.AttendeeID) }
