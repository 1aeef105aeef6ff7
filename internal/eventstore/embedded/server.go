package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Version is the EventStoreDB version whose protocol is spoken. The client wants three plain numbers.
const Version = "23.10.0"

// maxAppendBytes is EventStoreDB's default limit for one append.
const maxAppendBytes = 1 << 20

// Server is an open event store and the gRPC server in front of it.
type Server struct {
	log     *eventLog
	grpc    *grpc.Server
	address net.Addr
	cancel  context.CancelFunc // ends open subscriptions
	served  chan struct{}
}

// Open opens or creates the event store in the folder dir and serves it. listen is "unix:PATH" (the socket is made
// with mode 0600) or a TCP "host:port". It fails with [ErrLocked] when another process has the folder open.
func Open(dir, listen string) (*Server, error) {
	log, err := openLog(dir)
	if err != nil {
		return nil, err
	}
	lis, err := listenOn(listen)
	if err != nil {
		log.close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{log: log, address: lis.Addr(), cancel: cancel, served: make(chan struct{})}
	s.grpc = grpc.NewServer(
		// Without this an idle subscription is cut after two client pings, 31 s after its start.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.ForceServerCodecV2(newCodec()),
		// Calls run on goroutines that stay: SQLite's frames are large, and growing a fresh stack for every call cost more
		// than some of the calls.
		grpc.NumStreamWorkers(64),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.MaxConcurrentStreams(100_000),
		grpc.ReadBufferSize(256<<10), grpc.WriteBufferSize(256<<10),
		grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(8<<20),
	)
	api.RegisterStreamsServer(s.grpc, &streamsServer{log: log, closing: ctx})
	serverfeatures.RegisterServerFeaturesServer(s.grpc, featuresServer{})
	gossip.RegisterGossipServer(s.grpc, gossipServer{address: lis.Addr(), id: uuid.New()})
	go func() {
		defer close(s.served)
		_ = s.grpc.Serve(lis)
	}()
	return s, nil
}

func listenOn(listen string) (net.Listener, error) {
	path, ok := strings.CutPrefix(listen, "unix:")
	if !ok {
		lis, err := net.Listen("tcp", listen)
		if err != nil {
			return nil, fmt.Errorf("listening for event store clients: %w", err)
		}
		return lis, nil
	}
	if len(path) > 107 {
		return nil, fmt.Errorf("the socket path %s is longer than the 107 bytes a unix socket may have", path)
	}
	// The folder's lock is ours, so a socket that is there was left by a process that died.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for event store clients: %w", err)
	}
	return lis, os.Chmod(path, 0o600)
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.address }

// Close ends open calls and subscriptions, waits for queued writes and releases the folder. It takes at most a few
// seconds: calls that do not end by themselves are cut.
func (s *Server) Close() {
	s.cancel()
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		s.grpc.Stop()
	}
	<-s.served
	s.log.close()
}

// featuresServer tells the client what it may call.
type featuresServer struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

func (featuresServer) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	out := &serverfeatures.SupportedMethods{EventStoreServerVersion: Version}
	for _, m := range []string{"read", "append", "delete", "tombstone"} {
		out.Methods = append(out.Methods, &serverfeatures.SupportedMethod{
			MethodName: m, ServiceName: "event_store.client.streams.streams",
		})
	}
	return out, nil
}

// gossipServer describes a cluster of one live leader.
type gossipServer struct {
	gossip.UnimplementedGossipServer
	address net.Addr
	id      uuid.UUID
}

func (g gossipServer) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	endpoint := &gossip.EndPoint{Address: g.address.String()}
	if host, port, err := net.SplitHostPort(g.address.String()); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16)
		endpoint = &gossip.EndPoint{Address: host, Port: uint32(n)}
	}
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId: toUUID(g.id), TimeStamp: ticks(time.Now()), State: gossip.MemberInfo_Leader, IsAlive: true, HttpEndPoint: endpoint,
	}}}, nil
}
