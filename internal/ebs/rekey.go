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
		return s.db.View(ctx, func(tx *metadb.Tx) error {
			_, err := tx.Volume(region, metadb.System, id)
			return err
		})
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
	workers  int
	progress func(done, total int64)
	check    func() error // its error ends the work
}

// rekey puts a volume on a base in its own domain, if it does not stand on one.
// The files of a volume whose row is gone are changed as well, since snapshots of
// it may be pending; then nobody remembers how far the work has come.
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
	if foreign(from, v.domain()) {
		o, err := s.rekeyOptions(ctx, region, v, label, r)
		if err != nil {
			return err
		}
		root, err := s.store.Copy(ctx, from, v.domain(), o)
		if err != nil {
			return err
		}
		// The result is kept by the row before the volume stands on it.
		if err := o.Save(blockstore.Checkpoint{Root: root, Block: (root.Size + blockstore.BlockSize - 1) / blockstore.BlockSize}); err != nil {
			return err
		}
		img, err := s.store.Image(ctx, root)
		if err != nil {
			return err
		}
		if err := v.ReplaceBase(label, root.String(), img); err != nil {
			return err
		}
	}
	return s.noteRekey(ctx, region, v.d.id, func(v *origami.Volume) {
		v.Rekey = nil
		if v.Copy != nil && v.Copy.Layer == 0 {
			v.Copy = nil // all of it is there
		}
	})
}

// rekeyOptions has the work begin where an earlier run came to, and tell how far
// it is.
func (s *Service) rekeyOptions(ctx context.Context, region origami.Region, v *Volume, label string, r rekeying) (blockstore.CopyOptions, error) {
	id, percent := v.d.id, 0
	o := blockstore.CopyOptions{Every: s.copyEvery, Workers: r.workers}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		row, err := tx.Volume(region, metadb.System, id)
		if err != nil || row.Rekey == nil || row.Rekey.From != label || row.Rekey.Part == "" {
			return err
		}
		part, err := parseRoot(row.Rekey.Part)
		o.From = blockstore.Checkpoint{Root: part, Block: row.Rekey.Block}
		return err
	})
	if err != nil && !isGone(err) {
		return o, err
	}
	note := func(f func(*origami.VolumeRekey)) error {
		return s.noteRekey(ctx, region, id, func(v *origami.Volume) {
			if v.Rekey == nil || v.Rekey.From != label {
				v.Rekey = &origami.VolumeRekey{From: label}
			}
			f(v.Rekey)
			v.Rekey.Progress = max(v.Rekey.Progress, percent)
		})
	}
	o.Save = func(c blockstore.Checkpoint) error {
		return note(func(r *origami.VolumeRekey) { r.Part, r.Block = c.Root.String(), c.Block })
	}
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
			return note(func(*origami.VolumeRekey) {})
		}
		return nil
	}
	return o, nil
}

// noteRekey changes the row of a volume, if it is still there.
func (s *Service) noteRekey(ctx context.Context, region origami.Region, id origami.VolumeID, f func(*origami.Volume)) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(region, id, func(v *origami.Volume) error {
			f(v)
			return nil
		})
		return err
	})
	if isGone(err) {
		return nil
	}
	return err
}
