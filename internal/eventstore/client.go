package eventstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	maxCalls    = 512              // calls in flight; more wait
	callTimeout = 15 * time.Second // of one attempt; the whole call ends with its context
	readPage    = 4096             // records per read call
	idleTimeout = 5 * time.Second  // after which a goroutine without calls ends
)

// Client appends to and reads from the log. It is safe for concurrent use.
type Client struct {
	db    *esdb.Client
	log   *slog.Logger
	calls chan struct{}
	idle  chan func() // goroutines that wait for a call
	wg    sync.WaitGroup
}

// ParseURL reads a connection string: EventStoreDB's own (esdb://…, esdb+discover://…), or esdb+unix:///path/to/socket
// for the embedded store.
func ParseURL(url string) (*esdb.Configuration, error) {
	path, unix := strings.CutPrefix(url, "esdb+unix://")
	if unix {
		url = "esdb://localhost?tls=false"
	}
	conf, err := esdb.ParseConnectionString(url)
	if err != nil {
		return nil, fmt.Errorf("eventstore: connection string: %w", err)
	}
	if unix {
		conf.Address = "unix://" + path
		conf.DisableTLS = true
	}
	// After its last attempt the client would refuse every later call for good; ten attempts are one second.
	conf.MaxDiscoverAttempts = math.MaxInt32
	conf.DiscoveryInterval = 250
	return conf, nil
}

// Dial makes a client. It does not connect yet: the first call does, and waits for a server that is still starting.
func Dial(url string, log *slog.Logger) (*Client, error) {
	conf, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	conf.Logger = func(level esdb.LogLevel, format string, args ...any) {
		log.Debug("eventstore client", "message", fmt.Sprintf(format, args...))
	}
	db, err := esdb.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	return &Client{db: db, log: log, calls: make(chan struct{}, maxCalls), idle: make(chan func())}, nil
}

// Close releases the connection once calls in flight have ended, at most two seconds later: closing the client library
// under a call panics, so a call that hangs in it (the server is away) keeps it open until the process ends.
func (c *Client) Close() {
	idle := make(chan struct{})
	go func() { c.wg.Wait(); close(idle) }()
	select {
	case <-idle:
		_ = c.db.Close()
	case <-time.After(2 * time.Second):
		c.log.Warn("eventstore: calls still in flight at close; leaving the connection to the end of the process")
	}
}

// Append stores records atomically if the stream is at the expected revision, and fails with [ErrWrongRevision] if not,
// unless these very records stand there already. It repeats attempts with an unknown outcome until ctx ends.
func (c *Client) Append(ctx context.Context, stream string, expected Revision, records ...Proposed) (Appended, error) {
	size := 0
	data := make([]esdb.EventData, len(records))
	for i, r := range records {
		size += len(r.Data) + len(r.Metadata)
		data[i] = esdb.EventData{EventID: r.ID, EventType: r.Type, ContentType: esdb.ContentTypeJson, Data: r.Data, Metadata: r.Metadata}
		if !r.Created.IsZero() {
			kept, err := keepCreated(r.Metadata, r.Created)
			if err != nil {
				return Appended{}, err
			}
			data[i].Metadata = kept
		}
		if r.Binary {
			data[i].ContentType = esdb.ContentTypeBinary
		}
		if r.ID == uuid.Nil {
			return Appended{}, errors.New("eventstore: a record needs an id")
		}
	}
	if size > MaxAppendBytes { // the server would cut the call, which the client reports as "EOF"
		return Appended{}, fmt.Errorf("%w: %d bytes to %s", ErrTooLarge, size, stream)
	}
	var opts esdb.AppendToStreamOptions
	switch expected {
	case Any:
		opts.ExpectedRevision = esdb.Any{}
	case NoStream:
		opts.ExpectedRevision = esdb.NoStream{}
	default:
		opts.ExpectedRevision = esdb.Revision(uint64(expected))
	}
	return call(ctx, c, "append to "+stream, func(ctx context.Context) (Appended, error) {
		res, err := c.db.AppendToStream(ctx, stream, opts, data...)
		if err != nil {
			return Appended{}, err
		}
		return Appended{Revision: res.NextExpectedVersion, Position: res.CommitPosition}, nil
	})
}

