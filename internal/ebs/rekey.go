package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/task"
)

// An encrypted volume that is made of a snapshot with another key, or none, can
// be used at once: it reads what it has not written from the disk of the
// snapshot, as that is. Meanwhile a task encrypts that disk with the volume's
// key, and then puts the volume on the result. From then on neither the
// snapshot's key nor its owner matters. What the guest writes lies above the
// base, and is not touched.
//
// How far the task is stands in the row of the volume (Rekey), with the manifest
// roots that have to be kept for it. A snapshot of the volume can only be stored
// over a base in its own domain: it takes part in the same work, and goes on
// where the task has come to.

// foreign reports whether a disk must be encrypted anew to be one of a domain.
func foreign(root blockstore.Root, d blockstore.Domain) bool {
	return root != blockstore.Root{} && root.Domain != d
}

// standsForeign reports whether an encrypted volume stands on a disk that is not
// encrypted with its key. A volume whose files cannot be read does not.
func (s *Service) standsForeign(v *origami.Volume) bool {
	if !v.Encrypted || v.Fault != "" {
		return false
	}
	label, err := s.baseOf(v)
	if err != nil {
		return false
	}
	root, err := parseRoot(label)
	return err == nil && foreign(root, blockstore.Domain(v.KMSKey))
}

func (s *Service) queueRekey(tx *metadb.Tx, v *origami.Volume) error {
	return s.queue.Add(tx, volumeTask(taskRekey, v))
}

// rekeyWorkers is how many goroutines encrypt in the background: the guest that
// is starting on the volume comes first.
const rekeyWorkers = 1

// runRekey encrypts what a volume began with by the volume's own key. It is
// tried until that is done or the volume is gone.
func (s *Service) runRekey(ctx context.Context, run *task.Run) error {
	id, region := origami.VolumeID(run.Task.Resource), run.Task.Region
	exists := func() error {
		return s.db.View(ctx, func(tx *metadb.Tx) error {
			_, err := tx.Volume(region, metadb.System, id)
			return err
		})
	}
	// What pending snapshots of a volume that is gone need is done for them.
	err := exists()
	if isGone(err) {
		return nil
	}
	if err != nil {
		return task.Retry(err)
	}
	v, err := s.Open(ctx, region, id)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return task.Retry(err)
	}
	defer s.closeVolume(v)
	last := s.now()
	err = s.rekey(ctx, region, v, rekeying{workers: rekeyWorkers, progress: func(done, total int64) {
		run.Progress(int(min(99, 100*done/max(total, 1))), fmt.Sprintf("encrypting what %s began with", id))
	}, check: func() error {
		if now := s.now(); now.Sub(last) < time.Second {
			return nil
		}
		last = s.now()
		return exists()
	}})
	if isGone(err) {
		return nil
	}
	if errors.Is(err, blockstore.ErrCorrupt) {
		return err
	}
	return task.Retry(err)
}

// rekeying is how to encrypt the base of a volume anew. The zero value does it
// as fast as it can and tells nobody.
type rekeying struct {
	workers  int                // 0 for all there are, and not to wait for others who do the same
	snapshot origami.SnapshotID // pending, that it is done for; it remembers how far that is when the volume's row is gone
	progress func(done, total int64)
	check    func() error // its error ends the work
}

// rekey puts a volume on a base in its own domain, if it does not stand on one.
// The files of a volume whose row is gone are changed as well, since snapshots of
// it may be pending.
func (s *Service) rekey(ctx context.Context, region origami.Region, v *Volume, r rekeying) error {
	select {
	case v.d.rekey <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-v.d.rekey }()
	label := v.Base()
	from, err := parseRoot(label)
	if err != nil {
		return err
	}
	n := rekeyNotes{s: s, region: region, volume: v.d.id, snapshot: r.snapshot, from: label}
	if !foreign(from, v.domain()) {
		return n.end(ctx, nil)
	}
	if r.workers != 0 {
		end, err := s.takeTurn(ctx, turn{from, v.domain()})
		if err != nil {
			return err
		}
		defer end()
	}
	root, found, err := s.alike(ctx, n, from, v.domain())
	if err == nil && !found {
		root, err = s.encryptAnew(ctx, n, from, v.domain(), r)
	}
	if err != nil {
		return err
	}
	img, err := s.store.Image(ctx, root)
	if err != nil {
		return err
	}
	if err := v.ReplaceBase(label, root.String(), img); err != nil {
		return err
	}
	return n.end(ctx, &origami.VolumeRekeyed{From: label, Root: root.String()})
}

// encryptAnew makes a disk in another domain of one, from where an earlier run
// came to. The result is kept by a row when it returns.
func (s *Service) encryptAnew(ctx context.Context, n rekeyNotes, from blockstore.Root, to blockstore.Domain, r rekeying) (blockstore.Root, error) {
	o := blockstore.CopyOptions{Every: s.copyEvery, Workers: r.workers}
	var err error
	if o.From, err = n.checkpoint(ctx); err != nil {
		return blockstore.Root{}, err
	}
	percent := 0
	o.Save = func(c blockstore.Checkpoint) error { return n.save(ctx, c, percent) }
	last := s.now()
	o.Progress = func(done, total int64) error {
		percent = int(min(99, 100*done/max(total, 1)))
		if r.progress != nil {
			r.progress(done, total)
		}
		if r.check != nil {
			if err := r.check(); err != nil {
				return err
			}
		}
		if now := s.now(); now.Sub(last) >= time.Second {
			last = now
			return n.change(ctx, func(r *origami.VolumeRekey) { r.Progress = max(r.Progress, percent) })
		}
		return nil
	}
	root, err := s.store.Copy(ctx, from, to, o)
	if err != nil {
		return root, err
	}
	return root, n.save(ctx, whole(root), percent)
}

// whole is the checkpoint of a disk that is done.
func whole(root blockstore.Root) blockstore.Checkpoint {
	return blockstore.Checkpoint{Root: root, Block: (root.Size + blockstore.BlockSize - 1) / blockstore.BlockSize}
}
