package inbox

import (
	"sync"

	"github.com/calendar-invite-server/cis/domain/mail"
)

// recent keeps the newest mails in memory up to a size, so that a mail handled by the process that received it need not
// be read and opened again. The log remains the only truth.
type recent struct {
	mu    sync.Mutex
	max   int
	size  int
	order []string
	mails map[string]recentMail
}

type recentMail struct {
	raw      []byte // nil: taken
	received mail.MailReceived
}

func newRecent(maxBytes int) *recent { return &recent{max: maxBytes, mails: map[string]recentMail{}} }

func (r *recent) put(received mail.MailReceived, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := received.MailID
	if _, known := r.mails[id]; known || len(raw) > r.max/8 {
		return
	}
	r.mails[id] = recentMail{raw, received}
	r.order = append(r.order, id)
	r.size += len(raw)
	for len(r.order) > 0 && (r.size > r.max || r.mails[r.order[0]].raw == nil) {
		oldest := r.order[0]
		r.order = r.order[1:]
		r.size -= len(r.mails[oldest].raw)
		delete(r.mails, oldest)
	}
}

// take returns a mail and forgets it: a mail is handled once.
func (r *recent) take(id string) (recentMail, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.mails[id]
	if ok {
		r.size -= len(m.raw)
		r.mails[id] = recentMail{} // its place in order stays until it is the oldest
	}
	return m, ok && m.raw != nil
}
