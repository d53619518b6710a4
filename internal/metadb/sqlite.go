package metadb

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var sqliteDialect = &dialect{
	view:   &sql.TxOptions{ReadOnly: true},
	update: &sql.TxOptions{},
	conflict: func(err error) bool {
		var e *sqlite.Error
		if !errors.As(err, &e) {
			return false
		}
		primary := e.Code() & 0xff
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	},
	duplicate: func(error) bool { return false },
	full: func(err error) bool {
		var e *sqlite.Error
		return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
	},
	rebind:    func(q string) string { return q },
	ddl:       func(q string) string { return q },
	objectOf:  "json_group_object",
	unindexed: "+",
}

// openSQLite opens the file at path. One connection writes, because SQLite has
// one writer anyway and a queue in this process is fairer than its busy loop;
// a few read. The write-ahead log lets them go on beside each other, and
// synchronous=FULL makes a commit durable before it returns. What is deleted or
// replaced, wrapped keys among it, is overwritten in its page (secure_delete).
func openSQLite(path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("sqlite: path is empty")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	open := func(conns int, settings ...string) *sql.DB {
		v := url.Values{"_pragma": append([]string{
			"busy_timeout(10000)",
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(1)",
			"cache_size(-32768)",
			"temp_store(MEMORY)",
			"secure_delete(FAST)",
		}, settings...)}
		if conns == 1 {
			v.Set("_txlock", "immediate")
		}
		u := url.URL{Scheme: "file", Path: path, RawQuery: v.Encode()}
		db := sql.OpenDB(preparing{&sqlite.Driver{}, u.String()})
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	}
	writer := open(1)
	reader := open(max(4, runtime.NumCPU()), "query_only(1)")
	return &DB{writer: writer, reader: reader, dialect: sqliteDialect, path: path}, nil
}

// makePrivate makes the file, or takes an existing one away from other users:
// it holds secret keys. SQLite gives its log files the same mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.Chmod(path, 0o600)
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir.Name(), err)
	}
	return nil
}
