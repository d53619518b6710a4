package metadb

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"
)

// prepared opens a pool of one connection that keeps statements.
func prepared(t *testing.T) (*sql.DB, preparing) {
	t.Helper()
	c := preparing{&sqlite.Driver{}, "file:" + filepath.Join(t.TempDir(), "x.db")}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE n (i INTEGER PRIMARY KEY); INSERT INTO n VALUES (1), (2), (3)"); err != nil {
		t.Fatal(err)
	}
	return db, c
}

// An evicted statement is prepared anew, and no more than the bound are kept.
func TestStatementsAreBounded(t *testing.T) {
	db, _ := prepared(t)
	for range 2 {
		for n := range 2 * maxStatements {
			var got int
			if err := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT i + %d FROM n WHERE i = ?", n), 2).Scan(&got); err != nil || got != n+2 {
				t.Fatalf("statement %d: got %d, %v", n, got, err)
			}
		}
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		kept := c.(*preparedConn)
		if got := kept.recent.Len(); got != maxStatements || len(kept.byQuery) != got {
			t.Errorf("got %d statements, %d by text, want %d", got, len(kept.byQuery), maxStatements)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A kept statement works after an error, after a change of the schema, and
// with other parameters.
func TestStatementsAreReused(t *testing.T) {
	db, c := prepared(t)
	const insert, all = "INSERT INTO n (i) VALUES (?)", "SELECT * FROM n WHERE i >= ? ORDER BY i"
	columns := func(from int) (names []string, rows int) {
		t.Helper()
		r, err := db.QueryContext(t.Context(), all, from)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if names, err = r.Columns(); err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			rows++
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		return names, rows
	}
	if names, rows := columns(2); len(names) != 1 || rows != 2 {
		t.Errorf("got %v and %d rows, want 1 column and 2 rows", names, rows)
	}
	if _, err := db.ExecContext(t.Context(), insert, 3); err == nil {
		t.Error("a key is there twice")
	}
	if _, err := db.ExecContext(t.Context(), insert, 4); err != nil {
		t.Error(err)
	}
	other := sql.OpenDB(c)
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "ALTER TABLE n ADD COLUMN more TEXT"); err != nil {
		t.Fatal(err)
	}
	if names, rows := columns(1); len(names) != 2 || rows != 4 {
		t.Errorf("after the change: got %v and %d rows, want 2 columns and 4 rows", names, rows)
	}
}

// A statement whose answer is being read does not start anew.
func TestStatementInUse(t *testing.T) {
	_, c := prepared(t)
	opened, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := opened.(*preparedConn)
	defer conn.Close()
	query := func() driver.Rows {
		t.Helper()
		rows, err := conn.QueryContext(t.Context(), "SELECT i FROM n ORDER BY i", nil)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	next := func(rows driver.Rows) any {
		t.Helper()
		row := make([]driver.Value, 1)
		if err := rows.Next(row); err == io.EOF {
			return nil
		} else if err != nil {
			t.Fatal(err)
		}
		return row[0]
	}
	a := query()
	if got := next(a); got != int64(1) {
		t.Errorf("got %v, want 1", got)
	}
	b := query()
	for n := range int64(3) {
		if got := next(b); got != n+1 {
			t.Errorf("second answer: got %v, want %d", got, n+1)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := next(a); got != int64(2) {
		t.Errorf("first answer goes on with %v, want 2", got)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if got := next(query()); got != int64(1) {
		t.Errorf("third answer: got %v, want 1", got)
	}
}
