package metadb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations are the steps from an empty database to the schema of this
// program, in order. A released step never changes again.
var migrations = mustReadMigrations(migrationFiles)

// migration is one step of the schema.
type migration struct {
	version  int
	name     string // "0001_initial"
	sql      string
	checksum string // hex SHA-256 of sql
}

// mustReadMigrations reads the embedded steps. Their names are
// NNNN_word.sql, numbered from 1 without a gap.
func mustReadMigrations(dir fs.FS) []migration {
	names, err := fs.Glob(dir, "migrations/*.sql")
	if err != nil {
		panic(err)
	}
	slices.Sort(names)
	var steps []migration
	for i, file := range names {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			panic(err)
		}
		name := strings.TrimSuffix(path.Base(file), ".sql")
		number, _, _ := strings.Cut(name, "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			panic(fmt.Sprintf("migration %s is not number %d", file, i+1))
		}
		sum := sha256.Sum256(text)
		steps = append(steps, migration{i + 1, name, string(text), hex.EncodeToString(sum[:])})
	}
	return steps
}

// migrate brings the schema to the last of steps. Each step is a transaction
// of its own that also records it, so that two processes may migrate at once
// and a crash leaves a whole number of steps.
func (db *DB) migrate(ctx context.Context, steps []migration) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT;`
	for {
		done := false
		err := db.Update(ctx, func(tx *Tx) error {
			if err := tx.execDDL(table); err != nil {
				return err
			}
			version, err := tx.checkMigrations(steps)
			if err != nil {
				return err
			}
			if done = version == len(steps); done {
				return nil
			}
			next := steps[version]
			if err := tx.execDDL(next.sql); err != nil {
				return fmt.Errorf("apply %s: %w", next.name, err)
			}
			_, err = tx.exec(`INSERT INTO schema_migrations (version, name, checksum, applied) VALUES (?, ?, ?, ?)`,
				next.version, next.name, next.checksum, micros(db.Now()))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate schema: %w", err)
		}
		if done {
			return nil
		}
	}
}

// checkMigrations returns how many of steps were applied, after checking that
// they are what this program knows.
func (tx *Tx) checkMigrations(steps []migration) (int, error) {
	type applied struct {
		version        int
		name, checksum string
	}
	rows, err := collect(tx, func(r *sql.Rows) (applied, error) {
		var a applied
		return a, r.Scan(&a.version, &a.name, &a.checksum)
	}, `SELECT version, name, checksum FROM schema_migrations ORDER BY version`)
	if err != nil {
		return 0, err
	}
	for i, a := range rows {
		if a.version > len(steps) {
			return 0, fmt.Errorf("the database has schema version %d, this program knows versions up to %d: run a newer origami",
				rows[len(rows)-1].version, len(steps))
		}
		if a.version != i+1 || a.checksum != steps[i].checksum {
			return 0, fmt.Errorf("the database was made by another origami: its migration %d (%s) differs from %s",
				a.version, a.name, steps[i].name)
		}
	}
	return len(rows), nil
}
