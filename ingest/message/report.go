package message

import (
	"bytes"
	"net/textproto"
	"strings"

	"bufio"
)

// Report is what a delivery report says about its first recipient (RFC 3464 §2.3).
type Report struct {
	Action     string // lower case: failed, delayed, delivered, relayed, expanded
	Status     string // RFC 3463, like 5.1.1
	Diagnostic string

	Complaint bool   // somebody reported a mail as unwanted (RFC 5965)
	Sender    string // then: its envelope sender, lower case
}

// Failed says that the mail will not arrive.
func (r Report) Failed() bool { return r.Action == "failed" }

// Hard says that the address does not work, and not only for this mail: 5.1.x (address) and 5.2.1 (mailbox disabled).
func (r Report) Hard() bool {
	return r.Failed() && (strings.HasPrefix(r.Status, "5.1.") || r.Status == "5.2.1")
}

// parseReport reads the blocks of a message/delivery-status; of several recipients, the first that failed.
func parseReport(data []byte) *Report {
	r := &Report{}
	for block := range bytes.SplitSeq(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n\n")) {
		h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.TrimLeft(block, "\n"), "\n\n"...)))).ReadMIMEHeader()
		action := strings.ToLower(strings.TrimSpace(h.Get("Action")))
		if action == "" || r.Action != "" && action != "failed" {
			continue
		}
		r.Action = action
		r.Status, _, _ = strings.Cut(strings.TrimSpace(h.Get("Status")), " ")
		_, diagnostic, _ := strings.Cut(h.Get("Diagnostic-Code"), ";")
		r.Diagnostic = strings.TrimSpace(diagnostic)
		if len(r.Diagnostic) > 500 {
			r.Diagnostic = strings.ToValidUTF8(r.Diagnostic[:500], "")
		}
		if r.Failed() {
			break
		}
	}
	return r
}

// parseFeedback reads a message/feedback-report (RFC 5965 §3). Of its kinds only abuse and what is close to it say that
// somebody does not want our mail.
func parseFeedback(data []byte) *Report {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(data, "\r\n\r\n"...)))).ReadMIMEHeader()
	r := &Report{Sender: strings.ToLower(strings.Trim(strings.TrimSpace(h.Get("Original-Mail-From")), "<>"))}
	switch strings.ToLower(strings.TrimSpace(h.Get("Feedback-Type"))) {
	case "abuse", "fraud", "opt-out", "opt-out-list":
		r.Complaint = true
	}
	return r
}
