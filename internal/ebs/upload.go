package ebs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/metadb"
	"origami/internal/task"
)

// uploadSuffix ends the name of the log of an upload, beside the directories
// of volumes.
const uploadSuffix = ".upload"

func uploadName(id origami.SnapshotID) string { return string(id) + uploadSuffix }

// uploadOf is the snapshot that a name is the log of, if it is one.
func uploadOf(name string) (origami.SnapshotID, bool) {
	id, ok := strings.CutSuffix(strings.TrimSuffix(name, durable.TempSuffix), uploadSuffix)
	if !ok {
		return "", false
	}
	snap, err := origami.ParseSnapshotID(id)
	return snap, err == nil
}

// upload is a log that is open.
type upload struct {
	ready chan struct{} // closed when err, snap and log are valid
	err   error
	snap  *origami.Snapshot // as it was when the log was opened
	log   *blockstore.Upload

	mu    sync.RWMutex // held for reading while a block is put
	ended bool         // no block is put any more; by mu

	progressMu sync.Mutex // never held while anything is written
	shown      time.Time  // when progress was written last; by progressMu
}

// openUpload finds the log of a pending snapshot, opening it at first use.
func (s *Service) openUpload(ctx context.Context, region origami.Region, id origami.SnapshotID) (*upload, error) {
	s.mu.Lock()
	u := s.uploads[id]
	opens := u == nil
	if opens {
		u = &upload{ready: make(chan struct{})}
		s.uploads[id] = u
	}
	s.mu.Unlock()
	if opens {
		// The work is for all who wait, whoever goes away meanwhile.
		u.err = s.readUpload(context.WithoutCancel(ctx), region, id, u)
		if u.err != nil {
			s.mu.Lock()
			delete(s.uploads, id)
			s.mu.Unlock()
		}
		close(u.ready)
	}
	select {
	case <-u.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if u.err == nil && u.snap.Region != region {
		return nil, noSnapshot(id, origami.NotFound(id))
	}
	return u, u.err
}

func (s *Service) readUpload(ctx context.Context, region origami.Region, id origami.SnapshotID, u *upload) error {
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		u.snap, err = tx.Snapshot(region, metadb.System, id)
		return err
	})
	if err != nil {
		return noSnapshot(id, err)
	}
	if u.snap.Upload == nil || u.snap.State != origami.SnapshotPending {
		return notPending(id)
	}
	u.ended = u.snap.Upload.Completing
	if u.log, err = s.store.OpenUpload(s.volumes, uploadName(id)); err != nil {
		return fmt.Errorf("snapshot %s: %w", id, err)
	}
	return nil
}

func notPending(id origami.SnapshotID) error {
	return origami.Errorf(origami.CodeValidationException, "The snapshot %s is not in the pending state.", id).
		Because(origami.ReasonInvalidSnapshotID)
}

// last is when something was written to the upload.
func (u *upload) last() time.Time {
	if t := u.log.Last(); t.After(u.snap.Started) {
		return t
	}
	return u.snap.Started
}

// expired reports whether the upload has been left alone for too long.
func (u *upload) expired(now time.Time) bool { return now.Sub(u.last()) >= u.snap.Upload.Timeout }

// ownUpload opens the log of a pending snapshot of the caller's.
func (s *Service) ownUpload(ctx context.Context, who origami.Caller, id origami.SnapshotID) (*upload, error) {
	s.mu.Lock()
	u := s.uploads[id]
	s.mu.Unlock()
	if u == nil || !u.isOf(who) {
		// Ask before anything is read for somebody who has no right to it.
		if _, err := s.uploadState(ctx, who, id); err != nil {
			return nil, err
		}
	}
	return s.openUpload(ctx, who.Region, id)
}

// isOf reports whether the log is open and the caller's.
func (u *upload) isOf(who origami.Caller) bool {
	select {
	case <-u.ready:
		return u.err == nil && u.snap.Owner == who.Account && u.snap.Region == who.Region
	default:
		return false
	}
}

// isRefusal reports whether err is for the caller to see.
func isRefusal(err error) bool {
	var e *origami.Error
	return errors.As(err, &e)
}

