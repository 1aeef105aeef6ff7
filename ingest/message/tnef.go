package message

import (
	"bytes"
	"encoding/binary"
)

// tnefAttachments takes the calendar files out of a winmail.dat (MS-OXTNEF §2.1): attachments whose bytes are a
// calendar. Damage ends the reading; what came before counts.
func tnefAttachments(data []byte) (calendars [][]byte) {
	const (
		signature      = 0x223e9f78
		attachmentData = 0x800f
		maxAttributes  = 2_000
	)
	if len(data) < 6 || binary.LittleEndian.Uint32(data) != signature {
		return nil
	}
	data = data[6:]
	for range maxAttributes {
		if len(data) < 9 {
			return calendars
		}
		id, size := binary.LittleEndian.Uint32(data[1:]), binary.LittleEndian.Uint32(data[5:])
		data = data[9:]
		if uint64(size)+2 > uint64(len(data)) { // two bytes of checksum follow
			return calendars
		}
		value := data[:size]
		data = data[size+2:]
		if id&0xffff == attachmentData && bytes.Contains(value[:min(len(value), 200)], []byte("BEGIN:VCALENDAR")) {
			calendars = append(calendars, value)
		}
	}
	return calendars
}
