package embedded

import (
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pageSize is how many records one query reads from the file.
const pageSize = 1024

// Read answers counted reads and subscriptions, of one stream or of $all.
func (s *streamsServer) Read(in *api.ReadReq, call api.Streams_ReadServer) error {
	opts := in.GetOptions()
	filter, err := newFilter(opts)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	r := &reader{log: s.log, call: call, opts: opts, filter: filter}
	_, r.textID = opts.GetUuidOption().GetContent().(*api.ReadReq_Options_UUIDOption_String_)
	if opts.GetSubscription() != nil {
		return r.subscribe(s.closing)
	}
	if name := opts.GetStream(); name != nil {
		return r.readStream(string(name.GetStreamIdentifier().GetStreamName()))
	}
	return r.readAll()
}

// reader serves one Read call.
type reader struct {
	log    *eventLog
	call   api.Streams_ReadServer
	opts   *api.ReadReq_Options
	filter filter
	textID bool
}

func (r *reader) backwards() bool { return r.opts.GetReadDirection() == api.ReadReq_Options_Backwards }

func (r *reader) send(rec *record) error { return r.call.SendMsg(encoded(encodeEvent(rec, r.textID))) }

// readStream sends up to count events, from the given revision on inclusively. A counted read may send nothing but
// events or StreamNotFound: the client panics at anything else.
func (r *reader) readStream(name string) error {
	meta, gone := r.log.streamMeta(name)
	if gone {
		r.call.SetTrailer(streamDeleted(name))
		return status.Errorf(codes.FailedPrecondition, "Event stream '%s' is deleted.", name)
	}
	w := window{low: meta.firstRevision(-1), high: math.MaxInt64 - 1}
	if w.from = r.streamStart(); r.backwards() {
		w.high = w.from
	} else {
		w.from = max(w.from, w.low)
	}
	if meta.MaxCount != nil { // only then does what may be seen depend on where the stream ends
		last, err := r.log.lastRevision(name)
		if err != nil {
			return status.FromContextError(err).Err()
		}
		w.low = meta.firstRevision(last)
		w.from = max(w.from, w.low)
	}
	if !meta.deleted() {
		found, err := r.sendStream(name, w, meta.oldest(r.log.now()))
		if found || err != nil {
			return err
		}
	}
	everywhere := !r.backwards() && w.from == 0 && r.opts.GetCount() > 0
	if !meta.deleted() && !everywhere { // the stream may exist without anything where the reader looked
		last, err := r.log.lastRevision(name)
		if err != nil {
			return status.FromContextError(err).Err()
		}
		if last >= 0 {
			return nil
		}
	}
	return r.call.Send(&api.ReadResp{Content: &api.ReadResp_StreamNotFound_{StreamNotFound: &api.ReadResp_StreamNotFound{
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(name)},
	}}})
}

// window is what of a stream a reader may see, and where it starts.
type window struct{ from, low, high int64 }

// sendStream sends what is in the window; found says that there was anything, visible or too old.
func (r *reader) sendStream(name string, w window, oldest int64) (found bool, err error) {
	for left := r.opts.GetCount(); left > 0; {
		recs, err := r.log.readStream(name, w.from, w.low, w.high, r.backwards(), int(min(left, pageSize)))
		if err != nil {
			return found, status.FromContextError(err).Err()
		}
		found = found || len(recs) > 0
		for _, rec := range recs {
			if rec.created < oldest {
				continue
			}
			if err := r.send(rec); err != nil {
				return found, err
			}
			left--
		}
		if len(recs) < pageSize {
			return found, nil
		}
		w.from = recs[len(recs)-1].revision + 1
		if r.backwards() {
			w.from -= 2
		}
	}
	return found, nil
}

// streamStart is the revision a read starts at; the end is behind any revision there can be.
func (r *reader) streamStart() int64 {
	stream := r.opts.GetStream()
	switch {
	case stream.GetEnd() != nil:
		return math.MaxInt64 - 1
	case stream.GetStart() != nil:
		return 0
	default:
		return int64(min(stream.GetRevision(), math.MaxInt64-1))
	}
}

// readAll sends up to count events of $all: forwards from a position inclusively, backwards exclusively.
func (r *reader) readAll() error {
	all := r.opts.GetAll()
	var next int64 // the first candidate position
	switch {
	case all.GetEnd() != nil && r.backwards():
		next = r.log.tail.head()
	case all.GetEnd() != nil:
		next = r.log.tail.head() + 1
	case all.GetStart() != nil && r.backwards():
		return nil
	case all.GetPosition() != nil:
		next = int64(min(all.GetPosition().GetCommitPosition(), math.MaxInt64))
		if r.backwards() {
			next--
		}
	}
	for left := r.opts.GetCount(); left > 0; {
		recs, err := r.log.readAll(next, r.backwards(), int(min(left, pageSize)))
		if err != nil {
			return status.FromContextError(err).Err()
		}
		for _, rec := range recs {
			if !r.filter.match(rec) {
				continue
			}
			if err := r.send(rec); err != nil {
				return err
			}
			left--
		}
		if len(recs) == 0 {
			return nil
		}
		next = recs[len(recs)-1].position + 1
		if r.backwards() {
			next -= 2
		}
	}
	return nil
}

// streamMeta returns a stream's metadata, and whether the stream was tombstoned.
func (l *eventLog) streamMeta(name string) (streamMeta, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.meta[name], l.tombs[name]
}

// lastRevision is a stream's last revision, -1 if it has none.
func (l *eventLog) lastRevision(name string) (last int64, err error) {
	err = l.reads.last.QueryRow(name).Scan(&last)
	return last, err
}

// readStream returns up to n records of a stream from a revision on, within [low, high].
func (l *eventLog) readStream(name string, from, low, high int64, backwards bool, n int) ([]*record, error) {
	if backwards {
		return query(l.reads.streamBack, name, low, min(from, high), n)
	}
	return query(l.reads.stream, name, max(from, low), high, n)
}

// readAll returns up to n records from a position on, inclusively.
func (l *eventLog) readAll(from int64, backwards bool, n int) ([]*record, error) {
	if backwards {
		return query(l.reads.allBack, from, n)
	}
	return query(l.reads.all, from, n)
}
