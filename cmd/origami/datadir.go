package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
	"origami/internal/sigv4"
)

// dataDir is the directory that holds everything of an installation.
//
//	origami.db    the database
//	store/        packs of the block store
//	volumes/      what was written to volumes since their last snapshot
//	stores/       instance stores of machines that run
//	machines/     a directory for each virtual machine
//	machines-none/  the same, of machines that execute nothing
//	run/          sockets of running machines
//	local.sock    where the commands of this program connect
//	root.key      the key on top of all keys, unless that is elsewhere
//	lock          held by the running service
type dataDir string

func (d dataDir) path(name string) string { return filepath.Join(string(d), name) }

func (d dataDir) database() string { return "sqlite:" + d.path("origami.db") }
func (d dataDir) socket() string   { return d.path("local.sock") }

// absolute makes the path independent of the working directory.
func absolute(dir string) (dataDir, error) {
	abs, err := filepath.Abs(dir)
	return dataDir(abs), err
}

// make makes the directory and those in it, for this user only.
func (d dataDir) make() error {
	for _, name := range []string{"", "store", "volumes", "stores", "machines", "machines-none", "run"} {
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

// unlock gives the lock back. Closing the file alone would not: a process that
// is just being started has it too, until it becomes another program.
func unlock(lock *os.File) error {
	return errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN), lock.Close())
}

// openDatabase opens the database of an installation that exists, also while
// its service runs.
func (d dataDir) openDatabase(ctx context.Context) (*metadb.DB, error) {
	if _, err := os.Stat(d.path("origami.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no installation; start one with: origami serve --data-dir %s", d, d)
	}
	return metadb.Open(ctx, d.database())
}

// client makes a client of the running service, for an account by its name or
// number.
func (d dataDir) client(ctx context.Context, account string, region origami.Region) (*localserver.Client, error) {
	e, err := d.environment(ctx, account, region)
	if err != nil {
		return nil, err
	}
	if c, err := net.Dial("unix", d.socket()); err != nil {
		return nil, fmt.Errorf("the service does not run; start it with: origami serve --data-dir %s", quoteIfNeeded(string(d)))
	} else {
		c.Close()
	}
	return &localserver.Client{
		Socket:      d.socket(),
		Credentials: sigv4.Credentials{AccessKeyID: e.AccessKey, Secret: e.Secret},
		Region:      string(e.Region),
	}, nil
}
