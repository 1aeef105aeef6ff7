package postgres

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/calendar-invite-server/cis/internal/rundir"
	"github.com/jackc/pgx/v5"
)

// ErrNoBinaries says that PostgreSQL is not installed here.
var ErrNoBinaries = errors.New("PostgreSQL's server binaries were not found: run `make deps` (Debian: postgresql), or set DATABASE_URL")

// settings of a private server. Nothing in it is the only copy, so a commit need not wait for the disk: after a crash
// the newest rows and the checkpoint that belongs to them are gone together and are read from the log again. What must
// not be forgotten (a courier's claim) asks for synchronous_commit itself. Segments of the write-ahead log are not used
// again, and errors are logged without the rows they are about: what was erased must be in neither.
var settings = []string{
	"listen_addresses=", "max_connections=100", "shared_buffers=256MB", "synchronous_commit=off", "wal_level=minimal",
	"max_wal_senders=0", "max_wal_size=2GB", "checkpoint_timeout=15min", "jit=off", "log_min_messages=warning",
	"random_page_cost=1.1", "autovacuum_naptime=10s", "log_checkpoints=off",
	"wal_recycle=off", "log_error_verbosity=terse",
}

// Private is a PostgreSQL server of our own over a unix socket.
type Private struct {
	DSN string

	data string

	bin       string // folder of the binaries
	dir       string // the cluster
	run       string // the socket's folder
	uid       int
	gid       int
	root      bool // we are root, the server is not
	log       *slog.Logger
	startLock string    // held while the server is being started or ended
	use       *os.File  // shared lock while this process uses the cluster
	cmd       *exec.Cmd // nil if the server was running already
}

// StartPrivate starts the private server of a data folder, or joins the one that is running.
func StartPrivate(ctx context.Context, data string, log *slog.Logger) (*Private, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	p := &Private{data: data, uid: os.Getuid(), gid: os.Getgid(), log: log}
	if err := p.chooseUser(); err != nil {
		return nil, err
	}
	p.startLock = filepath.Join(data, "postgres.start.lock")
	starting, err := flock(p.startLock, syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer func() { _ = starting.Close() }()
	if err := p.chooseFolders(data); err != nil {
		return nil, err
	}
	if p.use, err = flock(filepath.Join(data, "postgres.use.lock"), syscall.LOCK_SH); err != nil {
		return nil, err
	}
	if err := p.start(ctx); err != nil {
		_ = p.use.Close()
		return nil, err
	}
	return p, nil
}

// Dir is the cluster's folder: inside the data folder, or under /var/lib/cis where the server's user cannot get there.
func (p *Private) Dir() string { return p.dir }

// Remove deletes the cluster of a data folder that is thrown away, wherever it is. The server must have ended.
func (p *Private) Remove() error {
	if filepath.Dir(p.dir) != p.data {
		return os.RemoveAll(filepath.Dir(p.dir))
	}
	return os.RemoveAll(p.dir)
}

// chooseUser picks whom the server runs as: PostgreSQL refuses to run as root.
func (p *Private) chooseUser() error {
	if p.uid != 0 {
		return nil
	}
	p.root = true
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			p.uid, _ = strconv.Atoi(u.Uid)
			p.gid, _ = strconv.Atoi(u.Gid)
			return nil
		}
	}
	return errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: start cis as an ordinary user")
}

// chooseFolders picks where the cluster and its socket live. Where the server's user cannot reach the data folder the
// cluster lives under /var/lib/cis, and a pointer file in the data folder says where.
func (p *Private) chooseFolders(data string) error {
	var err error
	if p.run, err = rundir.Path(data, "pg"); err != nil {
		return err
	}
	p.dir = filepath.Join(data, "postgres")
	pointer := filepath.Join(data, "postgres.path")
	if raw, err := os.ReadFile(pointer); err == nil {
		p.dir = strings.TrimSpace(string(raw))
		return nil
	}
	if !p.root || p.reaches(data) {
		return nil
	}
	sum := sha256.Sum256([]byte(data))
	p.dir = filepath.Join("/var/lib/cis", hex.EncodeToString(sum[:8]), "postgres")
	if err := p.clearLeftovers(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.dir), 0o755); err != nil {
		return err
	}
	return os.WriteFile(pointer, []byte(p.dir+"\n"), 0o600)
}

