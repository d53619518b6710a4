package metadb

import (
	"fmt"
	"os"
)

// JoinWorkers says that this process works on tasks until leave is called. If
// the database can tell that no other process does, alone is called before any
// other can join: whatever task is running then is held by a dead process.
//
// On SQLite the operating system tells, by a lock on a file beside the
// database that it lifts when a process dies. On PostgreSQL nothing does, and
// leases have to run out.
func (db *DB) JoinWorkers(alone func() error) (leave func(), err error) {
	if db.path == "" {
		return func() {}, nil
	}
	f, err := os.OpenFile(db.path+"-workers", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("join workers: %w", err)
	}
	exclusive, err := tryLock(f)
	if err == nil && exclusive {
		err = alone()
	}
	if err == nil {
		err = lockShared(f)
	}
	if err != nil {
		_ = unlock(f)
		f.Close()
		return nil, fmt.Errorf("join workers: %w", err)
	}
	return func() {
		_ = unlock(f) // cannot fail for a lock that is held
		f.Close()
	}, nil
}
