package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/statistics"
)

// BenchmarkReads: GET statistics and attendees of an event with 100,000 of them. Ceiling: bare handlers that run the same
// tenant-guarded batch in the same process and write what they read.
func BenchmarkReads(b *testing.B) {
	const n = 60_000
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	large, small := benchEvent(b, s, ctx, "large"), benchEvent(b, s, ctx, "small")
	check(b, seedInvites(ctx, s, large, 100_000))
	check(b, seedInvites(ctx, s, small, 10))
	bare, server := bareServer(b, s), "http://"+s.app.HTTPAddr.String()
	b.ResetTimer()
	for _, c := range []struct {
		name, path string
		n          int
	}{{"statistics", "/statistics", n}, {"attendees", "/attendees", n / 6}} {
		// In turns, so that both see the same machine; the first of each warms up.
		var best, ceiling float64
		var p99 time.Duration
		for range 3 {
			c1, _ := hammer(b, ctx, c.n, bare+c.path+"/"+large, "")
			r1, p := hammer(b, ctx, c.n, server+"/event/"+large+c.path, s.key)
			if r1 > best {
				best, p99 = r1, p
			}
			ceiling = max(ceiling, c1)
		}
		few, _ := hammer(b, ctx, c.n, server+"/event/"+small+c.path, s.key)
		b.ReportMetric(best, c.name+"/s")
		b.ReportMetric(best/ceiling, c.name+"-ratio")
		b.ReportMetric(float64(p99.Microseconds())/1000, c.name+"-p99-ms")
		b.ReportMetric(best/few, c.name+"-large/small")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
	b.ReportMetric(0, "ns/op")
}

// bareServer answers with what the same queries find, behind the same wall, and with nothing else around them.
func bareServer(b *testing.B, s *stage) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	counters, people := projector.NewServing(s.app.pool, statistics.Projection()), projector.NewServing(s.app.pool, attendees.Projection(nil))
	answer := func(f func(r *http.Request, uid string) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r, path.Base(r.URL.Path))
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /statistics/{uid}", answer(func(r *http.Request, uid string) (any, error) {
		return projector.Collect[struct {
			Facet, Value string
			N            int64
		}](r.Context(), counters, tenant.Default, `SELECT facet, value, n FROM @.counter WHERE tenant = $1 AND scope = $2 AND subject = $3`, tenant.Default, "event", uid)
	}))
	mux.Handle("GET /attendees/{uid}", answer(func(r *http.Request, uid string) (any, error) {
		return projector.Collect[attendees.Attendee](r.Context(), people, tenant.Default, attendees.Selected+`ORDER BY a.position LIMIT $4`, tenant.Default, uid, "", 100)
	}))
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: mux}
	go func() { _ = server.Serve(lis) }()
	b.Cleanup(func() { _ = server.Close() })
	return "http://" + lis.Addr().String()
}

// BenchmarkLive: 500 clients listen while answers come in by mail. The figure is from handing the mail over to reading
// the message.
func BenchmarkLive(b *testing.B) {
	const clients, answers = 500, 200
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	uid := benchEvent(b, s, ctx, "live")
	check(b, seedInvites(ctx, s, uid, answers))
	ev, err := s.app.handler.FreshEvent(ctx, uid)
	check(b, err)
	before := heap()
	streams := make([]*stream, clients)
	for i := range streams {
		streams[i] = s.live(b, ctx, s.key, "?event="+uid+"&types=rsvp.received", "")
	}
	each := (heap() - before) / clients
	b.ResetTimer()
	var took []time.Duration
	for i := range answers {
		who := guest(i)
		reply := clientmail.GmailReply(clientmail.Reply{UID: uid, Attendee: who, Organizer: ev.ReplyTo, PartStat: "ACCEPTED", DTStamp: time.Now(), Start: ev.Content.Start.UTC})
		begin := time.Now()
		check(b, s.mail(who, ev.ReplyTo, reply))
		for _, st := range streams {
			if e := st.next(b, ctx); !strings.Contains(e.data, who) {
				b.Fatalf("%s", e.data)
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(each)/1024, "KiB/client")
	b.ReportMetric(0, "ns/op")
}

// heap is what is in use, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// hammer asks n times over 16 connections and returns requests per second and the 99th percentile.
func hammer(b *testing.B, ctx context.Context, n int, target, key string) (float64, time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var all []time.Duration
	u, err := url.Parse(target)
	check(b, err)
	request := []byte("GET " + u.Path + " HTTP/1.1\r\nHost: bench\r\nX-Api-Key: " + key + "\r\n\r\n")
	type conn struct {
		net.Conn
		r *bufio.Reader
	}
	begin := time.Now()
	check(b, parallel(16, 16, func() (conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		return conn{c, bufio.NewReader(c)}, err
	}, func(c conn, _ int) error {
		defer func() { _ = c.Close() }()
		took := make([]time.Duration, 0, n/16)
		for range n / 16 {
			t := time.Now()
			if _, err := c.Write(request); err != nil {
				return err
			}
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %d", target, resp.StatusCode)
			}
			took = append(took, time.Since(t))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
		return nil
	}))
	rate := float64(len(all)) / time.Since(begin).Seconds()
	slices.Sort(all)
	return rate, all[len(all)*99/100]
}
