package vmmtest

import (
	"context"
	"fmt"
	"io"

	"origami/internal/vmm"
)

var _ vmm.ConsoleFollower = (*Driver)(nil)

// FollowConsole implements [vmm.ConsoleFollower].
func (d *Driver) FollowConsole(ctx context.Context, id string) (io.ReadCloser, error) {
	err := d.locked(ctx, func() error {
		if _, ok := d.host.machines[id]; !ok {
			return fmt.Errorf("machine %s: %w", id, vmm.ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &follower{h: d.host, id: id}, nil
}

// follower reads the console of a machine, and of those that take its place.
type follower struct {
	h  *Host
	id string
	m  *machine // that was read last
	at int64    // bytes printed before those to read next
}

// Read implements [io.Reader].
func (f *follower) Read(p []byte) (int, error) {
	f.h.mu.Lock()
	defer f.h.mu.Unlock()
	if m := f.h.machines[f.id]; m != nil && m != f.m {
		f.m, f.at = m, 0
	}
	if f.m == nil {
		return 0, io.EOF
	}
	kept := f.m.printed - int64(len(f.m.console))
	f.at = max(f.at, kept)
	n := copy(p, f.m.console[f.at-kept:])
	f.at += int64(n)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements [io.Closer].
func (f *follower) Close() error { return nil }
