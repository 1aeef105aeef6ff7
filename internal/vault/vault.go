// Package vault keeps the keys that personal data is sealed under: one per person and one per raw mail, wrapped by a
// key from the installation's secret. They stand nowhere else, so destroying a key destroys what it sealed, in the log,
// in its copies and in every future replay.
//
// A key is durable before anything sealed under it is handed out. Keys that are asked for at the same time are
// committed together.
//
// Start reading at [Open] and [Vault.Seal].
package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// ErrNoKey says that there is no key for a subject, or no longer: what was sealed under it cannot be read.
var ErrNoKey = errors.New("vault: no key")

var errClosed = errors.New("vault: closed")

const schema = `
CREATE TABLE IF NOT EXISTS key (
	subject TEXT PRIMARY KEY, -- a person's or a raw mail's id
	wrapped BLOB NOT NULL,    -- nonce and AES-256-GCM of the key; empty: destroyed
	created INTEGER NOT NULL  -- Unix seconds
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS destroyed ( -- in order, for processes that have keys in memory
	number  INTEGER PRIMARY KEY AUTOINCREMENT,
	subject TEXT    NOT NULL,
	at      INTEGER NOT NULL -- Unix seconds
);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
`

// Vault seals and opens. It is safe for concurrent use, by several processes too.
type Vault struct {
	lock   *os.File // shared by all that have the vault open
	db     *sql.DB  // one writing connection
	read   *sql.DB
	make   *sql.Stmt // on db
	keyOf  *sql.Stmt // on read
	keysOf *sql.Stmt // on read; of a JSON array of subjects
	wrap   cipher.AEAD
	create chan request
	quit   chan struct{}
	done   chan struct{}

	watching sync.WaitGroup

	mu    sync.RWMutex
	cache map[string]cipher.AEAD
	older map[string]cipher.AEAD // the cache's previous generation; bounds memory without bookkeeping
}

type request struct {
	subject string
	answer  chan error
}

const cacheSize = 25_000 // keys per generation; one takes most of a kilobyte

