package ebs

import (
	"context"

	"origami"
	"origami/internal/blockstore"
)

// Touched tells how many blocks of its snapshot an open volume has read since
// it was opened, and how many hold data. ok is false for a volume that is not
// open.
func (s *Service) Touched(ctx context.Context, id origami.VolumeID) (read, data int64, ok bool, err error) {
	s.mu.Lock()
	d, ok := s.open[id]
	if ok = ok && d.users > 0; ok {
		d.users++
	}
	s.mu.Unlock()
	if !ok {
		return 0, 0, false, nil
	}
	<-d.ready
	if d.err != nil {
		return 0, 0, false, nil
	}
	v := &Volume{Device: d.dev, s: s, d: d}
	defer s.closeVolume(v)
	read, data, err = v.Touched(ctx)
	return read, data, true, err
}

// StoreStats are the totals of the block store.
func (s *Service) StoreStats() blockstore.Stats { return s.store.Stats() }
