// Package vmie is VM Import/Export: it turns disks that come from outside into
// snapshots and images.
//
// There is one way in. Whatever brings the bytes, a disk passes through
// [Service.ImportDisk]: its format is found out by our own readers, its bytes
// go through ebs.Ingest, and its image is promised before the first byte and
// available with the last.
package vmie

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"origami"
	"origami/disk"
	"origami/disk/format"
	"origami/internal/ami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/task"
)

// taskImport moves a disk into the store. Its resource is the snapshot.
const taskImport = "vmie.import"

// rootDevice is the device name of the root of imported images.
const rootDevice = "/dev/sda1"

// interrupted is why an import failed whose process is gone: its source went
// with it.
func interrupted() error {
	return origami.Errorf(origami.CodeInternalError,
		"The import was interrupted because the service stopped. Deregister the image and import the disk again.")
}

// Request says what to make of a disk.
type Request struct {
	Name         string
	Description  string
	Format       string // "raw", "qcow2", …; "" to find out
	Architecture origami.Architecture
	Tags         origami.Tags
}

// Progress tells how far an import is. All but Format are bytes.
type Progress struct {
	Image    origami.ImageID    `json:"imageId"`
	Snapshot origami.SnapshotID `json:"snapshotId"`
	Format   string             `json:"format"`
	Done     int64              `json:"done"`   // of the disk, holes included
	Total    int64              `json:"total"`  // size of the disk
	Data     int64              `json:"data"`   // read, because they are no holes
	Stored   int64              `json:"stored"` // added to the store, after dedupe and compression
}

// Service imports disks. Its methods may be called concurrently.
type Service struct {
	db    *metadb.DB
	ebs   *ebs.Service
	ami   *ami.Service
	queue *task.Queue

	mu   sync.Mutex // guards jobs
	jobs map[origami.SnapshotID]*job
}

// New builds the service and registers its task handler with the queue.
func New(db *metadb.DB, e *ebs.Service, a *ami.Service, q *task.Queue) *Service {
	s := &Service{db: db, ebs: e, ami: a, queue: q, jobs: make(map[origami.SnapshotID]*job)}
	q.Handle(taskImport, task.Handler{Run: s.run, Failed: s.failed})
	return s
}

// job is an import whose source this process has open.
type job struct {
	ctx      context.Context // of who waits for it
	disk     disk.Image
	image    *origami.Image
	key      string // of the snapshot; empty if it is not encrypted
	progress func(Progress)
	at       Progress
	done     chan error // receives the outcome, once
}

// ImportDisk makes an image of a disk of size bytes and returns it when it is
// available. The source must stay open until then. progress, if not nil, is
// called from one goroutine at a time.
//
// A disk that cannot be read leaves nothing behind. If the service dies
// meanwhile, the image is failed when it comes back, with a reason.
func (s *Service) ImportDisk(ctx context.Context, who origami.Caller, r Request, src io.ReaderAt, size int64, progress func(Progress)) (*origami.Image, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	d, name, err := openDisk(r.Format, src, size)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	j := &job{ctx: ctx, disk: d, progress: progress, done: make(chan error, 1)}
	j.at = Progress{Format: name, Total: d.Size()}
	if err := s.promise(ctx, who, r, j); err != nil {
		return nil, err
	}
	select {
	case err = <-j.done:
	case <-ctx.Done():
		s.abandon(j)
		err = <-j.done
	}
	if err != nil {
		return nil, err
	}
	err = s.db.View(context.WithoutCancel(ctx), func(tx *metadb.Tx) (err error) {
		j.image, err = tx.Image(who.Region, who.Account, j.image.ID)
		return err
	})
	return j.image, err
}

// openDisk finds the format of a disk and opens it.
func openDisk(name string, src io.ReaderAt, size int64) (disk.Image, string, error) {
	d, name, err := openFormat(name, src, size)
	if err != nil {
		return nil, "", formatError(err)
	}
	if d.Size() == 0 {
		d.Close()
		return nil, "", origami.Errorf("InvalidFormat", "The disk image cannot be imported: it is empty")
	}
	return fenced{d}, name, nil
}

func openFormat(name string, src io.ReaderAt, size int64) (disk.Image, string, error) {
	if name == "" {
		return format.Open(src, size)
	}
	d, err := format.OpenAs(name, src, size)
	return d, name, err
}