// Open opens or makes the vault in an SQLite file. wrappings are keys of 32 bytes: the one the vault's keys are wrapped by
// is used, in a new vault the last. It fails with [ErrWrapping] if it is none of them.
func Open(path string, wrappings ...[]byte) (_ *Vault, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockVault(path, syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	v := &Vault{
		lock: lock, create: make(chan request, 4096), quit: make(chan struct{}), done: make(chan struct{}),
		cache: map[string]cipher.AEAD{},
	}
	// secure_delete: a destroyed key must not be found in the file's free pages.
	dsn := "file:" + path + "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)"
	if v.db, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	v.db.SetMaxOpenConns(1)
	if _, err := v.db.Exec(schema); err != nil {
		_ = v.db.Close()
		return nil, fmt.Errorf("vault: opening %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = v.db.Close()
		return nil, err
	}
	if _, v.wrap, err = wrappedBy(v.db, wrappings); err != nil {
		_ = v.db.Close()
		return nil, err
	}
	// mmap_size: keys are read at random, and every commit empties SQLite's own cache of pages.
	if v.read, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=mmap_size(1073741824)"); err != nil {
		_ = v.db.Close()
		return nil, err
	}
	v.read.SetMaxOpenConns(4)
	if err := v.prepare(); err != nil {
		_ = errors.Join(v.read.Close(), v.db.Close())
		return nil, err
	}
	go v.write()
	v.watching.Go(v.watch)
	return v, nil
}

func (v *Vault) prepare() (err error) {
	if v.make, err = v.db.Prepare(`INSERT OR IGNORE INTO key (subject, wrapped, created) VALUES (?, ?, ?)`); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if v.keyOf, err = v.read.Prepare(`SELECT wrapped FROM key WHERE subject = ?`); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if v.keysOf, err = v.read.Prepare(`SELECT subject, wrapped FROM json_each(?) AS j CROSS JOIN key ON key.subject = j.value`); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// Close ends the vault after what is being written.
func (v *Vault) Close() error {
	close(v.quit)
	<-v.done
	v.watching.Wait()
	return errors.Join(v.read.Close(), v.db.Close(), v.lock.Close())
}

// Seal encrypts plaintext under the subject's key, making the key if there is none yet. place is authenticated: what
// was sealed for one place cannot be opened in another. It fails with [ErrNoKey] if the key was destroyed.
func (v *Vault) Seal(ctx context.Context, subject, place string, plaintext []byte) ([]byte, error) {
	key, err := v.key(subject)
	if errors.Is(err, errNotYet) {
		if err = v.ensure(ctx, subject); err == nil {
			key, err = v.key(subject)
		}
	}
	if err != nil {
		return nil, err
	}
	return seal(key, place, plaintext), nil
}

// Open decrypts what Seal returned. It fails with [ErrNoKey] if the key was destroyed.
func (v *Vault) Open(ctx context.Context, subject, place string, sealed []byte) ([]byte, error) {
	key, err := v.key(subject)
	if err != nil {
		return nil, err
	}
	return open(key, place, sealed)
}

// Destroyed says whether there was a key for a subject that is no more.
func (v *Vault) Destroyed(subject string) (bool, error) {
	switch _, err := v.key(subject); {
	case errors.Is(err, errNotYet), err == nil:
		return false, nil
	case errors.Is(err, ErrNoKey):
		return true, nil
	default:
		return false, err
	}
}

// Has says whether there is a key for a subject.
func (v *Vault) Has(subject string) (bool, error) {
	switch _, err := v.key(subject); {
	case errors.Is(err, ErrNoKey):
		return false, nil
	default:
		return err == nil, err
	}
}

// Prepare makes keys for subjects in one go, so that the Seal calls that follow find them.
func (v *Vault) Prepare(ctx context.Context, subjects ...string) error {
	missing := v.uncached(subjects)
	if len(missing) == 0 {
		return nil
	}
	return v.ensure(ctx, missing...)
}

// Preload reads many keys at once, so that the Open calls that follow find them in memory.
func (v *Vault) Preload(ctx context.Context, subjects []string) error {
	missing := v.uncached(subjects)
	if len(missing) == 0 {
		return nil
	}
	list, err := json.Marshal(missing)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	rows, err := v.keysOf.QueryContext(ctx, string(list))
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var subject string
		var wrapped []byte
		if err := rows.Scan(&subject, &wrapped); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if _, err := v.unwrap(subject, wrapped); err != nil && !errors.Is(err, ErrNoKey) {
			return err
		}
	}
	return rows.Err()
}

// errNotYet says that no key was made for the subject, as opposed to destroyed.
var errNotYet = fmt.Errorf("%w yet", ErrNoKey)

func (v *Vault) key(subject string) (cipher.AEAD, error) {
	if key, ok := v.cached(subject); ok {
		return key, nil
	}
	var wrapped []byte
	err := v.keyOf.QueryRow(subject).Scan(&wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotYet
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return v.unwrap(subject, wrapped)
}

func (v *Vault) unwrap(subject string, wrapped []byte) (cipher.AEAD, error) {
	if len(wrapped) == 0 {
		return nil, ErrNoKey
	}
	raw, err := open(v.wrap, subject, wrapped)
	if err != nil {
		return nil, fmt.Errorf("vault: the key of %s was wrapped with another secret: %w", subject, err)
	}
	key, err := newAEAD(raw)
	if err == nil {
		v.remember(subject, key)
	}
	return key, err
}

func (v *Vault) cached(subject string) (cipher.AEAD, bool) {
	v.mu.RLock()
	key, ok := v.cache[subject]
	if !ok {
		key, ok = v.older[subject]
	}
	v.mu.RUnlock()
	return key, ok
}

// uncached are those of the subjects whose keys are not in memory.
func (v *Vault) uncached(subjects []string) (missing []string) {
	for _, s := range subjects {
		if _, ok := v.cached(s); !ok {
			missing = append(missing, s)
		}
	}
	return missing
}

func (v *Vault) remember(subject string, key cipher.AEAD) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.cache) >= cacheSize {
		v.older, v.cache = v.cache, map[string]cipher.AEAD{}
	}
	v.cache[subject] = key
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return cipher.NewGCM(block)
}

func seal(key cipher.AEAD, place string, plaintext []byte) []byte {
	nonce := make([]byte, key.NonceSize(), key.NonceSize()+len(plaintext)+key.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return key.Seal(nonce, nonce, plaintext, []byte(place))
}

func open(key cipher.AEAD, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < key.NonceSize() {
		return nil, errors.New("vault: sealed text is too short")
	}
	out, err := key.Open(nil, sealed[:key.NonceSize()], sealed[key.NonceSize():], []byte(place))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return out, nil
}
