package embedded

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// tombstoneRevision is the revision EventStoreDB gives the event that ends a tombstoned stream.
const tombstoneRevision = math.MaxInt64

// deletedFrom is the $tb (truncate before) that marks a soft-deleted stream.
const deletedFrom = math.MaxInt64

// record is one stored event.
type record struct {
	position    int64
	stream      string
	revision    int64
	id          uuid.UUID
	typ         string
	contentType string
	created     int64 // ticks of 100 ns since 1970, as the protocol wants it
	data        []byte
	metadata    []byte
}

const schema = `
CREATE TABLE IF NOT EXISTS event (
	position     INTEGER PRIMARY KEY,
	stream       TEXT    NOT NULL,
	revision     INTEGER NOT NULL,
	id           BLOB    NOT NULL,
	type         TEXT    NOT NULL,
	content_type TEXT    NOT NULL,
	created      INTEGER NOT NULL, -- 100 ns since 1970-01-01
	data         BLOB    NOT NULL,
	metadata     BLOB    NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS event_stream ON event (stream, revision);
CREATE TABLE IF NOT EXISTS tombstone (stream TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = 1;
`

const columns = `position, stream, revision, id, type, content_type, created, data, metadata`

var (
	errFailed = errors.New("the event store stopped after a failed write; restart it and check the disk")
	errClosed = errors.New("the event store is closed")
)

// eventLog is the SQLite file, its single writer and the tail that live subscriptions read.
type eventLog struct {
	lock    *os.File
	writer  *sql.DB
	readers *sql.DB
	insert  *sql.Stmt
	headOf  *sql.Stmt // the last revision of a stream
	reads   struct{ last, stream, streamBack, all, allBack *sql.Stmt }

	queue  chan *appendRequest
	quit   chan struct{}
	done   chan struct{}
	failed atomic.Bool

	tail  *tail
	heads map[string]int64 // last revision per stream, a cache of the writer's

	company int // how many requests lately shared a commit; the writer's

	mu    sync.RWMutex
	meta  map[string]streamMeta // streams with metadata
	tombs map[string]bool       // tombstoned streams

	recent *recentIDs // for idempotent appends without an exact revision; the writer's
	now    func() time.Time
}

// openLog opens or creates dir/events.db and takes the exclusive lock on the folder.
func openLog(dir string) (*eventLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the event store's folder: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	l := &eventLog{
		lock:  lock,
		queue: make(chan *appendRequest, 4096),
		quit:  make(chan struct{}), done: make(chan struct{}),
		heads: map[string]int64{}, meta: map[string]streamMeta{}, tombs: map[string]bool{},
		recent: newRecentIDs(20_000),
		now:    time.Now,
	}
	if err := l.openFile(filepath.Join(dir, "events.db")); err != nil {
		l.closeFiles()
		return nil, err
	}
	go l.write()
	return l, nil
}

func (l *eventLog) openFile(path string) error {
	const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=cache_size(-32768)&_pragma=wal_autocheckpoint(16000)"
	var err error
	if l.writer, err = sql.Open("sqlite", "file:"+path+pragmas); err != nil {
		return err
	}
	l.writer.SetMaxOpenConns(1)
	if _, err := l.writer.Exec(schema); err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	if l.insert, err = l.writer.Prepare(`INSERT INTO event (` + columns + `) VALUES (?,?,?,?,?,?,?,?,?)`); err != nil {
		return err
	}
	if l.headOf, err = l.writer.Prepare(`SELECT coalesce(max(revision), -1) FROM event WHERE stream = ?`); err != nil {
		return err
	}
	if l.readers, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=cache_size(-2048)"); err != nil {
		return err
	}
	l.readers.SetMaxOpenConns(16)
	l.readers.SetMaxIdleConns(16)
	// ?+0: SQLite looks at the values of bare parameters when it plans, and so plans again for every new value.
	for stmt, text := range map[**sql.Stmt]string{
		&l.reads.last:       `SELECT coalesce(max(revision), -1) FROM event WHERE stream = ?`,
		&l.reads.stream:     `SELECT ` + columns + ` FROM event WHERE stream = ? AND revision BETWEEN ?+0 AND ?+0 ORDER BY revision LIMIT ?+0`,
		&l.reads.streamBack: `SELECT ` + columns + ` FROM event WHERE stream = ? AND revision BETWEEN ?+0 AND ?+0 ORDER BY revision DESC LIMIT ?+0`,
		&l.reads.all:        `SELECT ` + columns + ` FROM event WHERE position >= ?+0 ORDER BY position LIMIT ?+0`,
		&l.reads.allBack:    `SELECT ` + columns + ` FROM event WHERE position <= ?+0 ORDER BY position DESC LIMIT ?+0`,
	} {
		if *stmt, err = l.readers.Prepare(text); err != nil {
			return err
		}
	}
	return l.loadState()
}

// loadState reads what the writer keeps in memory: the head, tombstones and stream metadata.
func (l *eventLog) loadState() error {
	var head int64
	if err := l.writer.QueryRow(`SELECT coalesce(max(position), 0) FROM event`).Scan(&head); err != nil {
		return err
	}
	l.tail = newTail(head, 16_384)
	rows, err := l.writer.Query(`SELECT stream FROM tombstone`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		l.tombs[name] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	// Ordered by revision: the last metadata event of a stream wins. '%' follows '$', so this is the prefix "$$".
	metadata, err := l.writer.Prepare(`SELECT ` + columns + ` FROM event WHERE stream >= '$$' AND stream < '$%' ORDER BY stream, revision`)
	if err != nil {
		return err
	}
	defer func() { _ = metadata.Close() }()
	recs, err := query(metadata)
	if err != nil {
		return err
	}
	for _, r := range recs {
		l.meta[r.stream[2:]] = parseStreamMeta(r.data)
	}
	return nil
}

// close ends the writer after what is queued, and releases the folder.
func (l *eventLog) close() {
	close(l.quit)
	<-l.done
	l.tail.close()
	l.closeFiles()
}

func (l *eventLog) closeFiles() {
	if l.readers != nil {
		_ = l.readers.Close()
	}
	if l.writer != nil {
		_ = l.writer.Close()
	}
	_ = l.lock.Close()
}

// query returns the rows of one of this package's SELECTs over columns. It takes no context: a page is read in less time
// than it takes the driver to start watching one.
func query(stmt *sql.Stmt, args ...any) ([]*record, error) {
	rows, err := stmt.Query(args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var recs []*record
	for rows.Next() {
		r := new(record)
		var id []byte
		if err := rows.Scan(&r.position, &r.stream, &r.revision, &id, &r.typ, &r.contentType, &r.created, &r.data, &r.metadata); err != nil {
			return nil, err
		}
		copy(r.id[:], id)
		recs = append(recs, r)
	}
	return recs, rows.Err()
}
