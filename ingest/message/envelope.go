package message

import (
	"bufio"
	"bytes"
	"net/mail"
	"net/textproto"
	"strings"
)

// Envelope reads what a mailbox keeps of a mail's envelope: the sender in Return-Path, and the recipients that are
// ours, in Delivered-To, X-Original-To, To and Cc.
func Envelope(raw []byte, ours func(addr string) bool) (from string, recipients []string) {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(Trim(raw)))).ReadMIMEHeader()
	from = strings.Trim(strings.TrimSpace(h.Get("Return-Path")), "<>")
	seen := map[string]bool{}
	for _, name := range []string{"Delivered-To", "X-Original-To", "To", "Cc"} {
		for _, v := range h[textproto.CanonicalMIMEHeaderKey(name)] {
			list, err := mail.ParseAddressList(v)
			if err != nil {
				continue
			}
			for _, a := range list {
				if addr := strings.ToLower(a.Address); ours(addr) && !seen[addr] && len(recipients) < 20 {
					seen[addr] = true
					recipients = append(recipients, addr)
				}
			}
		}
	}
	return from, recipients
}
