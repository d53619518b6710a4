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
	"time"

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
//	root.key.*    such keys by their names: new ones that are about to take its
//	              place, and those that it took the place of
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

// errLocked is the error of lock while somebody else holds it.
var errLocked = errors.New("in use")

// lock takes the lock that keeps a second service out, and commands that work
// while none runs. It ends with the process.
func (d dataDir) lock() (*os.File, error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: another origami serves %s already; stop it, or choose another --data-dir", errLocked, d)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockPatience is how long a command takes at most that works under the lock
// because no service runs, and that a service which starts waits for.
const lockPatience = 30 * time.Second

// lockSoon takes the lock, and waits for a command that has it. The error comes at
// once if a service has it.
func (d dataDir) lockSoon(ctx context.Context) (*os.File, error) {
	for deadline := time.Now().Add(lockPatience); ; {
		lock, err := d.lock()
		if !errors.Is(err, errLocked) || d.serves() || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(lockEvery):
		}
	}
}

// lockEvery is how often a lock that somebody else has is tried.
const lockEvery = 20 * time.Millisecond

// serves reports whether a service answers at the socket.
func (d dataDir) serves() bool {
	c, err := net.Dial("unix", d.socket())
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// unlock gives the lock back. Closing the file alone would not: a process that
// is just being started has it too, until it becomes another program.
func unlock(lock *os.File) error {
	return errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN), lock.Close())
}

// openDatabase opens the database of an installation that exists, also while
// its service runs.
func (d dataDir) openDatabase(ctx context.Context) (*metadb.DB, error) {
	if err := d.holds(); err != nil {
		return nil, err
	}
	return metadb.Open(ctx, d.database())
}

// holds checks that there is an installation.
func (d dataDir) holds() error {
	_, err := os.Stat(d.path("origami.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no installation; start one with: origami serve --data-dir %s", d, quoteIfNeeded(string(d)))
	}
	return err
}

// mine checks that there is an installation, and that its files are this user's:
// the service could not use those that another user makes, not even root's.
func (d dataDir) mine() error {
	if err := d.holds(); err != nil {
		return err
	}
	info, err := os.Stat(d.path("origami.db"))
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to the user number %d; run this as that user", d, stat.Uid)
	}
	return nil
}

// client makes a client of the running service, for an account by its name or
// number.
func (d dataDir) client(ctx context.Context, account string, region origami.Region) (*localserver.Client, error) {
	e, err := d.environment(ctx, account, region)
	if err != nil {
		return nil, err
	}
	if !d.serves() {
		return nil, fmt.Errorf("the service does not run; start it with: origami serve --data-dir %s", quoteIfNeeded(string(d)))
	}
	return &localserver.Client{
		Socket:      d.socket(),
		Credentials: sigv4.Credentials{AccessKeyID: e.AccessKey, Secret: e.Secret},
		Region:      string(e.Region),
	}, nil
}
