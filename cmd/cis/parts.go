package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/history/backup"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/postgres"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/rundir"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/jackc/pgx/v5/pgxpool"

	"os"
)

// parts is what every subcommand that touches data opens. Beside a running server with the same CIS_DATA it finds that
// server's store and database through their sockets; alone it starts its own.
type parts struct {
	cfg     *Config
	tenant  string // that a command is about
	log     *slog.Logger
	keys    secret.Keys
	facts   *facts.Log
	store   *eventstore.Client
	logID   string
	place   string // the log, in this store: what positions belong to
	pool    *pgxpool.Pool
	private *postgres.Private
	own     bool // the embedded store is ours

	closers []func()
}

// handler carries out commands with the limits of this installation.
func (p *parts) handler() *commands.Handler { return commands.NewHandler(p.facts, p.cfg.Limits) }

// directory is the addresses of all tenants.
func (p *parts) directory(h *commands.Handler) *address.Directory {
	return address.NewDirectory(p.cfg.book(), h.Tenants)
}

func (p *parts) onClose(f func()) { p.closers = append(p.closers, f) }

// close releases everything, last opened first.
func (p *parts) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
	p.closers = nil
}

// openLog opens the log: store, vault and the check that they belong to this secret.
func openLog(ctx context.Context, cfg *Config, log *slog.Logger) (_ *parts, err error) {
	p := &parts{cfg: cfg, tenant: cfg.Tenant, log: log}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("CIS_DATA: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(cfg.Data, backup.Staged)); err == nil {
		return nil, fmt.Errorf("a restore into %s was interrupted: run `cis restore` again", cfg.Data)
	}
	if p.keys, err = cfg.keys(); err != nil {
		return nil, err
	}
	url := cfg.EventStore
	if url == "" {
		if url, err = p.embedded(); err != nil {
			return nil, err
		}
	}
	if p.store, err = eventstore.Dial(url, log); err != nil {
		return nil, err
	}
	p.onClose(p.store.Close)
	v, err := cfg.openVault(p.keys.Wrapping())
	if err != nil {
		return nil, err
	}
	p.onClose(func() { _ = v.Close() })
	p.facts = facts.NewLog(p.store, v)
	opening, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p.logID, p.place, err = p.facts.OpenLog(opening, p.keys.Fingerprint())
	return p, err
}

// embedded starts the embedded store, or finds the one that is running.
func (p *parts) embedded() (string, error) {
	socket, err := storeSocket(p.cfg.Data)
	if err != nil {
		return "", err
	}
	server, err := embedded.Open(filepath.Join(p.cfg.Data, "eventstore"), "unix:"+socket)
	switch {
	case err == nil:
		p.own = true
		p.onClose(server.Close)
	case !errors.Is(err, embedded.ErrLocked):
		return "", err
	}
	return "esdb+unix://" + socket, nil
}

// storeSocket is where a data folder's store is found: inside it, or in /tmp when that path is too long for a socket.
func storeSocket(data string) (string, error) {
	abs, err := filepath.Abs(filepath.Join(data, "eventstore", "esdb.sock"))
	if err != nil || len(abs) <= 100 {
		return abs, err
	}
	dir, err := rundir.Path(data, "es")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "esdb.sock"), rundir.Make(dir, os.Getuid(), os.Getgid())
}

// openDatabase opens the database as well.
func (p *parts) openDatabase(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	dsn := p.cfg.Database
	if dsn == "" {
		if p.private, err = postgres.StartPrivate(ctx, p.cfg.Data, p.log); err != nil {
			return err
		}
		p.onClose(p.private.Close)
		dsn = p.private.DSN
	}
	if p.pool, err = postgres.Open(ctx, dsn); err != nil {
		return err
	}
	p.onClose(func() { // Close waits for connections in use; what hangs in one must not keep the process from ending
		closed := make(chan struct{})
		go func() { p.pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(3 * time.Second):
		}
	})
	return projector.Setup(ctx, p.pool)
}

// withParts opens the log, and the database if asked, for one command.
func withParts(ctx context.Context, database bool, do func(context.Context, *parts) error) error {
	cfg, _, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	level := cfg.LogLevel
	if level == slog.LevelInfo {
		level = slog.LevelWarn // a command says what it was asked for
	}
	p, err := openLog(ctx, cfg, newLogger(os.Stderr, level))
	if err != nil {
		return err
	}
	defer p.close()
	if database {
		if err := p.openDatabase(ctx); err != nil {
			return err
		}
	}
	return do(ctx, p)
}
