package inbox

import "sync"

// recent keeps the newest mails' bytes in memory up to a size, so that a mail handled by the process that received it
// need not be read and opened again. The log remains the only truth.
type recent struct {
	mu    sync.Mutex
	max   int
	size  int
	order []string
	bytes map[string][]byte
}

func newRecent(maxBytes int) *recent { return &recent{max: maxBytes, bytes: map[string][]byte{}} }

func (r *recent) put(id string, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.bytes[id]; known || len(raw) > r.max/8 {
		return
	}
	r.bytes[id] = raw
	r.order = append(r.order, id)
	r.size += len(raw)
	for len(r.order) > 0 && (r.size > r.max || r.bytes[r.order[0]] == nil) {
		oldest := r.order[0]
		r.order = r.order[1:]
		r.size -= len(r.bytes[oldest])
		delete(r.bytes, oldest)
	}
}

// take returns a mail's bytes and forgets them: a mail is handled once.
func (r *recent) take(id string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw, ok := r.bytes[id]
	if ok {
		r.size -= len(raw)
		r.bytes[id] = nil // its place in order stays until it is the oldest
	}
	return raw, ok && raw != nil
}