// PutBlock writes a block of a pending snapshot of the caller's, whose SHA-256
// is digest. When it returns nil the block outlives a crash. progress, unless
// negative, is how much of the snapshot is written, in percent.
func (s *Service) PutBlock(ctx context.Context, who origami.Caller, id origami.SnapshotID, n int64, digest [32]byte, block []byte, progress int) error {
	u, err := s.ownUpload(ctx, who, id)
	if err != nil {
		return err
	}
	if n < 0 || n >= u.snap.VolumeSize*BlocksPerGiB {
		return badBlock(u.snap, n)
	}
	if err := s.mayWrite(ctx, who, u.snap); err != nil {
		return err
	}
	if err := s.putBlock(u, n, digest, block); err != nil {
		return keyError(u.snap.KMSKey, err)
	}
	if progress < 0 {
		return nil
	}
	if !u.progressDue() {
		return nil
	}
	return s.setProgress(ctx, u.snap.Region, id, min(progress, 99))
}

// progressDue reports whether it is time to write the progress again, and then
// leaves that to its caller.
func (u *upload) progressDue() bool {
	u.progressMu.Lock()
	defer u.progressMu.Unlock()
	now := time.Now()
	if now.Sub(u.shown) < time.Second {
		return false
	}
	u.shown = now
	return true
}

func (s *Service) putBlock(u *upload, n int64, digest [32]byte, block []byte) error {
	u.mu.RLock()
	defer u.mu.RUnlock()
	now := s.now()
	switch {
	case u.ended:
		return notPending(u.snap.ID)
	case u.expired(now):
		return origami.Errorf(origami.CodeValidationException, "The snapshot %s was not written to for too long.", u.snap.ID).
			Because(origami.ReasonWriteRequestTimeout)
	}
	return u.log.Put(n, digest, block, now)
}

// CompleteUpload declares a pending snapshot of the caller's complete: changed
// blocks were put, and if sum is given, it is the SHA-256 of their SHA-256s in
// ascending order. Whether that is so is found out later; a snapshot of which
// it is not true fails. The answer is the state of now.
func (s *Service) CompleteUpload(ctx context.Context, who origami.Caller, id origami.SnapshotID, changed int64, sum *[32]byte) (origami.SnapshotState, error) {
	if state, err := s.uploadState(ctx, who, id); err != nil || state != "" {
		return state, err
	}
	u, err := s.ownUpload(ctx, who, id)
	if err != nil {
		return "", err
	}
	if err := s.mayWrite(ctx, who, u.snap); err != nil {
		return "", err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended && u.expired(s.now()) {
		return "", origami.Errorf(origami.CodeValidationException, "The snapshot %s was not written to for too long.", id).
			Because(origami.ReasonWriteRequestTimeout)
	}
	var state origami.SnapshotState
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		first := false
		snap, err := tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
			if first = snap.State == origami.SnapshotPending && !snap.Upload.Completing; first {
				snap.Upload.Completing, snap.Upload.Changed = true, changed
				if sum != nil {
					snap.Upload.Sum = sum[:]
				}
			}
			return nil
		})
		if err != nil {
			return noSnapshot(id, err)
		}
		state = snap.State
		if !first {
			return nil
		}
		return s.queue.Add(tx, snapshotTask(taskUpload, snap))
	})
	if err != nil {
		return "", err
	}
	u.ended = true
	return state, nil
}

// uploadState is the state of a snapshot of the caller's that was completed
// before, and "" of one that was not.
func (s *Service) uploadState(ctx context.Context, who origami.Caller, id origami.SnapshotID) (state origami.SnapshotState, err error) {
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		snap, err := tx.Snapshot(who.Region, who.Account, id)
		if err != nil {
			return noSnapshot(id, err)
		}
		switch {
		case snap.Owner != who.Account:
			return origami.Errorf(origami.CodeAccessDeniedException, "The snapshot %s is not owned by your account.", id).
				Because(origami.ReasonUnauthorizedAccount)
		case snap.Upload == nil || snap.State == origami.SnapshotError:
			return notPending(id)
		case snap.Upload.Completing:
			state = snap.State
		}
		return nil
	})
	return state, err
}

// runUpload moves the blocks of an upload into the store and completes it.
func (s *Service) runUpload(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	u, err := s.openUpload(ctx, region, id)
	if isRefusal(err) {
		return nil // deleted, or completed by an earlier run
	}
	if err != nil {
		return err
	}
	// The log may have been opened before the snapshot was declared complete, and
	// who declared it may not have learned that it is.
	u.mu.Lock()
	u.ended = true
	u.mu.Unlock()
	var up *origami.SnapshotUpload
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		snap, err := tx.Snapshot(region, metadb.System, id)
		if err == nil {
			up = snap.Upload
		}
		return err
	})
	if err != nil {
		return task.Retry(err)
	}
	wrong, err := u.verify(ctx, up)
	if err == nil && wrong != "" {
		return s.failUpload(ctx, region, id, wrong)
	}
	if err == nil {
		err = s.commitUpload(ctx, run, u, up)
	}
	if fault := faultOf(err); fault != "" {
		return Failure(fault)
	}
	if errors.Is(err, blockstore.ErrCorrupt) {
		return err
	}
	return task.Retry(err)
}

