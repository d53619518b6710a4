package ebs

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// Holding is a disk in the block store and what holds it there, in any region
// and account. What is pending may hold several disks.
type Holding struct {
	Root      blockstore.Root
	Snapshots []*origami.Snapshot
	Volumes   []*origami.Volume // whose unwritten parts are read from it, or will be
}

// Holdings lists all disks in the block store that something holds, or will need
// to become complete.
func (s *Service) Holdings(ctx context.Context) ([]Holding, error) {
	h := holdings{at: make(map[blockstore.Root]int)}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		rows := make(map[origami.VolumeID]bool)
		var copies []*origami.Volume
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			rows[v.ID] = true
			if v.Copy != nil && v.Copy.Layer != 0 {
				copies = append(copies, v)
			}
			if err := s.holdVolume(&h, v); err != nil {
				return err
			}
		}
		for _, v := range copies {
			if !rows[v.Source] {
				if err := s.holdSource(&h, v); err != nil {
					return err
				}
			}
		}
		for snap, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			if err := s.holdSnapshot(&h, snap, rows[snap.Volume]); err != nil {
				return err
			}
		}
		return nil
	})
	return h.list, err
}

// holdings collects disks.
type holdings struct {
	list []Holding
	at   map[blockstore.Root]int
}

// of is the holding of the disk with a label.
func (h *holdings) of(label string) (*Holding, error) {
	root, err := parseRoot(label)
	if err != nil {
		return nil, err
	}
	i, ok := h.at[root]
	if !ok {
		i = len(h.list)
		h.at[root] = i
		h.list = append(h.list, Holding{Root: root})
	}
	return &h.list[i], nil
}

// holdSnapshot adds the disks that a snapshot holds. A pending one of a volume
// holds what the volume stands on, which the volume itself does while it has a
// row.
func (s *Service) holdSnapshot(h *holdings, snap *origami.Snapshot, volume bool) error {
	var labels []string
	pending := snap.State == origami.SnapshotPending
	switch {
	case snap.State == origami.SnapshotCompleted:
		labels = []string{snap.Root}
	case pending && snap.Upload != nil:
		labels = []string{snap.Upload.Base} // until it has a root of its own
	case pending && snap.Copy != nil:
		labels = []string{snap.Copy.Root}
		if snap.Copy.Part != "" {
			labels = append(labels, snap.Copy.Part)
		}
	case pending && !volume && snap.Volume != origami.NoVolume:
		label, err := overlay.BaseOf(s.volumes, string(snap.Volume))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		labels = []string{label}
	}
	if pending && snap.Rekey != nil {
		labels = append(labels, rekeyLabels(snap.Rekey)...)
	}
	for _, label := range labels {
		to, err := h.of(label)
		if err != nil {
			return err
		}
		if !slices.Contains(to.Snapshots, snap) {
			to.Snapshots = append(to.Snapshots, snap)
		}
	}
	return nil
}

// rekeyLabels are the disks that have to be kept while one is encrypted anew.
func rekeyLabels(r *origami.VolumeRekey) []string {
	if r.Part == "" {
		return []string{r.From}
	}
	return []string{r.From, r.Part}
}

// holdVolume adds what a volume stands on now, which its own state knows once it
// was opened, and what it will stand on when that is encrypted with its key.
func (s *Service) holdVolume(h *holdings, v *origami.Volume) error {
	label, err := s.baseOf(v)
	if err != nil {
		return err
	}
	labels := []string{label}
	if v.Rekey != nil {
		labels = append(labels, rekeyLabels(v.Rekey)...)
	}
	for _, label := range labels {
		to, err := h.of(label)
		if err != nil {
			return err
		}
		if !slices.Contains(to.Volumes, v) {
			to.Volumes = append(to.Volumes, v)
		}
	}
	return nil
}

// holdSource adds what the source of a copy that is being created stands on, and
// has no row to hold it any more.
func (s *Service) holdSource(h *holdings, v *origami.Volume) error {
	label, err := overlay.BaseOf(s.volumes, string(v.Source))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	to, err := h.of(label)
	if err == nil && !slices.Contains(to.Volumes, v) {
		to.Volumes = append(to.Volumes, v)
	}
	return err
}

// baseOf is the label of what a volume stands on.
func (s *Service) baseOf(v *origami.Volume) (string, error) {
	label, err := overlay.BaseOf(s.volumes, string(v.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return v.Base, nil
	}
	return label, err
}

// Shares divides what disks refer to by who refers to it, as far as their keys
// can be had; see [blockstore.Store.Shares].
func (s *Service) Shares(ctx context.Context, roots []blockstore.Root) (shares []blockstore.Share, hidden []int, err error) {
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
