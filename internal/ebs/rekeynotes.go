package ebs

import (
	"context"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
)

// rekeyNotes are the rows that remember how far the encryption of a volume has
// come: the volume's, or the pending snapshot's that it is done for when that is
// gone. What they name is kept in the store.
type rekeyNotes struct {
	s        *Service
	region   origami.Region
	volume   origami.VolumeID
	snapshot origami.SnapshotID // "" if it is done for none
	from     string             // label of what is encrypted
}

// checkpoint is how far an earlier run came.
func (n rekeyNotes) checkpoint(ctx context.Context) (c blockstore.Checkpoint, err error) {
	var r *origami.VolumeRekey
	err = n.s.db.View(ctx, func(tx *metadb.Tx) error {
		r = nil
		v, err := tx.Volume(n.region, metadb.System, n.volume)
		if err == nil {
			r = v.Rekey
			return nil
		}
		if !isGone(err) {
			return err
		}
		snap, err := n.pending(tx)
		if snap != nil {
			r = snap.Rekey
		}
		return err
	})
	if err != nil || r == nil || r.From != n.from || r.Part == "" {
		return c, err
	}
	part, err := parseRoot(r.Part)
	return blockstore.Checkpoint{Root: part, Block: r.Block}, err
}

// pending is the snapshot, or nil if there is none that is pending.
func (n rekeyNotes) pending(tx *metadb.Tx) (*origami.Snapshot, error) {
	if n.snapshot == "" {
		return nil, nil
	}
	snap, err := tx.Snapshot(n.region, metadb.System, n.snapshot)
	if isNoSnapshot(err) || err == nil && snap.State != origami.SnapshotPending {
		return nil, nil
	}
	return snap, err
}

// save notes how far the work is durable.
func (n rekeyNotes) save(ctx context.Context, c blockstore.Checkpoint, percent int) error {
	return n.change(ctx, func(r *origami.VolumeRekey) {
		r.Part, r.Block, r.Progress = c.Root.String(), c.Block, max(r.Progress, percent)
	})
}

// change changes the note, if there is still a row for it.
func (n rekeyNotes) change(ctx context.Context, f func(*origami.VolumeRekey)) error {
	apply := func(at **origami.VolumeRekey) {
		if *at == nil || (*at).From != n.from {
			*at = &origami.VolumeRekey{From: n.from}
		}
		f(*at)
	}
	return n.s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(n.region, n.volume, func(v *origami.Volume) error {
			apply(&v.Rekey)
			return nil
		})
		if !isGone(err) {
			return err
		}
		snap, err := n.pending(tx)
		if err != nil || snap == nil {
			return err
		}
		_, err = tx.UpdateSnapshot(n.region, n.snapshot, func(snap *origami.Snapshot) error {
			apply(&snap.Rekey)
			return nil
		})
		return err
	})
}

// end notes that the volume stands on a disk with its own key. done, if not nil, is
// what it was put on now. A snapshot forgets with its end.
func (n rekeyNotes) end(ctx context.Context, done *origami.VolumeRekeyed) error {
	err := n.s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(n.region, n.volume, func(v *origami.Volume) error {
			v.Rekey = nil
			if done != nil {
				v.Rekeyed = done
			}
			if v.Copy != nil && v.Copy.Layer == 0 {
				v.Copy = nil // all of it is there
			}
			return nil
		})
		return err
	})
	if isGone(err) {
		return nil
	}
	return err
}

// bequeathRekey gives what a volume remembers of its encryption to its pending
// snapshots, when its row goes.
func bequeathRekey(tx *metadb.Tx, v *origami.Volume) error {
	if v.Rekey == nil || v.Rekey.Part == "" {
		return nil
	}
	var heirs []origami.SnapshotID
	for snap, err := range snapshotsOf(tx, v.Region, v.ID) {
		if err != nil {
			return err
		}
		if snap.State == origami.SnapshotPending {
			heirs = append(heirs, snap.ID)
		}
	}
	for _, id := range heirs {
		_, err := tx.UpdateSnapshot(v.Region, id, func(snap *origami.Snapshot) error {
			r := *v.Rekey
			snap.Rekey = &r
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