// commitUpload moves the blocks of an upload into the store.
func (s *Service) commitUpload(ctx context.Context, run *task.Run, u *upload, up *origami.SnapshotUpload) error {
	base, err := parseRoot(up.Base)
	if err != nil {
		return err
	}
	root, err := u.log.Commit(ctx, base, s.snapshotProgress(ctx, run, u.snap))
	if err != nil {
		return err
	}
	return s.completeSnapshot(ctx, u.snap.Region, u.snap.ID, root)
}

// verify compares what was put with what the client says, and tells what is
// wrong.
func (u *upload) verify(ctx context.Context, up *origami.SnapshotUpload) (wrong string, err error) {
	if n := u.log.Blocks(); n != up.Changed {
		return fmt.Sprintf("%d blocks were put, and %d were declared", n, up.Changed), nil
	}
	if up.Sum == nil {
		return "", nil
	}
	sum, err := u.log.Sum(ctx)
	if err == nil && string(sum[:]) != string(up.Sum) {
		wrong = "The checksum of the blocks differs from the declared one"
	}
	return wrong, err
}

// runUploadTimeout fails an upload that was left alone, and otherwise looks
// again when it could be.
func (s *Service) runUploadTimeout(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	u, err := s.openUpload(ctx, region, id)
	switch {
	case isRefusal(err):
		return nil
	case errors.Is(err, blockstore.ErrCorrupt), errors.Is(err, fs.ErrNotExist):
		s.log.Error("an upload is lost", "snapshot", id, "err", err)
		return s.failUpload(ctx, region, id, "What was written is lost")
	case err != nil:
		return task.Retry(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.ended:
		return nil
	case u.log.Broken() != nil:
		err = s.failUpload(ctx, region, id, "What was written cannot be kept")
	case u.expired(s.now()):
		err = s.failUpload(ctx, region, id, "No block was written within the timeout")
	default:
		return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error {
			return s.later(tx, snapshotTask(taskUploadTimeout, u.snap), u.last().Add(u.snap.Upload.Timeout))
		}))
	}
	u.ended = err == nil
	return err
}

func (s *Service) failUpload(ctx context.Context, region origami.Region, id origami.SnapshotID, reason string) error {
	return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error { return s.FailSnapshot(tx, region, id, reason) }))
}

// dropUpload queues the removal of the log of a snapshot that ends, if it has
// one.
func (s *Service) dropUpload(tx *metadb.Tx, snap *origami.Snapshot) error {
	if snap.Upload == nil {
		return nil
	}
	return s.queue.Add(tx, snapshotTask(taskUploadDrop, snap))
}

// runUploadDrop removes the log of a snapshot that is not pending any more.
func (s *Service) runUploadDrop(_ context.Context, run *task.Run) error {
	id := origami.SnapshotID(run.Task.Resource)
	s.mu.Lock()
	u := s.uploads[id]
	s.mu.Unlock()
	if u != nil {
		<-u.ready
		if u.err == nil {
			u.mu.Lock()
			u.ended = true
			err := u.log.Close()
			u.mu.Unlock()
			if err != nil && !errors.Is(err, blockstore.ErrClosed) {
				s.log.Warn("close the log of an upload", "snapshot", id, "err", err)
			}
		}
		s.mu.Lock()
		if s.uploads[id] == u {
			delete(s.uploads, id)
		}
		s.mu.Unlock()
	}
	if err := s.volumes.Remove(uploadName(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return task.Retry(err)
	}
	return nil
}

// closeUploads closes all logs.
func (s *Service) closeUploads() error {
	s.mu.Lock()
	open := s.uploads
	s.uploads = make(map[origami.SnapshotID]*upload)
	s.mu.Unlock()
	var errs []error
	for _, u := range open {
		if <-u.ready; u.err == nil {
			errs = append(errs, u.log.Close())
		}
	}
	return errors.Join(errs...)
}
