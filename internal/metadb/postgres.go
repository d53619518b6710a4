package metadb

import (
	"database/sql"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgresDialect = &dialect{
	view:   &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
	update: &sql.TxOptions{Isolation: sql.LevelSerializable},
	conflict: func(err error) bool {
		switch sqlState(err) {
		case "40001", // serialization failure
			"40P01", // deadlock
			"23505", // unique violation: the next attempt sees the row that was there first
			"42P07": // table exists: two processes migrated at once
			return true
		}
		return false
	},
	duplicate:  func(err error) bool { return sqlState(err) == "23505" },
	full:       func(err error) bool { return sqlState(err) == "53100" },
	rebind:     numbered,
	ddl:        postgresDDL,
	forUpdate:  " FOR UPDATE",
	skipLocked: " FOR UPDATE SKIP LOCKED",
	objectOf:   "json_object_agg",
}

// sqlState is the SQLSTATE that the server gave for err, or "".
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

var (
	columnType = regexp.MustCompile(`\b(INTEGER|TEXT|BLOB)\b`)
	tableEnd   = regexp.MustCompile(`\) STRICT(, WITHOUT ROWID)?;`)
	comment    = regexp.MustCompile(`(?m)--.*$`)
)

// postgresDDL translates a migration from SQLite's spelling. TEXT gets the
// byte order that SQLite has and that identifiers need.
func postgresDDL(q string) string {
	q = comment.ReplaceAllString(q, "")
	q = tableEnd.ReplaceAllString(q, ");")
	return columnType.ReplaceAllStringFunc(q, func(word string) string {
		switch word {
		case "INTEGER":
			return "BIGINT"
		case "BLOB":
			return "BYTEA"
		}
		return `TEXT COLLATE "C"`
	})
}

// openPostgres opens the database of a connection URL.
func openPostgres(dsn string) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New(redact(err.Error(), dsn))
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(max(16, 4*runtime.NumCPU()))
	pool.SetMaxIdleConns(8)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return &DB{writer: pool, reader: pool, dialect: postgresDialect}, nil
}

// redact takes a connection URL, which may hold a password, out of a message.
func redact(message, dsn string) string {
	return strings.ReplaceAll(message, dsn, "postgres:…")
}