// promise records the pending image and snapshot and queues the import.
func (s *Service) promise(ctx context.Context, who origami.Caller, r Request, j *job) error {
	if err := ami.CheckName(r.Name); err != nil {
		return err
	}
	if err := ami.CheckDescription(r.Description); err != nil {
		return err
	}
	if r.Architecture == "" {
		r.Architecture = origami.X8664
	}
	if !ami.KnownArchitecture(r.Architecture) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter architecture is invalid.", r.Architecture)
	}
	gib := ebs.GiBs(j.disk.Size())
	volumeType := origami.GP2
	if _, err := (ebs.Shape{Type: volumeType, Size: gib}).Decide(); err != nil {
		volumeType = origami.GP3 // has room for more
	}
	shape, err := ebs.Shape{Type: volumeType, Size: gib}.Decide()
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		s.take(j.at.Snapshot) // of an attempt before
		img := &origami.Image{
			ID: origami.NewImageID(), Region: who.Region, Owner: who.Account,
			Name: r.Name, Description: r.Description,
			Architecture: r.Architecture, VirtualizationType: origami.HVM, ENASupport: true,
			RootDeviceType: "ebs", RootDeviceName: rootDevice,
		}
		snap, err := s.ebs.NewSnapshot(tx, who, gib, fmt.Sprintf("Created by import for %s", img.ID), r.Tags)
		if err != nil {
			return err
		}
		yes := true
		img.BlockDevices = []origami.BlockDevice{{DeviceName: rootDevice, EBS: &origami.EBSBlockDevice{
			Snapshot: snap.ID, VolumeSize: gib, VolumeType: volumeType, Throughput: shape.Throughput,
			DeleteOnTermination: &yes, Encrypted: &snap.Encrypted,
		}}}
		if volumeType != origami.GP2 { // which derives its IOPS
			img.BlockDevices[0].EBS.IOPS = shape.IOPS
		}
		if err := s.ami.Promise(tx, img, r.Tags); err != nil {
			return err
		}
		j.image, j.key = img, snap.KMSKey
		j.at.Image, j.at.Snapshot = img.ID, snap.ID
		s.mu.Lock()
		s.jobs[snap.ID] = j
		s.mu.Unlock()
		return s.queue.Add(tx, &origami.Task{Kind: taskImport, Region: who.Region, Owner: who.Account, Resource: string(snap.ID)})
	})
	if err != nil {
		s.take(j.at.Snapshot)
	}
	return err
}

// take returns the job of a snapshot, once.
func (s *Service) take(id origami.SnapshotID) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	delete(s.jobs, id)
	return j
}

// abandon ends a job that nobody waits for any more and that has not begun.
func (s *Service) abandon(j *job) {
	if s.take(j.at.Snapshot) != nil {
		why := j.ctx.Err()
		j.done <- errors.Join(why, s.undo(j))
	}
}

// run does an import. The source lives in this process only, so that a task
// that is begun again after a crash fails.
func (s *Service) run(ctx context.Context, run *task.Run) error {
	j := s.take(origami.SnapshotID(run.Task.Resource))
	if j == nil {
		return s.orphaned(ctx, run.Task.Region, origami.SnapshotID(run.Task.Resource))
	}
	outcome := errors.New("the import panicked")
	defer func() { j.done <- outcome }() // somebody waits, whatever happens
	// The task ends with the queue, and with whoever waits for the image.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(j.ctx, cancel)()
	if outcome = s.move(ctx, run, j); outcome == nil {
		return nil
	}
	outcome = formatError(outcome)
	if err := s.undo(j); err != nil {
		outcome = errors.Join(outcome, err)
		return outcome // the rows are there and will say why
	}
	return nil
}

// orphaned is the end of an import whose source this process does not have:
// unless its rows were removed, it failed.
func (s *Service) orphaned(ctx context.Context, region origami.Region, id origami.SnapshotID) error {
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		_, err := tx.Snapshot(region, metadb.System, id)
		return err
	})
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
		return nil
	}
	return errors.Join(interrupted(), err)
}

// move stores the disk and completes its snapshot, and with it the image.
func (s *Service) move(ctx context.Context, run *task.Run, j *job) error {
	j.progress(j.at)
	content, err := s.ebs.Ingest(ctx, j.disk, j.key, func(p disk.Progress, w blockstore.WriterStats) {
		j.at.Done, j.at.Data, j.at.Stored = p.Done, p.Data, w.StoredBytes
		j.progress(j.at)
		run.Progress(int(99*p.Done/max(1, p.Total)), "storing the disk")
	})
	if err != nil {
		return err
	}
	j.at.Stored = content.Stats.StoredBytes
	j.progress(j.at)
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		img, err := tx.Image(j.image.Region, metadb.System, j.image.ID)
		if err != nil {
			return err
		}
		if img.State != origami.ImagePending { // deregistering it cancels the import
			return ami.Unavailable(img.ID)
		}
		return s.ebs.CompleteSnapshot(tx, j.image.Region, j.at.Snapshot, content)
	})
}

// undo removes the image and the snapshot of an import that failed and whose
// caller is told why. An image that its owner deregistered meanwhile stays so.
func (s *Service) undo(j *job) error {
	region := j.image.Region
	return s.db.Update(context.WithoutCancel(j.ctx), func(tx *metadb.Tx) error {
		img, err := tx.Image(region, metadb.System, j.image.ID)
		if err == nil && !img.Gone() {
			err = tx.DeleteImage(region, img.ID)
		}
		if err != nil {
			return err
		}
		err = tx.DeleteSnapshot(region, j.at.Snapshot)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
			return nil // its owner deleted it
		}
		return err
	})
}

// formatError lets the caller see what is wrong with its disk. Other errors
// stay as they are.
func formatError(err error) error {
	if errors.Is(err, disk.ErrFormat) || errors.Is(err, disk.ErrUnsupported) {
		return origami.Errorf("InvalidFormat", "The disk image cannot be imported: %v", err)
	}
	return err
}

// failed shows why an import failed on its snapshot, and so on its image.
func (s *Service) failed(tx *metadb.Tx, t *origami.Task, reason string) error {
	return s.ebs.FailSnapshot(tx, t.Region, origami.SnapshotID(t.Resource), reason)
}
