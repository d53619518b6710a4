// Package ebs is the life of snapshots and volumes: a volume is a lazy,
// writable view of a snapshot; a snapshot is the content of a volume at one
// instant, held by the block store and independent of everything else.
//
// A verb that takes a *metadb.Tx writes rows only. Bytes move in tasks and in
// the verbs that say so. The order of effects is always bytes first, rows
// after: no row names bytes that could still be lost, and bytes without rows
// are garbage that [Service.Recover] removes.
package ebs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/metadb"
	"origami/internal/overlay"
	"origami/internal/task"
)

// GiB is the unit of volume sizes.
const GiB = 1 << 30

// Config is what a [Service] is built of. All fields but Log and Now are
// required.
type Config struct {
	DB      *metadb.DB
	Store   *blockstore.Store
	Queue   *task.Queue
	Volumes durable.FS // one directory for each volume that was ever opened
	Log     *slog.Logger
	Now     func() time.Time
}

// Service has the verbs of snapshots and volumes. Its methods may be called
// concurrently.
type Service struct {
	db      *metadb.DB
	store   *blockstore.Store
	queue   *task.Queue
	volumes durable.FS
	log     *slog.Logger
	now     func() time.Time

	// onSnapshot is called in the transaction that ends a snapshot.
	onSnapshot func(*metadb.Tx, *origami.Snapshot) error

	mu   sync.Mutex // guards open
	open map[origami.VolumeID]*device
}

// New builds the service and registers its task handlers with the queue.
func New(c Config) *Service {
	s := &Service{
		db:         c.DB,
		store:      c.Store,
		queue:      c.Queue,
		volumes:    c.Volumes,
		log:        c.Log,
		now:        c.Now,
		onSnapshot: func(*metadb.Tx, *origami.Snapshot) error { return nil },
		open:       make(map[origami.VolumeID]*device),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	c.Queue.Handle(taskSnapshot, task.Handler{Run: s.runSnapshot, Failed: s.snapshotFailed})
	c.Queue.Handle(taskRemove, task.Handler{Run: s.runRemove})
	return s
}

// OnSnapshot sets the function that hears of every snapshot that completes or
// fails, inside the transaction that says so. It is set once, before the queue
// serves.
func (s *Service) OnSnapshot(f func(*metadb.Tx, *origami.Snapshot) error) { s.onSnapshot = f }

// Close closes every open volume. Nothing may use the service afterwards.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for id, d := range s.open {
		if err := d.dev.Close(); err != nil && first == nil {
			first = fmt.Errorf("close %s: %w", id, err)
		}
	}
	clear(s.open)
	return first
}

// device is an open volume and the number of its users.
type device struct {
	id    origami.VolumeID
	users int
	ready chan struct{} // closed when dev or err is set
	dev   *overlay.Device
	base  *blockstore.Image // what it first read from, for statistics; may be nil
	err   error
}

// Open opens a volume for reading and writing. Every Open is paired with a
// [Volume.Close]; the same device is handed to all.
func (s *Service) Open(ctx context.Context, region origami.Region, id origami.VolumeID) (*Volume, error) {
	s.mu.Lock()
	d, ok := s.open[id]
	if ok {
		d.users++
		s.mu.Unlock()
		<-d.ready
		if d.err != nil {
			return nil, d.err
		}
		return &Volume{Device: d.dev, s: s, d: d}, nil
	}
	d = &device{id: id, users: 1, ready: make(chan struct{})}
	s.open[id] = d
	s.mu.Unlock()

	d.err = s.openDevice(ctx, region, d)
	close(d.ready)
	if d.err != nil {
		s.mu.Lock()
		delete(s.open, id)
		s.mu.Unlock()
		return nil, d.err
	}
	return &Volume{Device: d.dev, s: s, d: d}, nil
}

// Volume is an open volume.
type Volume struct {
	*overlay.Device
	s    *Service
	d    *device
	once sync.Once
}

// Close gives the volume back. The device closes, after a flush, when its last
// user has done so.
func (v *Volume) Close() error {
	var err error
	v.once.Do(func() { err = v.s.release(v.d) })
	return err
}

// Touched counts the blocks of the volume's snapshot that were read since it
// was opened, and those that hold data. Both are 0 for a volume made empty.
func (v *Volume) Touched(ctx context.Context) (read, data int64, err error) {
	if v.d.base == nil {
		return 0, 0, nil
	}
	return v.d.base.Touched(ctx)
}

// release drops one user of d and closes it after the last.
func (s *Service) release(d *device) error {
	s.mu.Lock()
	d.users--
	if d.users > 0 {
		s.mu.Unlock()
		return nil
	}
	// Closed under the lock: an Open that follows must find the state that
	// this close leaves.
	defer s.mu.Unlock()
	delete(s.open, d.id)
	if err := d.dev.Close(); err != nil {
		return fmt.Errorf("close volume %s: %w", d.id, err)
	}
	return nil
}
