package ebs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/overlay"
)

// device is the slot of a volume in the table of open ones. The table has at
// most one for each volume, and whoever opens the files of a volume, closes or
// removes them has its slot.
type device struct {
	id    origami.VolumeID
	users int           // guarded by Service.mu; 0 while it closes or its files go
	ready chan struct{} // closed when dev or err is set
	gone  chan struct{} // closed when the slot is free
	rekey chan struct{} // holds a token while the base is encrypted anew
	dev   *overlay.Device
	base  *blockstore.Image // what it first read from, for statistics; may be nil
	err   error
}

// Open opens a volume for reading and writing. Every Open is paired with a
// [Volume.Close]; the same device is handed to all.
func (s *Service) Open(ctx context.Context, region origami.Region, id origami.VolumeID) (*Volume, error) {
	for {
		d, role := s.enter(id, 1)
		switch role {
		case first:
			// Others may come to share the device, whatever becomes of ctx.
			d.err = s.openDevice(context.WithoutCancel(ctx), region, d)
			if d.err != nil {
				s.leave(d)
			}
			close(d.ready)
			if d.err != nil {
				return nil, d.err
			}
			return &Volume{Device: d.dev, s: s, d: d}, nil
		case shared:
			select {
			case <-d.ready:
			case <-ctx.Done():
				return nil, errors.Join(ctx.Err(), s.release(d))
			}
			if d.err != nil {
				return nil, d.err
			}
			return &Volume{Device: d.dev, s: s, d: d}, nil
		}
		select {
		case <-d.gone:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// What enter found.
const (
	first  = iota // the slot was free, and is the caller's
	shared        // the volume is open or opening, and has one more user
	busy          // the volume is closing, or its files are being removed
)

// enter gives the slot of a volume one more user, or takes it if it is free,
// with the given number of users.
func (s *Service) enter(id origami.VolumeID, users int) (*device, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.open[id]
	switch {
	case !ok:
		d = &device{id: id, users: users, ready: make(chan struct{}), gone: make(chan struct{}), rekey: make(chan struct{}, 1)}
		s.open[id] = d
		return d, first
	case d.users > 0 && users > 0:
		d.users += users
		return d, shared
	}
	return d, busy
}

// leave makes a slot free.
func (s *Service) leave(d *device) {
	s.mu.Lock()
	delete(s.open, d.id)
	s.mu.Unlock()
	close(d.gone)
}

// release drops one user of d and closes it after the last. An Open that comes
// meanwhile waits, to find the state that the close leaves.
func (s *Service) release(d *device) error {
	s.mu.Lock()
	d.users--
	last := d.users == 0
	s.mu.Unlock()
	if !last || d.dev == nil {
		return nil
	}
	defer s.leave(d)
	if err := d.dev.Close(); err != nil {
		return fmt.Errorf("close volume %s: %w", d.id, err)
	}
	return nil
}

// Volume is an open volume.
type Volume struct {
	*overlay.Device
	s    *Service
	d    *device
	once sync.Once
}

// Close gives the volume back. The device closes, after a flush, when its last
// user has done so.
func (v *Volume) Close() error {
	var err error
	v.once.Do(func() { err = v.s.release(v.d) })
	return err
}

// closeVolume gives back a volume that was read only.
func (s *Service) closeVolume(v *Volume) {
	if err := v.Close(); err != nil {
		s.log.Error("close volume", "volume", v.d.id, "err", err)
	}
}

// Touched counts the blocks of the volume's snapshot that were read since it
// was opened, and those that hold data. Both are 0 for a volume made empty.
func (v *Volume) Touched(ctx context.Context) (read, data int64, err error) {
	if v.d.base == nil {
		return 0, 0, nil
	}
	return v.d.base.Touched(ctx)
}

// Close closes every open volume. Nothing may use the service afterwards.
func (s *Service) Close() error {
	s.mu.Lock()
	var open, closing []*device
	for _, d := range s.open {
		if d.users > 0 {
			open = append(open, d)
			d.users = 0
		} else {
			closing = append(closing, d)
		}
	}
	s.mu.Unlock()
	errs := []error{s.closeUploads()}
	for _, d := range open {
		if <-d.ready; d.err != nil {
			continue
		}
		if err := d.dev.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close volume %s: %w", d.id, err))
		}
		s.leave(d)
	}
	for _, d := range closing {
		<-d.gone
	}
	return errors.Join(errs...)
}