// ReadStream returns a stream's records from a revision on, in order. It fails with [ErrStreamNotFound].
func (c *Client) ReadStream(ctx context.Context, stream string, from uint64) ([]Recorded, error) {
	var all []Recorded
	for {
		page, err := call(ctx, c, "read "+stream, func(ctx context.Context) ([]Recorded, error) {
			rs, err := c.db.ReadStream(ctx, stream, esdb.ReadStreamOptions{From: esdb.Revision(from)}, readPage)
			return collect(rs, err)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < readPage {
			return all, nil
		}
		from = page[len(page)-1].Revision + 1
	}
}

// ReadLast returns a stream's last record. It fails with [ErrStreamNotFound].
func (c *Client) ReadLast(ctx context.Context, stream string) (Recorded, error) {
	list, err := call(ctx, c, "read "+stream, func(ctx context.Context) ([]Recorded, error) {
		rs, err := c.db.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
		return collect(rs, err)
	})
	if err == nil && len(list) == 0 {
		err = ErrStreamNotFound
	}
	if err != nil {
		return Recorded{}, err
	}
	return list[0], nil
}

// ReadAll returns up to n records of the whole log at and behind a position, system records included.
func (c *Client) ReadAll(ctx context.Context, from uint64, n int) ([]Recorded, error) {
	return call(ctx, c, "read $all", func(ctx context.Context) ([]Recorded, error) {
		rs, err := c.db.ReadAll(ctx, esdb.ReadAllOptions{From: esdb.Position{Commit: from, Prepare: from}}, uint64(n))
		return collect(rs, err)
	})
}

// Head returns the position of the newest record, 0 for an empty log.
func (c *Client) Head(ctx context.Context) (uint64, error) {
	recs, err := call(ctx, c, "read the head", func(ctx context.Context) ([]Recorded, error) {
		rs, err := c.db.ReadAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
		return collect(rs, err)
	})
	if err != nil || len(recs) == 0 {
		return 0, err
	}
	return recs[0].Position, nil
}

func collect(rs *esdb.ReadStream, err error) ([]Recorded, error) {
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var out []Recorded
	for {
		ev, err := rs.Recv() // a missing stream shows only here
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, recorded(ev))
	}
}

func recorded(ev *esdb.ResolvedEvent) Recorded {
	e := ev.OriginalEvent()
	r := Recorded{
		ID: e.EventID, Stream: e.StreamID, Revision: e.EventNumber, Position: e.Position.Commit, Type: e.EventType,
		Created: e.CreatedDate, Data: e.Data, Metadata: e.UserMetadata, Binary: e.ContentType == "application/octet-stream",
	}
	if rest, at, moved := created(e.UserMetadata); moved {
		r.Metadata, r.Created = rest, at
	}
	return r
}

// call runs f until it succeeds, fails for good, or ctx ends. Attempts that fail because the server is away are
// repeated with a growing pause.
func call[T any](ctx context.Context, c *Client, what string, f func(context.Context) (T, error)) (T, error) {
	pause := 20 * time.Millisecond
	for {
		v, err := attempt(ctx, c, f)
		if err == nil {
			return v, nil
		}
		if err = classify(err); !errors.Is(err, ErrUnavailable) {
			return v, fmt.Errorf("%s: %w", what, err)
		}
		c.log.Debug("eventstore: repeating", "call", what, "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-ctx.Done():
			return v, fmt.Errorf("%s: %w (%w)", what, err, context.Cause(ctx))
		}
	}
}

// attempt runs f once beside a watch on ctx: with the server down the client library waits without looking at it.
func attempt[T any](ctx context.Context, c *Client, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var zero T
	select {
	case c.calls <- struct{}{}:
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	done := make(chan result, 1)
	c.wg.Add(1)
	c.spawn(func() {
		defer func() { cancel(); <-c.calls; c.wg.Done() }()
		v, err := f(ctx)
		done <- result{v, err}
	})
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// spawn runs f on a goroutine that has run calls before, if one is idle: its stack has grown to what a call needs.
func (c *Client) spawn(f func()) {
	select {
	case c.idle <- f:
		return
	default:
	}
	go func() {
		for {
			f()
			select {
			case f = <-c.idle:
			case <-time.After(idleTimeout):
				return
			}
		}
	}()
}

// classify turns the client library's errors into this package's. What is not known to be final counts as
// unavailable, because repeating is safe. esdb.FromError does not look into wrapped errors, so errors.As does.
func classify(err error) error {
	var es *esdb.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !errors.As(err, &es):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch es.Code() {
	case esdb.ErrorCodeWrongExpectedVersion:
		return fmt.Errorf("%w: %w", ErrWrongRevision, es.Err())
	case esdb.ErrorCodeResourceNotFound, esdb.ErrorCodeStreamDeleted:
		return ErrStreamNotFound
	case esdb.ErrorCodeUnauthenticated, esdb.ErrorCodeAccessDenied, esdb.ErrorCodeUnsupportedFeature, esdb.ErrorCodeParsing:
		return es
	}
	if code := status.Code(es.Err()); code == codes.InvalidArgument || code == codes.FailedPrecondition {
		return es
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, es)
}
