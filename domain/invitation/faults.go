package invitation

import "github.com/calendar-invite-server/cis/domain/fault"

// How commands about invitations are refused.
var (
	ErrUnknown   = &fault.Error{Kind: fault.NotFound, Code: "invitation-unknown", Title: "there is no such invitation"}
	ErrAddress   = &fault.Error{Kind: fault.Invalid, Code: "address-invalid", Title: "that is not a mail address"}
	ErrOrigin    = &fault.Error{Kind: fault.Invalid, Code: "origin-invalid", Title: "that is not a known origin"}
	ErrAnswer    = &fault.Error{Kind: fault.Invalid, Code: "answer-invalid", Title: "that is not an answer to an invitation"}
	ErrProof     = &fault.Error{Kind: fault.Forbidden, Code: "attendee-unproven", Title: "the answer does not come from the attendee it is for"}
	ErrCounter   = &fault.Error{Kind: fault.NotFound, Code: "counter-unknown", Title: "there is no such proposal"}
	ErrDelegate  = &fault.Error{Kind: fault.Invalid, Code: "delegate-invalid", Title: "the answer does not say to whom it is delegated"}
	ErrWithdrawn = &fault.Error{Kind: fault.Conflict, Code: "invitation-withdrawn", Title: "the invitation was withdrawn"}
	ErrAlready   = &fault.Error{Kind: fault.Conflict, Code: "already-invited", Title: "this person is invited already"}
	ErrSoon      = &fault.Error{Kind: fault.Conflict, Code: "resend-too-soon", Title: "the invitation was sent again a short while ago"}
)
