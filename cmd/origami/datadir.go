package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"origami/internal/metadb"
)

// dataDir is the directory that holds everything of an installation.
//
//	origami.db    the database
//	store/        packs of the block store
//	volumes/      what was written to volumes since their last snapshot
//	machines/     a directory for each virtual machine
//	run/          sockets of running machines
//	import.sock   where `origami import` connects
//	lock          held by the running service
type dataDir string

func (d dataDir) path(name string) string { return filepath.Join(string(d), name) }

func (d dataDir) database() string     { return "sqlite:" + d.path("origami.db") }
func (d dataDir) importSocket() string { return d.path("import.sock") }

// absolute makes the path independent of the working directory.
func absolute(dir string) (dataDir, error) {
	abs, err := filepath.Abs(dir)
	return dataDir(abs), err
}

// make makes the directory and those in it, for this user only.
func (d dataDir) make() error {
	for _, name := range []string{"", "store", "volumes", "machines", "run"} {
		if err := os.MkdirAll(d.path(name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the lock that keeps a second service out. It ends with the
// process.
func (d dataDir) lock() (*os.File, error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("another origami serves %s already; stop it, or choose another --data-dir", d)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openDatabase opens the database of an installation that exists, also while
// its service runs.
func (d dataDir) openDatabase(ctx context.Context) (*metadb.DB, error) {
	if _, err := os.Stat(d.path("origami.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no installation; start one with: origami serve --data-dir %s", d, d)
	}
	return metadb.Open(ctx, d.database())
}
