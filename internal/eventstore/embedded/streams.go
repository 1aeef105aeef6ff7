package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// streamsServer is the protocol's Streams service over the log.
type streamsServer struct {
	api.UnimplementedStreamsServer
	log     *eventLog
	closing context.Context // ends when the server closes
}

// Append stores a client's events atomically at the expected revision.
func (s *streamsServer) Append(call api.Streams_AppendServer) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	opts := first.GetOptions()
	if opts == nil {
		return status.Error(codes.InvalidArgument, "an append starts with its options")
	}
	req := &appendRequest{stream: string(opts.GetStreamIdentifier().GetStreamName())}
	switch v := opts.ExpectedStreamRevision.(type) {
	case *api.AppendReq_Options_Revision:
		if req.expected, err = exactRevision(v.Revision); err != nil {
			return err
		}
	case *api.AppendReq_Options_NoStream:
		req.expected = expectNoStream
	case *api.AppendReq_Options_StreamExists:
		req.expected = expectExists
	default:
		req.expected = expectAny
	}
	if req.events, err = proposals(call); err != nil {
		return err
	}
	res, err := s.submit(call.Context(), req, func(md metadata.MD) { call.SetTrailer(md) })
	if err != nil {
		return err
	}
	if res.wrong {
		return call.SendAndClose(&api.AppendResp{Result: &api.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrongVersion(opts, res.current)}})
	}
	success := &api.AppendResp_Success{
		CurrentRevisionOption: &api.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(max(res.current, 0))},
		PositionOption:        &api.AppendResp_Success_Position{Position: &api.AppendResp_Position{CommitPosition: uint64(res.position), PreparePosition: uint64(res.position)}},
	}
	return call.SendAndClose(&api.AppendResp{Result: &api.AppendResp_Success_{Success: success}})
}

