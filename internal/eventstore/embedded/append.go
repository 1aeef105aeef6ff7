package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// expectation is the expected revision of an append: a revision, or one of the negatives below.
type expectation int64

const (
	expectNoStream expectation = -1
	expectAny      expectation = -2
	expectExists   expectation = -4
)

// proposal is an event as a client wants it stored.
type proposal struct {
	id          uuid.UUID
	typ         string
	contentType string
	data        []byte
	metadata    []byte
}

type appendKind int

const (
	appendEvents appendKind = iota
	appendDelete            // soft delete: everything up to now is hidden
	appendTombstone
)

type appendRequest struct {
	kind     appendKind
	stream   string
	expected expectation
	events   []proposal
	answer   chan appendResult // buffered, one answer
}

// appendResult is the outcome. Exactly one of err, wrong, gone or success holds.
type appendResult struct {
	err      error
	wrong    bool  // wrong expected revision; current tells
	gone     bool  // the stream is tombstoned
	current  int64 // last revision after success, or the one found; -1: no stream
	position int64
}

// submit queues a write and waits until it is durable or refused. A ctx that ends first leaves the outcome unknown.
func (l *eventLog) submit(ctx context.Context, req *appendRequest) (appendResult, error) {
	req.answer = make(chan appendResult, 1)
	select {
	case l.queue <- req:
	case <-l.quit:
		return appendResult{}, errClosed
	case <-ctx.Done():
		return appendResult{}, ctx.Err()
	}
	select {
	case res := <-req.answer:
		return res, res.err
	case <-l.done:
		select {
		case res := <-req.answer:
			return res, res.err
		default:
			return appendResult{}, errClosed
		}
	case <-ctx.Done():
		return appendResult{}, ctx.Err()
	}
}

// maxBatch bounds what one transaction commits.
const maxBatch = 512

// write is the single writer: it commits whatever has queued up in one transaction.
func (l *eventLog) write() {
	defer close(l.done)
	for {
		var first *appendRequest
		select {
		case first = <-l.queue:
		case <-l.quit:
			return
		}
		l.commit(l.gather(first))
	}
}

// linger is how long the writer waits for company after its first request while others have been around lately. A
// commit costs as much as a dozen appends, so under load waiting this little makes everybody faster; alone nobody waits.
const linger = time.Millisecond

// gather returns what one transaction commits.
func (l *eventLog) gather(first *appendRequest) []*appendRequest {
	if l.company > 1 {
		time.Sleep(linger)
	}
	batch := []*appendRequest{first}
	for len(batch) < maxBatch {
		select {
		case req := <-l.queue:
			batch = append(batch, req)
			continue
		default:
		}
		break
	}
	l.company = (l.company + len(batch) + 1) / 2
	return batch
}

// commit runs one transaction. A failure stops the store: after a failed fsync nothing in memory can be trusted.
func (l *eventLog) commit(batch []*appendRequest) {
	if l.failed.Load() {
		answerAll(batch, errFailed)
		return
	}
	t := &txn{log: l, meta: map[string]streamMeta{}}
	results, err := t.run(batch)
	if err != nil {
		l.failed.Store(true)
		answerAll(batch, fmt.Errorf("%w (%w)", errFailed, err))
		return
	}
	l.publish(t)
	for i, req := range batch {
		req.answer <- results[i]
	}
}

func answerAll(batch []*appendRequest, err error) {
	for _, req := range batch {
		req.answer <- appendResult{err: err}
	}
}

// publish makes a committed transaction visible to readers in memory.
func (l *eventLog) publish(t *txn) {
	l.mu.Lock()
	for name, m := range t.meta {
		l.meta[name] = m
	}
	for _, name := range t.tombs {
		l.tombs[name] = true
	}
	l.mu.Unlock()
	for _, r := range t.records {
		l.recent.add(r)
	}
	l.tail.publish(t.records)
}

// txn is one write transaction while it is being built.
type txn struct {
	log     *eventLog
	tx      *sql.Tx
	insert  *sql.Stmt
	headOf  *sql.Stmt
	next    int64
	records []*record
	meta    map[string]streamMeta
	tombs   []string
}

func (t *txn) run(batch []*appendRequest) (results []appendResult, err error) {
	l := t.log
	if t.tx, err = l.writer.Begin(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = t.tx.Rollback()
		}
	}()
	t.insert, t.headOf = t.tx.Stmt(l.insert), t.tx.Stmt(l.headOf)
	t.next = l.tail.head() + 1
	if len(l.heads) > 100_000 { // a cache: forgetting only costs a query
		clear(l.heads)
	}
	results = make([]appendResult, len(batch))
	for i, req := range batch {
		if results[i], err = t.apply(req); err != nil {
			return nil, err
		}
	}
	return results, t.tx.Commit()
}

