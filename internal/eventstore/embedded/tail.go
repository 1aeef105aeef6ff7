package embedded

import "sync"

// tail holds the newest records in memory, so that live subscriptions need not read the file, and wakes them.
type tail struct {
	mu     sync.RWMutex
	last   int64     // position of the newest record, in the buffer or not
	buf    []*record // contiguous positions ending at last
	max    int
	wake   chan struct{} // closed and replaced at every publish
	closed bool
}

func newTail(head int64, size int) *tail {
	return &tail{last: head, max: size, wake: make(chan struct{})}
}

func (t *tail) head() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.last
}

func (t *tail) publish(records []*record) {
	if len(records) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, records...)
	t.last = records[len(records)-1].position
	if len(t.buf) > 2*t.max { // drop the older half at once, so that appending stays cheap
		t.buf = append([]*record(nil), t.buf[len(t.buf)-t.max:]...)
	}
	close(t.wake)
	t.wake = make(chan struct{})
}

func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.wake)
	}
}

// after returns up to n records behind position, and a channel that closes when there is more. ok is false when the
// buffer no longer reaches back that far and the file must be read.
func (t *tail) after(position int64, n int) (records []*record, wake <-chan struct{}, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if position >= t.last {
		return nil, t.wake, true
	}
	first := t.last - int64(len(t.buf)) + 1
	if position+1 < first {
		return nil, nil, false
	}
	rest := t.buf[position+1-first:]
	return rest[:min(n, len(rest))], t.wake, true
}
