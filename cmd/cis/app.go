package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/imappoll"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/notifier/webhooks"
	"github.com/calendar-invite-server/cis/projections"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// App is the running server.
type App struct {
	*parts
	NewKey   string // the admin key, if one was made at this start
	HTTPAddr net.Addr
	SMTPAddr net.Addr

	handler   *commands.Handler
	receiver  *inbox.Receiver
	runner    *projector.Runner
	worker    *inbox.Worker
	bulk      *bulk.Worker
	couriers  *notifier.Couriers
	notary    *proof.Notary
	feed      *cloudevent.Feed
	webhooks  *webhooks.Sender
	api       *httpapi.API
	router    *mux.Router
	transport notifier.Transport
	registry  *prometheus.Registry

	smtp      *smtpd.Server
	lmtp      *smtpd.Server    // nil: none
	imap      *imappoll.Poller // nil: none
	http      *http.Server
	smtpLis   net.Listener
	lmtpLis   net.Listener
	httpLis   net.Listener
	accepting atomic.Bool
	stop      context.CancelFunc
	running   sync.WaitGroup
	failed    chan error
}

// Start starts the server and returns when it listens; /readyz says when it has caught up. Close ends it.
func Start(ctx context.Context, cfg *Config, log *slog.Logger) (_ *App, err error) {
	p, err := openLog(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	a := &App{parts: p, registry: prometheus.NewRegistry(), failed: make(chan error, 8)}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if cfg.EventStore == "" && !p.own {
		return nil, fmt.Errorf("another cis is running with CIS_DATA=%s", cfg.Data)
	}
	if err := a.listen(); err != nil {
		return nil, err
	}
	if err := p.openDatabase(ctx); err != nil {
		return nil, err
	}
	if err := a.wire(); err != nil {
		return nil, err
	}
	a.run()
	return a, nil
}

// listen takes the addresses first, so that a mistake shows at once.
func (a *App) listen() (err error) {
	if a.httpLis, err = net.Listen("tcp", a.cfg.HTTP); err != nil {
		return fmt.Errorf("CIS_HTTP: %w", err)
	}
	if a.smtpLis, err = net.Listen("tcp", a.cfg.SMTP); err != nil {
		return fmt.Errorf("CIS_SMTP: %w", err)
	}
	if a.cfg.LMTP != "" {
		network, addr := "tcp", a.cfg.LMTP
		if path, ok := strings.CutPrefix(a.cfg.LMTP, "unix:"); ok {
			network, addr = "unix", path
			if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
				_ = os.Remove(path) // of a process that was killed; a live one is noticed by its data folder
			}
		}
		if a.lmtpLis, err = net.Listen(network, addr); err != nil {
			return fmt.Errorf("CIS_LMTP: %w", err)
		}
	}
	a.HTTPAddr, a.SMTPAddr = a.httpLis.Addr(), a.smtpLis.Addr()
	return nil
}

