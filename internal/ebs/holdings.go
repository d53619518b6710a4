package ebs

import (
	"context"
	"errors"
	"io/fs"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// Holding is a disk in the block store and what holds it there, in any region
// and account.
type Holding struct {
	Root      blockstore.Root
	Snapshots []*origami.Snapshot
	Volumes   []*origami.Volume // whose unwritten parts are read from it
}

// Holdings lists all disks in the block store that something holds.
func (s *Service) Holdings(ctx context.Context) ([]Holding, error) {
	var list []Holding
	at := make(map[blockstore.Root]int)
	hold := func(label string) (*Holding, error) {
		root, err := parseRoot(label)
		if err != nil {
			return nil, err
		}
		i, ok := at[root]
		if !ok {
			i = len(list)
			at[root] = i
			list = append(list, Holding{Root: root})
		}
		return &list[i], nil
	}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for snap, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			root := snap.Root
			switch {
			case snap.State == origami.SnapshotPending && snap.Upload != nil:
				root = snap.Upload.Base // until it has a root of its own
			case snap.State != origami.SnapshotCompleted:
				continue
			}
			h, err := hold(root)
			if err != nil {
				return err
			}
			h.Snapshots = append(h.Snapshots, snap)
		}
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			h, err := s.holdBase(v, hold)
			if err != nil {
				return err
			}
			h.Volumes = append(h.Volumes, v)
		}
		return nil
	})
	return list, err
}

// holdBase finds what a volume stands on now: its own state knows, once it was
// opened.
func (s *Service) holdBase(v *origami.Volume, hold func(string) (*Holding, error)) (*Holding, error) {
	label, err := overlay.BaseOf(s.volumes, string(v.ID))
	if errors.Is(err, fs.ErrNotExist) {
		label, err = v.Base, nil
	}
	if err != nil {
		return nil, err
	}
	return hold(label)
}

// Shares divides what disks refer to by who refers to it; see
// [blockstore.Store.Shares].
func (s *Service) Shares(ctx context.Context, roots []blockstore.Root) ([]blockstore.Share, error) {
	return s.store.Shares(ctx, roots)
}

// OpenSnapshot opens the disk of a completed snapshot of the caller's.
func (s *Service) OpenSnapshot(ctx context.Context, who origami.Caller, id origami.SnapshotID) (disk.Image, error) {
	var snap *origami.Snapshot
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = tx.Snapshot(who.Region, who.Account, id)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case snap.Owner != who.Account:
		// Others may let an account make volumes, which is not to read.
		return nil, origami.Errorf(origami.CodeUnauthorizedOperation, "You are not authorized to read snapshot %s.", id)
	}
	if err := Usable(snap); err != nil {
		return nil, err
	}
	return s.rootImage(ctx, snap.Root)
}