func (t *txn) apply(req *appendRequest) (appendResult, error) {
	current, err := t.head(req.stream)
	if err != nil {
		return appendResult{}, err
	}
	if current == tombstoneRevision {
		return appendResult{gone: true}, nil
	}
	deleted := t.streamMeta(req.stream).deleted()
	if !matches(req.expected, current, deleted) {
		return t.repeated(req, current)
	}
	switch req.kind {
	case appendDelete:
		err = t.setTruncateBefore(req.stream, deletedFrom)
	case appendTombstone:
		t.tombs = append(t.tombs, req.stream)
		if _, err = t.tx.Exec(`INSERT OR IGNORE INTO tombstone (stream) VALUES (?)`, req.stream); err == nil {
			err = t.put(req.stream, tombstoneRevision, proposal{id: uuid.New(), typ: "$streamDeleted", contentType: "application/json", data: []byte("{}")})
		}
	default:
		if req.expected == expectAny || req.expected == expectExists {
			if pos, rev, ok := t.log.recent.repeated(req.stream, req.events); ok {
				return appendResult{current: rev, position: pos}, nil
			}
		}
		if deleted { // a soft-deleted stream comes back with only what is new
			if err = t.setTruncateBefore(req.stream, current+1); err != nil {
				break
			}
		}
		for _, p := range req.events {
			current++
			if err = t.put(req.stream, current, p); err != nil {
				break
			}
		}
	}
	return appendResult{current: current, position: t.next - 1}, err
}

// matches says whether the stream is where the caller believes it to be.
func matches(expected expectation, current int64, deleted bool) bool {
	switch expected {
	case expectAny:
		return true
	case expectExists:
		return current >= 0 && !deleted
	case expectNoStream:
		return current < 0 || deleted
	default:
		return int64(expected) == current
	}
}

// repeated answers an append behind the current revision: success when the very same events stand there already.
func (t *txn) repeated(req *appendRequest, current int64) (appendResult, error) {
	wrong := appendResult{wrong: true, current: current}
	first := int64(req.expected) + 1
	last := first + int64(len(req.events)) - 1
	if req.kind != appendEvents || req.expected == expectExists || last > current || len(req.events) == 0 {
		return wrong, nil
	}
	rows, err := t.tx.Query(`SELECT position, id FROM event WHERE stream = ? AND revision BETWEEN ? AND ? ORDER BY revision`, req.stream, first, last)
	if err != nil {
		return wrong, err
	}
	defer func() { _ = rows.Close() }()
	var position int64
	for i := 0; rows.Next(); i++ {
		var id []byte
		if err := rows.Scan(&position, &id); err != nil {
			return wrong, err
		}
		if uuid.UUID(id) != req.events[i].id {
			return wrong, nil
		}
	}
	return appendResult{current: last, position: position}, rows.Err()
}

func (t *txn) put(stream string, revision int64, p proposal) error {
	r := &record{
		position: t.next, stream: stream, revision: revision, id: p.id, typ: p.typ, contentType: p.contentType,
		created: ticks(t.log.now()), data: notNil(p.data), metadata: notNil(p.metadata),
	}
	if _, err := t.insert.Exec(r.position, r.stream, r.revision, r.id[:], r.typ, r.contentType, r.created, r.data, r.metadata); err != nil {
		return err
	}
	t.next++
	t.records = append(t.records, r)
	t.log.heads[stream] = revision
	if len(stream) > 2 && stream[:2] == "$$" {
		t.meta[stream[2:]] = parseStreamMeta(p.data)
	}
	return nil
}

func (t *txn) setTruncateBefore(stream string, before int64) error {
	head, err := t.head("$$" + stream)
	if err != nil {
		return err
	}
	return t.put("$$"+stream, head+1, proposal{
		id: uuid.New(), typ: "$metadata", contentType: "application/json", data: fmt.Appendf(nil, `{"$tb":%d}`, before),
	})
}

// head is the stream's last revision, -1 if it has none.
func (t *txn) head(stream string) (int64, error) {
	if rev, ok := t.log.heads[stream]; ok {
		return rev, nil
	}
	var rev int64
	err := t.headOf.QueryRow(stream).Scan(&rev)
	if err == nil {
		t.log.heads[stream] = rev
	}
	return rev, err
}

func (t *txn) streamMeta(stream string) streamMeta {
	if m, ok := t.meta[stream]; ok {
		return m
	}
	t.log.mu.RLock()
	defer t.log.mu.RUnlock()
	return t.log.meta[stream]
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