// wire puts the pieces together.
func (a *App) wire() (err error) {
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.handler = a.parts.handler()
	book := a.directory(a.handler)
	a.receiver = inbox.NewReceiver(a.facts, a.keys, book)
	if a.cfg.Relay != "" {
		a.transport, err = notifier.NewRelay(a.cfg.Relay, a.cfg.Domain)
	} else {
		a.transport, err = notifier.NewOutbox(a.outbox())
	}
	if err != nil {
		return fmt.Errorf("CIS_RELAY: %w", err)
	}
	a.onClose(a.transport.Close)
	composer := a.cfg.composer(book, a.publicURL())
	var todo, table, ledger projector.Projection
	a.worker, todo = inbox.NewWorker(inbox.WorkerOptions{
		Pool: a.pool, Receiver: a.receiver, Handler: a.handler, Keys: itip.Interpreter{Keys: a.keys, Addresses: book},
		Auth: a.cfg.checker(), Relays: a.cfg.Proxies, Log: a.log, Registry: a.registry, Alone: a.own,
		Operator: a.cfg.Operator != "",
	})
	a.bulk, table = bulk.NewWorker(bulk.Options{Pool: a.pool, Handler: a.handler, Keys: a.keys, Mails: a.facts, Log: a.log, Registry: a.registry, Alone: a.own})
	a.couriers, ledger = notifier.NewCouriers(notifier.Options{
		Pool: a.pool, Handler: a.handler, Keys: a.keys, Addresses: book, Transport: a.transport, Composer: composer, Mails: a.facts,
		Log: a.log, Registry: a.registry, Alone: a.own, Numbers: newNumbers(a.parts), Operator: a.cfg.Operator,
		Window: time.Duration(a.cfg.Window) * time.Second, Rates: a.cfg.Rates, Reminders: a.cfg.Reminders,
	})
	a.feed = cloudevent.NewFeed(a.facts, a.publicURL(), a.log)
	var hooks projector.Projection
	a.webhooks, hooks = webhooks.New(webhooks.Options{
		Pool: a.pool, Handler: a.handler, Feed: a.feed, Private: a.cfg.PrivateHooks, Log: a.log, Registry: a.registry, List: a.endpoints,
		Leading: func() bool { return a.runner.Leads("webhooks") }, Pauses: a.cfg.HookPauses,
	})
	a.runner = projector.New(a.pool, a.store, a.place, a.log, slices.Concat(projections.All(a.facts), []projector.Projection{todo, table, ledger, hooks}, a.cfg.own)...)
	a.registry.MustRegister(a.runner.Collector())
	if a.notary, err = a.parts.notary(); err != nil {
		return err
	}
	a.notary.Measure(a.registry)
	if a.cfg.CheckpointURL != "" {
		a.notary.Publish = append(a.notary.Publish, proof.Post(a.cfg.CheckpointURL))
	}
	if a.cfg.CheckpointMail != "" {
		a.notary.Publish = append(a.notary.Publish, a.cfg.mailCheckpoint(a.transport))
	}
	if err := a.doors(book); err != nil {
		return err
	}
	routes, err := a.routes(book)
	if err != nil {
		return err
	}
	a.http = &http.Server{
		Handler: routes, TLSConfig: a.cfg.tls, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// doors makes what mail comes in through.
func (a *App) doors(book *address.Directory) (err error) {
	opts := smtpd.Options{Domain: a.cfg.Domain, Book: book, Receiver: a.receiver, TLS: a.cfg.tls, Log: a.log, Registry: a.registry}
	a.smtp = smtpd.New(opts)
	if a.lmtpLis != nil {
		opts.LMTP = true
		a.lmtp = smtpd.New(opts)
	}
	if a.cfg.IMAP != "" {
		a.imap, err = imappoll.New(imappoll.Options{URL: a.cfg.IMAP, Book: book, Receiver: a.receiver, Log: a.log, MaxBytes: smtpd.MaxBytes})
	}
	return err
}

// run starts everything that works in the background.
func (a *App) run() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	background := func(what string, f func(context.Context) error) {
		a.running.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				a.failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	background("projections", a.runner.Run)
	background("inbox", a.worker.Run)
	background("bulk", a.bulk.Run)
	background("couriers", a.couriers.Run)
	if a.cfg.CheckpointMinutes > 0 {
		background("proof", a.notary.Run)
	}
	background("live updates", a.feed.Run)
	background("webhooks", a.webhooks.Run)
	if a.private != nil {
		background("postgres", func(ctx context.Context) error { a.private.Watch(ctx); return nil })
	}
	background("smtp", func(context.Context) error {
		a.accepting.Store(true)
		return a.smtp.Serve(a.smtpLis)
	})
	if a.lmtp != nil {
		background("lmtp", func(context.Context) error { return a.lmtp.Serve(a.lmtpLis) })
	}
	if a.imap != nil {
		background("imap", a.imap.Run)
	}
	background("http", func(context.Context) error {
		var err error
		if a.cfg.tls != nil {
			err = a.http.ServeTLS(a.httpLis, "", "")
		} else {
			err = a.http.Serve(a.httpLis)
		}
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		return err
	})
}

// missing says what readiness waits for.
func (a *App) missing() []string {
	var out []string
	if !a.accepting.Load() {
		out = append(out, "mail is not accepted yet")
	}
	for _, s := range a.runner.Status() {
		switch {
		case s.Public: // an analyst's own: nobody else waits for it
		case s.Stopped != "":
			out = append(out, "projection "+s.Name+" stands still; see the log")
		case !s.CaughtUp && s.Leading:
			out = append(out, "projection "+s.Name+" is catching up")
		case !s.Leading:
			out = append(out, "projection "+s.Name+" has no leader here yet")
		}
	}
	return out
}

// Close ends the server: doors first, then what is under way, then the stores. It takes less than 20 seconds.
func (a *App) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	a.accepting.Store(false)
	for _, s := range []*smtpd.Server{a.smtp, a.lmtp} {
		if s != nil {
			s.Shutdown(ctx)
		}
	}
	if a.http != nil {
		if err := a.http.Shutdown(ctx); err != nil {
			_ = a.http.Close()
		}
	}
	for _, l := range []net.Listener{a.smtpLis, a.lmtpLis, a.httpLis} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.stop != nil {
		a.stop()
		done := make(chan struct{})
		go func() { a.running.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(6 * time.Second):
			a.log.Warn("some work did not end in time; it goes on at the next start")
		}
	}
	a.close()
}

// Failed delivers the error of a part that cannot go on.
func (a *App) Failed() <-chan error { return a.failed }

// publicURL is the base of links. Where CIS_HTTP left the port to the system, it is known only now.
func (a *App) publicURL() string {
	return strings.Replace(a.cfg.PublicURL, "://"+a.cfg.HTTP, "://"+a.HTTPAddr.String(), 1)
}

func (a *App) landing() string {
	if a.cfg.Landing == a.cfg.PublicURL+"/thanks" {
		return a.publicURL() + "/thanks"
	}
	return a.cfg.Landing
}

// keyHash is how keys are compared and stored.
func keyHash(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }
