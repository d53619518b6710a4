package disktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"origami/disk"
)

// Memory is a disk in memory: a [disk.Writer] until it is committed, and a
// [disk.Image] afterwards. It is the model that the suites of this package are
// written against.
type Memory struct {
	size int64

	mu     sync.RWMutex // guards what follows
	data   []byte       // nil after Abort
	state  state
	writes int
}

type state int

const (
	writing state = iota
	committed
	aborted
)

var (
	_ disk.Writer = (*Memory)(nil)
	_ disk.Image  = (*Memory)(nil)
)

// NewMemory returns a writer of a disk of size bytes.
func NewMemory(size int64) *Memory {
	return &Memory{size: size, data: make([]byte, size)}
}

// NewImage returns a committed disk that holds b, which the caller no longer
// changes.
func NewImage(b []byte) *Memory {
	return &Memory{size: int64(len(b)), data: b, state: committed}
}

// Bytes returns the disk. The caller must not change it.
func (m *Memory) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.data
}

// Writes returns how many times WriteAt was called.
func (m *Memory) Writes() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.writes
}

// WriteAt implements [disk.Writer].
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != writing {
		return 0, errors.New("write: disk is not being written")
	}
	if off < 0 || off > m.size || int64(len(p)) > m.size-off {
		return 0, fmt.Errorf("write: %d bytes at %d are outside the disk of %d bytes", len(p), off, m.size)
	}
	m.writes++
	return copy(m.data[off:], p), nil
}

// Commit implements [disk.Writer].
func (m *Memory) Commit(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if m.state != writing {
		return errors.New("commit: disk is not being written")
	}
	m.state = committed
	return nil
}

// Abort implements [disk.Writer].
func (m *Memory) Abort() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.data = aborted, nil
	return nil
}

// Size implements [disk.Image].
func (m *Memory) Size() int64 { return m.size }

// Close implements [disk.Image].
func (m *Memory) Close() error { return nil }

// ReadAt implements [disk.Image].
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.state != committed {
		return 0, errors.New("read: disk is not committed")
	}
	return bytes.NewReader(m.data).ReadAt(p, off)
}

// Extents implements [disk.Image]. Holes are found with a granularity of a
// sector.
func (m *Memory) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		buf := make([]byte, disk.SectorSize)
		run := disk.Extent{Off: off}
		for run.Off+run.Len < m.size {
			if ctx.Err() != nil {
				yield(disk.Extent{}, context.Cause(ctx))
				return
			}
			at := run.Off + run.Len
			n, err := m.ReadAt(buf[:disk.SectorSize-at%disk.SectorSize], at)
			if err != nil && err != io.EOF {
				yield(disk.Extent{}, err)
				return
			}
			zero := disk.IsZero(buf[:n])
			if run.Len > 0 && zero != run.Zero {
				if !yield(run, nil) {
					return
				}
				run = disk.Extent{Off: at}
			}
			run.Zero, run.Len = zero, run.Len+int64(n)
		}
		if run.Len > 0 {
			yield(run, nil)
		}
	}
}
