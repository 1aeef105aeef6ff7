package embedded

import (
	"context"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// source yields the records behind a cursor in order: of $all by position, of one stream by revision.
type source interface {
	// next returns records behind the cursor, or a channel that closes when there may be more. fromFile says that the
	// records are no longer in memory, that is: the subscriber is behind.
	next(ctx context.Context, cursor int64) (recs []*record, fromFile bool, wake <-chan struct{}, err error)
	cursor(*record) int64
}

// subscribe serves a catch-up subscription until the client or the server ends it. The start is exclusive.
// Confirmation comes first; CaughtUp when everything has been sent, again after FellBehind; with a filter a Checkpoint
// every window of considered records and once before CaughtUp.
func (r *reader) subscribe(closing context.Context) error {
	ctx, cancel := context.WithCancel(r.call.Context())
	defer cancel()
	defer context.AfterFunc(closing, cancel)()
	src, cursor, err := r.source(ctx)
	if err != nil {
		return err
	}
	if err := r.call.Send(&api.ReadResp{Content: &api.ReadResp_Confirmation{
		Confirmation: &api.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}}); err != nil {
		return err
	}
	live, considered := false, 0
	for {
		recs, fromFile, wake, err := src.next(ctx, cursor)
		switch {
		case closing.Err() != nil:
			return status.Error(codes.Unavailable, "the event store is closing")
		case err != nil:
			return status.FromContextError(err).Err()
		case fromFile && live:
			live = false
			if err := r.call.Send(&api.ReadResp{Content: &api.ReadResp_FellBehind_{FellBehind: &api.ReadResp_FellBehind{}}}); err != nil {
				return err
			}
		case len(recs) == 0 && !live:
			live = true
			if err := r.caughtUp(cursor); err != nil {
				return err
			}
		}
		for _, rec := range recs {
			cursor = src.cursor(rec)
			if r.filter.match(rec) {
				if err := r.send(rec); err != nil {
					return err
				}
			}
			if considered++; r.filter.checkpoint > 0 && considered%r.filter.checkpoint == 0 {
				if err := r.checkpoint(cursor); err != nil {
					return err
				}
			}
		}
		if wake == nil {
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

func (r *reader) caughtUp(cursor int64) error {
	if r.filter.checkpoint > 0 && cursor > 0 {
		if err := r.checkpoint(cursor); err != nil {
			return err
		}
	}
	return r.call.Send(&api.ReadResp{Content: &api.ReadResp_CaughtUp_{CaughtUp: &api.ReadResp_CaughtUp{}}})
}

func (r *reader) checkpoint(position int64) error {
	return r.call.Send(&api.ReadResp{Content: &api.ReadResp_Checkpoint_{Checkpoint: &api.ReadResp_Checkpoint{
		CommitPosition: uint64(position), PreparePosition: uint64(position),
	}}})
}

// source chooses what is subscribed to and where it starts.
func (r *reader) source(ctx context.Context) (source, int64, error) {
	if stream := r.opts.GetStream(); stream != nil {
		name := string(stream.GetStreamIdentifier().GetStreamName())
		src := streamSource{log: r.log, name: name}
		switch {
		case stream.GetEnd() != nil:
			last, err := r.log.lastRevision(name)
			return src, last, err
		case stream.GetStart() != nil:
			return src, -1, nil
		default:
			return src, int64(stream.GetRevision()), nil
		}
	}
	all := r.opts.GetAll()
	switch {
	case all.GetEnd() != nil:
		return allSource{r.log}, r.log.tail.head(), nil
	case all.GetPosition() != nil:
		return allSource{r.log}, int64(all.GetPosition().GetCommitPosition()), nil
	default:
		return allSource{r.log}, 0, nil
	}
}

type allSource struct{ log *eventLog }

func (s allSource) cursor(r *record) int64 { return r.position }

func (s allSource) next(ctx context.Context, cursor int64) ([]*record, bool, <-chan struct{}, error) {
	if recs, wake, ok := s.log.tail.after(cursor, pageSize); ok {
		if len(recs) > 0 {
			wake = nil
		}
		return recs, false, wake, ctx.Err()
	}
	recs, err := s.log.readAll(cursor+1, false, pageSize)
	return recs, true, nil, err
}

type streamSource struct {
	log  *eventLog
	name string
}

func (s streamSource) cursor(r *record) int64 { return r.revision }

func (s streamSource) next(ctx context.Context, cursor int64) ([]*record, bool, <-chan struct{}, error) {
	// The channel first, the read second: what is published in between wakes us once too often, never too seldom.
	_, wake, _ := s.log.tail.after(s.log.tail.head(), 0)
	meta, gone := s.log.streamMeta(s.name)
	last, err := s.log.lastRevision(s.name)
	if err != nil || gone {
		return nil, false, wake, err
	}
	recs, err := s.log.readStream(s.name, cursor+1, meta.firstRevision(last), last, false, pageSize)
	if len(recs) > 0 {
		wake = nil
	}
	return recs, false, wake, err
}