// clearLeftovers removes the cluster of a data folder that stood in the same place and was deleted: nobody points to it
// any more, and it belongs to another log. A server that was left running over it is ended first.
func (p *Private) clearLeftovers() error {
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.postmaster())); err == nil && cwd == p.dir {
		p.stop()
	}
	return os.RemoveAll(p.dir)
}

// reaches says whether the server's user can enter a folder.
func (p *Private) reaches(dir string) bool {
	cmd := exec.Command("/usr/bin/test", "-x", dir)
	p.asUser(cmd)
	return cmd.Run() == nil
}

func (p *Private) asUser(cmd *exec.Cmd) {
	// A group of its own: Ctrl-C in the terminal is for cis, which then ends the server in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
		cmd.Dir = "/"
	}
}

func (p *Private) start(ctx context.Context) error {
	if err := rundir.Make(p.run, p.uid, p.gid); err != nil {
		return err
	}
	p.DSN = "host=" + p.run + " user=cis dbname=cis"
	if p.answers(ctx) {
		p.log.Info("postgres: joined the private server that is running", "folder", p.dir)
		return nil
	}
	if err := p.ensureCluster(); err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(p.data, "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	args := []string{"-D", p.dir, "-k", p.run}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.cmd = exec.Command(filepath.Join(p.bin, "postgres"), args...)
	p.asUser(p.cmd)
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- p.cmd.Wait() }()
	deadline := time.After(60 * time.Second)
	for !p.answers(ctx) {
		select {
		case err := <-exited:
			return fmt.Errorf("PostgreSQL ended while starting (%w); see %s", err, logFile.Name())
		case <-deadline:
			return fmt.Errorf("PostgreSQL did not answer within a minute; see %s", logFile.Name())
		case <-ctx.Done():
			p.stop()
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Watch starts the server again whenever it is gone, until ctx ends.
func (p *Private) Watch(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
		if p.postmaster() != 0 {
			continue
		}
		starting, err := flock(p.startLock, syscall.LOCK_EX)
		if err != nil {
			continue
		}
		p.log.Warn("postgres: the private server is gone; starting it again")
		if err := p.start(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("postgres: starting again", "error", err)
		}
		_ = starting.Close()
	}
}

// answers says whether the server takes connections, making our database on the way if it is missing.
func (p *Private) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, "host="+p.run+" user=cis dbname=postgres")
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close(ctx) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'cis')`).Scan(&there); err != nil {
		return false
	}
	if !there {
		_, err = conn.Exec(ctx, `CREATE DATABASE cis`)
	}
	return err == nil
}

// Close ends the server unless another process uses it, and waits for it.
func (p *Private) Close() {
	defer func() { _ = p.use.Close() }()
	if starting, err := flock(p.startLock, syscall.LOCK_EX); err == nil { // nobody may join while we look
		defer func() { _ = starting.Close() }()
	}
	if err := syscall.Flock(int(p.use.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return // somebody else uses it and will end it
	}
	p.stop()
}

// stop asks for a fast shutdown and, if that takes too long, for an immediate one.
func (p *Private) stop() {
	pid := p.postmaster()
	if pid == 0 {
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		_ = syscall.Kill(pid, sig)
		for range 40 {
			if p.postmaster() != pid {
				_ = os.Remove(p.run)
				return
			}
			time.Sleep(100 * time.Millisecond) // nobody tells about the end of a process that is not our child
		}
	}
	p.log.Warn("postgres: the private server did not end", "pid", pid)
}

// postmaster is the pid of the running server, 0 if there is none: it removes the file as its last act.
func (p *Private) postmaster() int {
	f, err := os.Open(filepath.Join(p.dir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	line, _ := bufio.NewReader(f).ReadString('\n')
	pid := atoi(strings.TrimSpace(line))
	if pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}

func flock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
