// Package metadb holds everything about a region that changes and must not be
// lost: the rows of images, snapshots, volumes, instances, tags, accounts,
// tasks and the block index. All SQL of this module is here.
//
// It runs on SQLite (one file, one machine, several processes) and on
// PostgreSQL with one schema and one set of statements. Who may see a thing is
// a WHERE in this package and nowhere else.
//
// Changes happen in [DB.Update]: one transaction, serializable on both
// engines, durable when it returns nil. Reads happen in [DB.View], on a
// snapshot. Both hand a [Tx] to a function; the nouns' methods are on Tx.
package metadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrNotFound is the error of lookups that are not by ID: a setting, an access
// key, an address. Lookups by ID give the EC2 error of origami.NotFound.
var ErrNotFound = errors.New("not found")

// Config is what can be chosen about a database. The zero value is useful.
type Config struct {
	// Clock tells the time by which client tokens expire and tasks are due;
	// time.Now if nil.
	Clock func() time.Time
}

// DB is an open database. Its methods may be called concurrently.
type DB struct {
	writer  *sql.DB // on SQLite one connection, else the same as reader
	reader  *sql.DB
	dialect *dialect
	clock   func() time.Time
	path    string // of SQLite's file

	domainMu sync.Mutex
	domains  map[string]int64 // numbers of committed block domains; by domainMu
}

// Open opens the database with the zero Config. See [Config.Open].
func Open(ctx context.Context, dsn string) (*DB, error) {
	return Config{}.Open(ctx, dsn)
}

// Open opens the database that dsn names and brings its schema up to date:
// "sqlite:PATH" for a file, made with mode 0600 if it is missing, or
// "postgres://…" (a connection URL). A database whose schema is newer than
// this program is refused.
func (c Config) Open(ctx context.Context, dsn string) (*DB, error) {
	var (
		db  *DB
		err error
	)
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "sqlite":
		db, err = openSQLite(rest)
	case "postgres", "postgresql":
		db, err = openPostgres(dsn)
	default:
		return nil, fmt.Errorf("open database: %q is neither sqlite:PATH nor postgres://URL", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.clock = c.clock()
	db.domains = map[string]int64{}
	if err := db.migrate(ctx, migrations); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

func (c Config) clock() func() time.Time {
	if c.Clock == nil {
		return time.Now
	}
	return c.Clock
}

// Close closes the database. Transactions under way end first. Nothing that
// failed because the database was closed can be written down in it.
func (db *DB) Close() error {
	err := db.writer.Close()
	if db.reader != db.writer {
		err = errors.Join(err, db.reader.Close())
	}
	return err
}

// View runs fn in a read-only transaction that sees one state of the database.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	return db.retry(ctx, func() error {
		return db.attempt(ctx, db.reader, db.dialect.view, fn)
	})
}

// Update runs fn in a transaction and commits it if fn returns nil; otherwise
// nothing happens and fn's error is returned. Transactions are serializable:
// what fn read is still true when it commits. When the engine finds a conflict
// the transaction is begun again, so fn may run more than once and must do
// nothing but read and write through its Tx. The error of a database whose disk is
// full wraps syscall.ENOSPC.
//
// fn must not call Update or View of the same database: on SQLite, where one
// transaction writes at a time, that would wait for itself.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return db.retry(ctx, func() error {
		return db.attempt(ctx, db.writer, db.dialect.update, fn)
	})
}

// attempt runs fn in one transaction.
func (db *DB) attempt(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(*Tx) error) error {
	t, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	tx := &Tx{db: db, ctx: ctx, tx: t, writable: opts == db.dialect.update}
	defer t.Rollback() // after a commit this does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if tx.broken != nil {
		return tx.broken
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// Bounds of the repetition of a transaction that lost a conflict.
const (
	maxAttempts = 50
	maxPause    = 50 * time.Millisecond
)

// retry repeats f while the engine says that it lost a conflict.
func (db *DB) retry(ctx context.Context, f func() error) error {
	pause := time.Millisecond
	duplicates := 0
	for n := 1; ; n++ {
		err := f()
		if err != nil && db.dialect.full(err) {
			return fmt.Errorf("%w: %w", syscall.ENOSPC, err) // as the system says it of files
		}
		if err == nil || n == maxAttempts || !db.dialect.conflict(err) {
			return err
		}
		if db.dialect.duplicate(err) {
			if duplicates++; duplicates == 3 {
				return err // not a race: the row was there all along
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(rand.N(pause) + pause/2):
		}
		pause = min(2*pause, maxPause)
	}
}

// Now is the time by the database's clock.
func (db *DB) Now() time.Time { return db.clock().UTC() }
