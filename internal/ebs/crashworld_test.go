package ebs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/ebs"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/task"
)

// barrier lies between the rooms and a crashable file system. It can shut after a
// number of changes: then every further change waits, as in a process that was
// stopped, until the process is declared dead and they fail. So no error that
// a dying process would not have seen finds its way into the database.
type barrier struct {
	fs   *durabletest.CrashFS
	mu   sync.Mutex
	left int           // changes until it shuts; negative never
	shut chan struct{} // closed when it has shut
	dead chan struct{} // closed when what waits is to fail
}

func newBarrier(fs *durabletest.CrashFS) *barrier {
	return &barrier{fs: fs, left: -1, shut: make(chan struct{}), dead: make(chan struct{})}
}

// shutAfter lets n more changes through.
func (b *barrier) shutAfter(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = n
}

// open says that it has not shut, and will not.
func (b *barrier) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.shut:
		return false
	default:
		b.left = -1
		return true
	}
}

// pass is called before every change.
func (b *barrier) pass() error {
	b.mu.Lock()
	if b.left == 0 {
		select {
		case <-b.shut:
		default:
			close(b.shut)
		}
		b.mu.Unlock()
		<-b.dead
		return durabletest.ErrStopped
	}
	if b.left > 0 {
		b.left--
	}
	b.mu.Unlock()
	return nil
}

// below is the part of the file system behind a barrier, below a directory.
type below struct {
	g   *barrier
	dir string
}

func (b below) at(name string) string { return path.Join(b.dir, name) }

func (b below) Open(name string) (durable.File, error) {
	f, err := b.g.fs.Open(b.at(name))
	if err != nil {
		return nil, err
	}
	return behind{f, b.g}, nil
}

func (b below) Create(name string) (durable.File, error) {
	if err := b.g.pass(); err != nil {
		return nil, err
	}
	f, err := b.g.fs.Create(b.at(name))
	if err != nil {
		return nil, err
	}
	return behind{f, b.g}, nil
}

func (b below) change(f func() error) error {
	if err := b.g.pass(); err != nil {
		return err
	}
	return f()
}

func (b below) Rename(from, to string) error {
	return b.change(func() error { return b.g.fs.Rename(b.at(from), b.at(to)) })
}

func (b below) Link(from, to string) error {
	return b.change(func() error { return b.g.fs.Link(b.at(from), b.at(to)) })
}

func (b below) Remove(name string) error {
	return b.change(func() error { return b.g.fs.Remove(b.at(name)) })
}

func (b below) Mkdir(name string) error {
	return b.change(func() error { return b.g.fs.Mkdir(b.at(name)) })
}

func (b below) List(name string) ([]string, error) { return b.g.fs.List(b.at(name)) }

func (b below) SyncDir(name string) error {
	return b.change(func() error { return b.g.fs.SyncDir(b.at(name)) })
}

// behind is an open file behind the barrier.
type behind struct {
	durable.File
	g *barrier
}