// proposals reads the events of an append up to the size limit.
func proposals(call api.Streams_AppendServer) ([]proposal, error) {
	var out []proposal
	size := 0
	for {
		msg, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		m := msg.GetProposedMessage()
		if m == nil {
			return nil, status.Error(codes.InvalidArgument, "a proposed message was expected")
		}
		if size += len(m.Data) + len(m.CustomMetadata); size > maxAppendBytes {
			call.SetTrailer(metadata.Pairs("exception", "maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(maxAppendBytes)))
			return nil, status.Errorf(codes.InvalidArgument, "Maximum Append Size of %d Exceeded.", maxAppendBytes)
		}
		id, err := fromUUID(m.Id)
		if err != nil {
			return nil, err
		}
		out = append(out, proposal{id: id, typ: m.Metadata["type"], contentType: m.Metadata["content-type"], data: m.Data, metadata: m.CustomMetadata})
	}
}

// Delete hides what a stream holds; new events continue its revisions.
func (s *streamsServer) Delete(ctx context.Context, in *api.DeleteReq) (*api.DeleteResp, error) {
	opts := in.GetOptions()
	req := &appendRequest{kind: appendDelete, stream: string(opts.GetStreamIdentifier().GetStreamName()), expected: expectAny}
	switch v := opts.ExpectedStreamRevision.(type) {
	case *api.DeleteReq_Options_Revision:
		req.expected = expectation(v.Revision)
	case *api.DeleteReq_Options_NoStream:
		req.expected = expectNoStream
	case *api.DeleteReq_Options_StreamExists:
		req.expected = expectExists
	}
	position, err := s.remove(ctx, req)
	if err != nil {
		return nil, err
	}
	return &api.DeleteResp{PositionOption: &api.DeleteResp_Position_{Position: &api.DeleteResp_Position{CommitPosition: position, PreparePosition: position}}}, nil
}

// Tombstone ends a stream for good.
func (s *streamsServer) Tombstone(ctx context.Context, in *api.TombstoneReq) (*api.TombstoneResp, error) {
	opts := in.GetOptions()
	req := &appendRequest{kind: appendTombstone, stream: string(opts.GetStreamIdentifier().GetStreamName()), expected: expectAny}
	switch v := opts.ExpectedStreamRevision.(type) {
	case *api.TombstoneReq_Options_Revision:
		req.expected = expectation(v.Revision)
	case *api.TombstoneReq_Options_NoStream:
		req.expected = expectNoStream
	case *api.TombstoneReq_Options_StreamExists:
		req.expected = expectExists
	}
	position, err := s.remove(ctx, req)
	if err != nil {
		return nil, err
	}
	return &api.TombstoneResp{PositionOption: &api.TombstoneResp_Position_{Position: &api.TombstoneResp_Position{CommitPosition: position, PreparePosition: position}}}, nil
}

// remove runs a delete or tombstone. The client always wants a position back.
func (s *streamsServer) remove(ctx context.Context, req *appendRequest) (uint64, error) {
	trailer := func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }
	res, err := s.submit(ctx, req, trailer)
	if err != nil {
		return 0, err
	}
	if res.wrong {
		trailer(metadata.Pairs("exception", "wrong-expected-version", "stream-name", req.stream,
			"expected-version", strconv.FormatInt(int64(req.expected), 10), "actual-version", strconv.FormatInt(res.current, 10)))
		return 0, status.Errorf(codes.FailedPrecondition, "wrong expected version: stream %s is at %d", req.stream, res.current)
	}
	return uint64(max(res.position, 1)), nil
}

// submit runs a write and turns its failures into the protocol's.
func (s *streamsServer) submit(ctx context.Context, req *appendRequest, trailer func(metadata.MD)) (appendResult, error) {
	if req.stream == "" {
		return appendResult{}, status.Error(codes.InvalidArgument, "a stream needs a name")
	}
	res, err := s.log.submit(ctx, req)
	switch {
	case errors.Is(err, errClosed), errors.Is(err, errFailed):
		return res, status.Error(codes.Unavailable, err.Error())
	case err != nil:
		return res, status.FromContextError(err).Err()
	case res.gone:
		trailer(streamDeleted(req.stream))
		return res, status.Errorf(codes.FailedPrecondition, "Event stream '%s' is deleted.", req.stream)
	}
	return res, nil
}

func streamDeleted(stream string) metadata.MD {
	return metadata.Pairs("exception", "stream-deleted", "stream-name", stream)
}

func exactRevision(rev uint64) (expectation, error) {
	if rev > math.MaxInt64 {
		return 0, status.Error(codes.InvalidArgument, "the expected revision is out of range")
	}
	return expectation(rev), nil
}

// wrongVersion repeats the caller's expectation beside what the stream is at.
func wrongVersion(opts *api.AppendReq_Options, current int64) *api.AppendResp_WrongExpectedVersion {
	out := &api.AppendResp_WrongExpectedVersion{}
	if current < 0 {
		out.CurrentRevisionOption = &api.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	} else {
		out.CurrentRevisionOption = &api.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(current)}
	}
	switch v := opts.ExpectedStreamRevision.(type) {
	case *api.AppendReq_Options_Revision:
		out.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: v.Revision}
	case *api.AppendReq_Options_NoStream:
		out.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	case *api.AppendReq_Options_StreamExists:
		out.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
	default:
		out.ExpectedRevisionOption = &api.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	}
	return out
}

func fromUUID(in *shared.UUID) (uuid.UUID, error) {
	if s := in.GetStructured(); s != nil {
		var id uuid.UUID
		binary.BigEndian.PutUint64(id[:8], uint64(s.MostSignificantBits))
		binary.BigEndian.PutUint64(id[8:], uint64(s.LeastSignificantBits))
		return id, nil
	}
	id, err := uuid.Parse(in.GetString_())
	if err != nil {
		return id, status.Error(codes.InvalidArgument, "an event needs an id")
	}
	return id, nil
}

func toUUID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}
