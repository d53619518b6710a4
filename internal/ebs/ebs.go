// Package ebs is the life of snapshots and volumes: a volume is a lazy,
// writable view of a snapshot; a snapshot is the content of a volume at one
// instant, held by the block store and independent of everything else.
//
// A verb that takes a *metadb.Tx writes rows only. Bytes move in tasks and in
// the verbs that say so. The order of effects is always bytes first, rows
// after: no row names bytes that could still be lost, and bytes without rows
// are garbage; [Service.Recover] removes that of volumes.
package ebs

import (
	"log/slog"
	"math"
	"sync"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/task"
)

// GiB is the unit of volume sizes.
const GiB = 1 << 30

// Config is what a [Service] is built of. DB, Store, Queue and Volumes are
// required.
type Config struct {
	DB      *metadb.DB
	Store   *blockstore.Store
	Queue   *task.Queue
	Volumes durable.FS // one directory for each volume that was ever opened, one file for each upload
	Log     *slog.Logger
	Now     func() time.Time

	// MaxVolumes is how many volumes an account may have in a region. Zero
	// means any number.
	MaxVolumes int
	Limits     Limits

	// CopyEvery is how many bytes of data lie between the checkpoints of work
	// that encrypts disks anew: what the block store thinks best if it is zero.
	CopyEvery int64

	// Boot names the run of the operating system, and must differ after it has
	// crashed. The system is asked if it is empty.
	Boot string

	// KMS has the keys that snapshots and volumes are encrypted with. Without
	// it nothing is.
	KMS *kms.Service
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
	boot    string
	keys    Keys

	copyEvery int64

	maxVolumes int
	limits     Limits

	// onSnapshot is called in the transaction that ends a snapshot.
	onSnapshot func(*metadb.Tx, *origami.Snapshot) error

	mu       sync.Mutex // guards the following, and the users of devices
	open     map[origami.VolumeID]*device
	freezing map[*Frozen]struct{} // whose layers no row may name yet
	uploads  map[origami.SnapshotID]*upload
	turns    map[turn]*turnQueue // of those who encrypt anew
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
		boot:       c.Boot,
		copyEvery:  c.CopyEvery,
		maxVolumes: c.MaxVolumes,
		keys:       Keys{DB: c.DB, KMS: c.KMS},
		limits:     c.Limits,
		onSnapshot: func(*metadb.Tx, *origami.Snapshot) error { return nil },
		open:       make(map[origami.VolumeID]*device),
		freezing:   make(map[*Frozen]struct{}),
		uploads:    make(map[origami.SnapshotID]*upload),
		turns:      make(map[turn]*turnQueue),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	c.Queue.Handle(taskSnapshot, task.Handler{Run: s.runSnapshot, Failed: s.snapshotFailed})
	c.Queue.Handle(taskCopy, task.Handler{Run: s.runCopy, Failed: s.snapshotFailed})
	c.Queue.Handle(taskCreate, task.Handler{Run: s.runCreate, Failed: s.createFailed, MaxAttempts: createAttempts})
	c.Queue.Handle(taskCopyVolume, task.Handler{Run: s.runCopyVolume, Failed: s.createFailed})
	// Files are not left behind for having been in use for long.
	c.Queue.Handle(taskRemove, task.Handler{Run: s.runRemove, MaxAttempts: math.MaxInt})
	// A key that cannot be used may be usable again.
	c.Queue.Handle(taskRekey, task.Handler{Run: s.runRekey, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskUpload, task.Handler{Run: s.runUpload, Failed: s.snapshotFailed})
	c.Queue.Handle(taskUploadTimeout, task.Handler{Run: s.runUploadTimeout, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskUploadDrop, task.Handler{Run: s.runUploadDrop, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskExpire, task.Handler{Run: s.runExpire, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskTier, task.Handler{Run: s.runTier, Failed: s.tierFailed})
	c.Queue.Handle(taskTierExpire, task.Handler{Run: s.runTierExpire, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskFastRestore, task.Handler{Run: s.runFastRestore})
	return s
}

// OnSnapshot sets the function that hears of every snapshot that completes or
// fails, inside the transaction that says so. It is set once, before the queue
// serves.
func (s *Service) OnSnapshot(f func(*metadb.Tx, *origami.Snapshot) error) { s.onSnapshot = f }

// Now is the time by the clock of the service.
func (s *Service) Now() time.Time { return s.now() }
