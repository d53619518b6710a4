package ebs

import (
	"context"
	"errors"
	"fmt"
	"math"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// Frozen is the content of volumes at one instant, the same for all of them.
// Its layers stay until it is released, and then for as long as a pending
// snapshot, or a copy that is being created, names them.
type Frozen struct {
	s      *Service
	layers map[origami.VolumeID]overlay.LayerID // 0 until it is known; guarded by s.mu
}

// Layer is where the content of a volume is; ok is false for one that is not
// frozen here.
func (f *Frozen) Layer(id origami.VolumeID) (layer overlay.LayerID, ok bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	layer, ok = f.layers[id]
	return layer, ok
}

// Release lets go of the layers. It is called after the transaction that
// recorded the snapshots, or failed to. Releasing again does nothing.
func (f *Frozen) Release() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	delete(f.s.freezing, f)
}

// Freeze fixes the content of volumes at one instant, the same for all. When
// it returns, what was written before that instant is durable; what the guests
// write meanwhile goes elsewhere. Freezing changes nothing that a guest or a
// client can see: a freeze that nobody follows up with [Service.AddSnapshot]
// is harmless.
func (s *Service) Freeze(ctx context.Context, region origami.Region, ids ...origami.VolumeID) (*Frozen, error) {
	vols := make([]*Volume, 0, len(ids))
	devs := make([]*overlay.Device, 0, len(ids))
	f := &Frozen{s: s, layers: make(map[origami.VolumeID]overlay.LayerID, len(ids))}
	for _, id := range ids {
		f.layers[id] = 0
		v, err := s.Open(ctx, region, id)
		if err != nil {
			return nil, keyFailure(err)
		}
		defer s.closeVolume(v)
		vols, devs = append(vols, v), append(devs, v.Device)
	}
	s.mu.Lock()
	s.freezing[f] = struct{}{}
	s.mu.Unlock()
	layers, err := overlay.Freeze(devs...)
	if errors.Is(err, overlay.ErrTooManyLayers) {
		for _, v := range vols {
			if err := s.compact(ctx, region, v, f); err != nil {
				f.Release()
				return nil, err
			}
		}
		layers, err = overlay.Freeze(devs...)
	}
	if err != nil {
		f.Release()
		if errors.Is(err, overlay.ErrTooManyLayers) {
			return nil, origami.Errorf("ConcurrentSnapshotLimitExceeded", "Too many snapshots of the volume are pending. Wait until some are completed.")
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, id := range ids {
		f.layers[id] = layers[n]
	}
	return f, nil
}

// needed is the lowest layer of a volume that somebody is still to read: a pending
// snapshot, a copy that is being created, or a freeze other than except whose
// snapshots and copies are not recorded yet.
func (s *Service) needed(ctx context.Context, region origami.Region, id origami.VolumeID, except *Frozen, completed func(*origami.Snapshot)) (overlay.LayerID, error) {
	lowest := overlay.LayerID(math.MaxUint64)
	// Freezes first: one that is released meanwhile has its row by then.
	s.mu.Lock()
	for f := range s.freezing {
		if layer, ok := f.layers[id]; ok && f != except {
			lowest = min(lowest, layer)
		}
	}
	s.mu.Unlock()
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for snap, err := range snapshotsOf(tx, region, id) {
			switch {
			case err != nil:
				return err
			case snap.Layer == 0: // promised: it will be frozen later
			case snap.State == origami.SnapshotPending:
				lowest = min(lowest, overlay.LayerID(snap.Layer))
			case snap.State == origami.SnapshotCompleted:
				completed(snap)
			}
		}
		copies, err := tx.VolumeCopies(region, id)
		for _, c := range copies {
			if c.Copy.Layer != 0 {
				lowest = min(lowest, overlay.LayerID(c.Copy.Layer))
			}
		}
		return err
	})
	return lowest, err
}

// stored is a frozen layer whose content is in the store.
type stored struct {
	layer overlay.LayerID
	root  blockstore.Root
}

// rebase puts a volume on the newest content that is in the store, which at
// is, or a completed snapshot, and drops the layers that this makes
// superfluous. Layers from which a pending snapshot is still to be read stay,
// and all above them: snapshots complete in any order.
func (s *Service) rebase(ctx context.Context, region origami.Region, v *Volume, at stored) error {
	candidates := []stored{at}
	lowest, err := s.needed(ctx, region, v.d.id, nil, func(snap *origami.Snapshot) {
		if root, err := parseRoot(snap.Root); err == nil {
			candidates = append(candidates, stored{overlay.LayerID(snap.Layer), root})
		}
	})
	if err != nil {
		return err
	}
	var best stored
	for _, c := range candidates {
		if c.layer < lowest && c.layer > best.layer {
			best = c
		}
	}
	if best.layer == 0 {
		return nil
	}
	return s.rebaseOn(ctx, v, best)
}

func (s *Service) rebaseOn(ctx context.Context, v *Volume, at stored) error {
	img, err := s.store.Image(ctx, at.root)
	if err != nil {
		return err
	}
	if err := v.Rebase(at.layer, at.root.String(), img); err != nil {
		return fmt.Errorf("put %s on what it froze: %w", v.d.id, err)
	}
	return nil
}

// compact makes room for another layer in a volume whose freezes were not
// followed by a rebase, because their snapshots were never recorded or were
// deleted while they were pending.
func (s *Service) compact(ctx context.Context, region origami.Region, v *Volume, f *Frozen) error {
	lowest, err := s.needed(ctx, region, v.d.id, f, func(*origami.Snapshot) {})
	if err != nil {
		return err
	}
	at := stored{}
	for _, layer := range v.Layers() {
		if layer < lowest {
			at.layer = max(at.layer, layer)
		}
	}
	if at.layer == 0 {
		return nil
	}
	if err := s.rekey(ctx, region, v, rekeying{}); err != nil {
		return err
	}
	frozen, err := v.Frozen(at.layer)
	if err != nil {
		return err
	}
	defer frozen.Close()
	if at.root, err = s.storeFrozen(ctx, frozen, v.domain(), func(_, _ int64) {}); err != nil {
		return err
	}
	return s.rebaseOn(ctx, v, at)
}
