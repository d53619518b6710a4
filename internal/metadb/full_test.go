package metadb

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"origami"
)

// TestFull fills a database: the error says so in the words of the system, what
// was there stays, and with space again everything works.
func TestFull(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(name string, n int) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.PutSetting(name, bytes.Repeat([]byte{7}, n)) })
	}
	if err := put("before", 10); err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		t.Helper()
		if _, err := db.writer.ExecContext(context.Background(), "PRAGMA max_page_count="+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // which means: as many as there are
	err = put("big", 1<<20)
	if !errors.Is(err, syscall.ENOSPC) || origami.Full(err) == nil {
		t.Errorf("a row of 1 MiB in a full database: %v", err)
	}
	err = db.View(t.Context(), func(tx *Tx) error {
		_, err := tx.Setting("before")
		return err
	})
	if err != nil {
		t.Errorf("read from a full database: %v", err)
	}
	limit("1000000")
	if err := put("big", 1<<20); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if !postgresDialect.full(&pgconn.PgError{Code: "53100"}) || postgresDialect.full(&pgconn.PgError{Code: "40001"}) || postgresDialect.full(err) {
		t.Error("PostgreSQL says otherwise that its disk is full")
	}
}
