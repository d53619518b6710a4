package ebs

import (
	"context"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
)

// Volumes that are made of one snapshot with one key all need the same disk in
// the end: the first encrypts it, and the others are put on what came of that.
//
// The row of a volume says what it was put on (Rekeyed), which says nothing about
// whether that is still in the store: a volume keeps what it stands on, and goes on
// to other disks when snapshots of it are taken. So who comes later first has its
// own row name the disk, which keeps it from then on, and then looks whether the
// other volume still stands on it. If it does, the disk was there all the time:
// a volume never goes back to a disk. If not, the disk is encrypted again.

// maxAlike is how many volumes are looked at for a disk.
const maxAlike = 64

// alike finds the disk in another domain that a volume like the one of the notes
// was put on. The row of the notes keeps it when it returns.
func (s *Service) alike(ctx context.Context, n rekeyNotes, from blockstore.Root, to blockstore.Domain) (root blockstore.Root, found bool, err error) {
	others, err := s.standAlike(ctx, n, string(to))
	if err != nil {
		return root, false, err
	}
	for _, v := range others {
		root, err := parseRoot(v.Rekeyed.Root)
		if err != nil || root.Domain != to || root.Size != from.Size {
			continue
		}
		if err := n.save(ctx, whole(root), 99); err != nil {
			return root, false, err
		}
		kept, err := n.checkpoint(ctx)
		if err != nil {
			return root, false, err
		}
		if kept.Root != root {
			return root, false, nil // there is no row to keep it
		}
		// Whoever deletes what nobody keeps sees that row from here on.
		still, err := s.standAlike(ctx, n, string(to))
		if err != nil {
			return root, false, err
		}
		for _, w := range still {
			if w.Rekeyed.Root == v.Rekeyed.Root {
				return root, true, nil
			}
		}
		if err := n.change(ctx, func(r *origami.VolumeRekey) { r.Part, r.Block = "", 0 }); err != nil {
			return root, false, err
		}
	}
	return root, false, nil
}

// standAlike lists volumes that began as the one of the notes, have its key, and
// stand on what they were put on when that was encrypted.
func (s *Service) standAlike(ctx context.Context, n rekeyNotes, key string) ([]*origami.Volume, error) {
	var all []*origami.Volume
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		all, err = tx.VolumesRekeyed(n.from, key, maxAlike)
		return err
	})
	var stand []*origami.Volume
	for _, v := range all {
		// One whose files cannot be read, or are just going, is none.
		if label, err := s.baseOf(v); err == nil && v.ID != n.volume && label == v.Rekeyed.Root {
			stand = append(stand, v)
		}
	}
	return stand, err
}

// turn is a disk and the domain that it is encrypted for.
type turn struct {
	from blockstore.Root
	to   blockstore.Domain
}

// turnQueue are those who want to encrypt one disk for one domain in the
// background: one does, the others wait for what comes of it.
type turnQueue struct {
	free  chan struct{} // holds one value while nobody has the turn
	users int           // guarded by Service.mu
}

// takeTurn waits for the turn, which end ends.
func (s *Service) takeTurn(ctx context.Context, t turn) (end func(), err error) {
	s.mu.Lock()
	q := s.turns[t]
	if q == nil {
		q = &turnQueue{free: make(chan struct{}, 1)}
		q.free <- struct{}{}
		s.turns[t] = q
	}
	q.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(s.turns, t)
		}
	}
	select {
	case <-q.free:
		return func() {
			q.free <- struct{}{}
			leave()
		}, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
