package metadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"origami"
)

// Tx is a transaction. It is used by one goroutine, and only while the
// function that it was handed to runs.
type Tx struct {
	db       *DB
	ctx      context.Context
	tx       *sql.Tx
	writable bool
	after    []func()
	broken   error // first error of a statement: PostgreSQL can go on no further

	known map[origami.AccountID][]string // Principals that were looked up
}

// Context is the context that the transaction runs under.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Now is the time by the database's clock.
func (tx *Tx) Now() time.Time { return tx.db.Now() }

// AfterCommit has f called once the transaction is durable, in the goroutine
// of Update before that returns. It is not called if the transaction fails.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

var errReadOnly = errors.New("change in a read-only transaction")

// exec runs a statement that changes rows and returns how many it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if !tx.writable {
		return 0, tx.fail(errReadOnly)
	}
	if err := checkText(args); err != nil {
		return 0, err
	}
	r, err := tx.tx.ExecContext(tx.ctx, tx.db.dialect.rebind(query), args...)
	if err != nil {
		return 0, tx.fail(fmt.Errorf("%s: %w", verb(query), err))
	}
	return r.RowsAffected()
}

// execDDL runs the statements of a migration.
func (tx *Tx) execDDL(script string) error {
	if _, err := tx.tx.ExecContext(tx.ctx, tx.db.dialect.ddl(script)); err != nil {
		return tx.fail(err)
	}
	return nil
}

// collect runs a query and reads all of its rows with scan. No row stays open
// afterwards: the transaction's one connection is free for the next statement.
func collect[T any](tx *Tx, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	if err := checkText(args); err != nil {
		return nil, err
	}
	rows, err := tx.tx.QueryContext(tx.ctx, tx.db.dialect.rebind(query), args...)
	if err != nil {
		return nil, tx.fail(fmt.Errorf("%s: %w", verb(query), err))
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, tx.fail(fmt.Errorf("%s: %w", verb(query), err))
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, tx.fail(fmt.Errorf("%s: %w", verb(query), err))
	}
	return out, nil
}

// one runs a query for at most one row of one column.
func one[T any](tx *Tx, query string, args ...any) (T, bool, error) {
	var zero T
	rows, err := collect(tx, scanOne[T], query, args...)
	if err != nil || len(rows) == 0 {
		return zero, false, err
	}
	return rows[0], true, nil
}

// scanOne reads a row of one column.
func scanOne[T any](r *sql.Rows) (T, error) {
	var v T
	return v, r.Scan(&v)
}

// fail remembers that a statement failed, so that the transaction cannot be
// committed even if the caller goes on.
func (tx *Tx) fail(err error) error {
	if tx.broken == nil {
		tx.broken = err
	}
	return err
}

// checkText refuses text that PostgreSQL cannot hold, on both engines and
// before the engine sees it: such text comes from a request.
func checkText(args []any) error {
	for _, a := range args {
		if s, ok := a.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Value contains characters that are not allowed")
		}
	}
	return nil
}

// verb is the beginning of a statement, for error messages.
func verb(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(len(words), 4)], " ")
}

// micros is t as the database holds it: microseconds since 1970.
func micros(t time.Time) int64 { return t.UnixMicro() }

// fromMicros is the time that the database holds as n.
func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