func (f behind) WriteAt(p []byte, off int64) (int, error) {
	if err := f.g.pass(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f behind) Sync() error {
	if err := f.g.pass(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f behind) Truncate(size int64) error {
	if err := f.g.pass(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f behind) PunchHole(off, n int64) error {
	if err := f.g.pass(); err != nil {
		return err
	}
	return f.File.PunchHole(off, n)
}

// world is ebs and all it stands on. Packs and volumes are in one crashable
// file system. The database is SQLite in a directory: a crash ends its
// process and keeps what was committed, which is what SQLite promises with
// synchronous=FULL and what the tests of metadb look into.
type world struct {
	disk    *durabletest.CrashFS
	barrier *barrier
	db      *metadb.DB
	store   *blockstore.Store
	ebs     *ebs.Service
	kms     *kms.Service

	bucket *dir.Bucket
	stop   context.CancelFunc
	served sync.WaitGroup
}

// disks returns a file system with the two directories of a world.
func disks() (*durabletest.CrashFS, error) {
	fs := durabletest.New()
	return fs, errors.Join(fs.Mkdir("store"), fs.Mkdir("volumes"), fs.SyncDir("."))
}

// databaseDir is a directory for a database whose syncs cost nothing, where
// the system has such a place: no power is cut under it.
func databaseDir(t testing.TB) string {
	t.Helper()
	if name, err := os.MkdirTemp("/dev/shm", "origami"); err == nil {
		t.Cleanup(func() { os.RemoveAll(name) })
		return name
	}
	return t.TempDir()
}

// boot starts the process on what a file system and a database hold. A barrier
// that shuts meanwhile makes it fail with errDied.
func boot(database string, fs *durabletest.CrashFS, g *barrier) (*world, error) {
	w := &world{disk: fs, barrier: g}
	ended := make(chan error, 1)
	go func() { ended <- w.open(database) }()
	var err error
	select {
	case err = <-ended:
	case <-g.shut:
		w.die(func() { <-ended })
		return nil, errDied
	}
	if err != nil {
		w.die(func() {})
		return nil, err
	}
	return w, nil
}

var errDied = errors.New("the process died")

func (w *world) open(database string) error {
	ctx := context.Background()
	var err error
	if w.db, err = metadb.Open(ctx, "sqlite:"+filepath.Join(database, "db")); err != nil {
		return err
	}
	if w.bucket, err = dir.Open(below{w.barrier, "store"}); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	top, err := keyfile.Open(filepath.Join(database, "root.key"))
	if err != nil {
		return err
	}
	if w.kms, err = kms.New(ctx, kms.Config{DB: w.db, Root: top, Regions: []origami.Region{region}}); err != nil {
		return err
	}
	w.store, err = blockstore.Open(ctx, blockstore.Config{
		Bucket: w.bucket, Index: ebs.Index{DB: w.db}, Keys: ebs.Keys{DB: w.db, KMS: w.kms}, CacheBytes: 2 << 20, PackSize: 64 << 10, Logger: log,
	})
	if err != nil {
		return err
	}
	queue := task.New(w.db, task.Config{Logger: log})
	w.ebs = ebs.New(ebs.Config{DB: w.db, Store: w.store, Queue: queue, Volumes: below{w.barrier, "volumes"}, Log: log,
		KMS: w.kms, CopyEvery: 1, Boot: rand.Text()}) // every start is after a crash of the system
	if err := w.ebs.Recover(ctx); err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	w.stop = stop
	w.served.Go(func() { _ = queue.Serve(serving) })
	return nil
}

// close ends the process in an orderly manner.
func (w *world) close() error {
	w.stop()
	w.served.Wait()
	return errors.Join(w.ebs.Close(), w.store.Close(), w.bucket.Close(), w.db.Close())
}

// die ends the process as it is: what waits at the barrier never happens, and the
// database hears nothing more. The function waits for a call that is held up.
func (w *world) die(wait func()) {
	w.barrier.shutAfter(0)
	if w.db != nil {
		_ = w.db.Close()
	}
	close(w.barrier.dead)
	wait()
	if w.stop != nil {
		w.stop()
		w.served.Wait()
	}
	// What these say is of no interest: nobody hears it from a dead process.
	if w.ebs != nil {
		_ = w.ebs.Close()
	}
	if w.store != nil {
		_ = w.store.Close()
	}
	if w.bucket != nil {
		_ = w.bucket.Close()
	}
}

// settle waits until no task is left, or the barrier has shut.
func (w *world) settle() error {
	deadline := time.NewTimer(5 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		err := w.db.View(context.Background(), func(tx *metadb.Tx) error {
			n = 0
			for _, err := range tx.UnfinishedTasks() {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-w.barrier.shut:
			return errDied
		case <-deadline.C:
			return errors.New("tasks do not end")
		case <-tick.C:
		}
	}
}

// snapshots reads all snapshots.
func (w *world) snapshots() (map[origami.SnapshotID]*origami.Snapshot, error) {
	var all map[origami.SnapshotID]*origami.Snapshot
	err := w.db.View(context.Background(), func(tx *metadb.Tx) error {
		all = make(map[origami.SnapshotID]*origami.Snapshot)
		for s, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			all[s.ID] = s
		}
		return nil
	})
	return all, err
}
