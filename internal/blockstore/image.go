package blockstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"

	"origami/disk"
)

// Image is a disk in the store. Nothing is read before it is touched. Its
// methods may be called concurrently.
type Image struct {
	s    realm
	root Root
	last atomic.Pointer[lastLeaf]

	mu      sync.Mutex
	touched map[int64]*[fanOut / 64]uint64 // by leaf
}

var _ disk.Image = (*Image)(nil)

// lastLeaf is the leaf that was read last: the next read is most likely there.
type lastLeaf struct {
	n    int64
	leaf *located // nil if zero
}

// Image opens the disk of a root. It reads the top of the manifest, so that a
// root of another store is refused here.
func (s *Store) Image(ctx context.Context, root Root) (*Image, error) {
	r, err := s.open(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	if !root.ID.IsZero() {
		if _, err := r.node(ctx, root.ID, topLevel(blocks(root.Size))); err != nil {
			return nil, fmt.Errorf("open disk: %w", err)
		}
	}
	return &Image{s: r, root: root, touched: make(map[int64]*[fanOut / 64]uint64)}, nil
}

// Root is what the Image was opened with.
func (m *Image) Root() Root { return m.root }

// Size implements [disk.Image].
func (m *Image) Size() int64 { return m.root.Size }

// Close implements [disk.Image]. An Image holds nothing that must be released.
func (m *Image) Close() error { return nil }

// ReadAt implements [disk.Image]. Errors about damaged blocks satisfy
// errors.Is with ErrCorrupt; none of a damaged block is returned, but p may
// hold some of the blocks before it.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read disk at %d: negative offset", off)
	}
	want := len(p)
	p = p[:max(0, min(int64(want), m.root.Size-off))]
	done := 0
	for done < len(p) {
		at := off + int64(done)
		n, in := at/BlockSize, int(at%BlockSize)
		part := p[done:min(len(p), done+BlockSize-in)]
		if err := m.readBlock(part, n, in); err != nil {
			return done, fmt.Errorf("read disk at %d: %w", at, err)
		}
		done += len(part)
	}
	if done < want {
		return done, io.EOF
	}
	return done, nil
}

// readBlock fills p from block n, beginning at in.
func (m *Image) readBlock(p []byte, n int64, in int) error {
	l, err := m.leaf(n / fanOut)
	if err != nil {
		return err
	}
	i := int(n % fanOut)
	if l == nil || l.node.child(i).IsZero() {
		clear(p)
		return nil
	}
	m.touch(n)
	return m.s.readBlock(l, i, p, in)
}

// ReadBlock fills p, of BlockSize bytes, with block n and returns its SHA-256.
// The bytes have been compared with it. Beyond the end of the disk are zeros.
func (m *Image) ReadBlock(p []byte, n int64) (sum [32]byte, err error) {
	if n < 0 || n >= blocks(m.root.Size) || len(p) != BlockSize {
		return sum, fmt.Errorf("read block %d into %d bytes: out of range", n, len(p))
	}
	l, err := m.leaf(n / fanOut)
	if err != nil {
		return sum, fmt.Errorf("read block %d: %w", n, err)
	}
	if l == nil || l.node.child(int(n%fanOut)).IsZero() {
		clear(p)
		return zeroSum, nil
	}
	if err := m.s.readBlock(l, int(n%fanOut), p, 0); err != nil {
		return sum, fmt.Errorf("read block %d: %w", n, err)
	}
	if m.s.encrypted() {
		return sha256.Sum256(p), nil // the identity is another
	}
	return l.node.child(int(n % fanOut)), nil
}

// zeroSum is the SHA-256 of a block of zeros.
var zeroSum = sha256.Sum256(zeros[:])

func (m *Image) leaf(n int64) (*located, error) {
	if last := m.last.Load(); last != nil && last.n == n {
		return last.leaf, nil
	}
	l, err := m.s.leaf(m.s.ctx, m.root, n)
	if err != nil {
		return nil, err
	}
	m.last.Store(&lastLeaf{n, l})
	return l, nil
}

func (m *Image) touch(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.touched[n/fanOut]
	if seen == nil {
		seen = new([fanOut / 64]uint64)
		m.touched[n/fanOut] = seen
	}
	seen[n%fanOut/64] |= 1 << (n % 64)
}

// Touched returns how many different data blocks were read through this Image,
// and how many there are. It reads the leaves of the manifest.
func (m *Image) Touched(ctx context.Context) (read, total int64, err error) {
	m.mu.Lock()
	for _, seen := range m.touched {
		for _, word := range seen {
			read += int64(bits.OnesCount64(word))
		}
	}
	m.mu.Unlock()
	for l, err := range m.s.walk(ctx, m.root, 0) {
		if err != nil {
			return 0, 0, fmt.Errorf("count blocks: %w", err)
		}
		for i := range fanOut {
			if !l.node.child(i).IsZero() {
				total++
			}
		}
	}
	return read, total, nil
}

// Extents implements [disk.Image], by blocks: the run of a block is data or
// Zero as a whole.
func (m *Image) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(disk.Extent{}, err)
			return
		}
		size := m.root.Size
		off := max(off, 0)
		from := off // of the run of data in hand, which ends at to
		to := off
		flush := func(next int64) bool {
			return (to <= from || yield(disk.Extent{Off: from, Len: to - from}, nil)) &&
				(next <= to || yield(disk.Extent{Off: to, Len: next - to, Zero: true}, nil))
		}
		for l, err := range m.s.walk(ctx, m.root, off/BlockSize/fanOut) {
			if err != nil {
				yield(disk.Extent{}, fmt.Errorf("list extents: %w", err))
				return
			}
			for i := range fanOut {
				start := (l.n*fanOut + int64(i)) * BlockSize
				end := min(start+BlockSize, size)
				if l.node.child(i).IsZero() || end <= off {
					continue
				}
				start = max(start, off)
				if start > to {
					if !flush(start) {
						return
					}
					from = start
				}
				to = end
			}
		}
		flush(max(size, to))
	}
}

// readBlock fills p from block i of a leaf, beginning at in.
func (s realm) readBlock(l *located, i int, p []byte, in int) error {
	id := l.node.child(i)
	if s.frames > 1 && len(p) < BlockSize {
		return s.readFrames(l, i, p, in)
	}
	key := cacheKey{s.ref(id), -1}
	if len(p) == BlockSize {
		// A whole block is decoded where it is wanted: who reads whole blocks
		// does not come back for parts.
		if data := s.cache.peek(key); data != nil {
			copy(p, data)
			return nil
		}
		return s.relocate(l, i, func(loc Location) error { return s.fetch(kindBlock, id, loc, p) })
	}
	data, err := s.cache.get(s.ctx, key, func() ([]byte, error) {
		data := make([]byte, BlockSize)
		return data, s.relocate(l, i, func(loc Location) error { return s.fetch(kindBlock, id, loc, data) })
	})
	if err != nil {
		return s.closedErr(err)
	}
	copy(p, data[in:])
	return nil
}

func (s realm) readFrames(l *located, i int, p []byte, in int) error {
	const size = BlockSize / maxFrames
	id := l.node.child(i)
	for len(p) > 0 {
		f := in / size
		data, err := s.cache.get(s.ctx, cacheKey{s.ref(id), f}, func() (data []byte, err error) {
			err = s.relocate(l, i, func(loc Location) error {
				data, err = s.fetchFrame(id, loc, f)
				return err
			})
			return data, err
		})
		if err != nil {
			return s.closedErr(err)
		}
		k := copy(p, data[in%size:])
		p, in = p[k:], in+k
	}
	return nil
}

// relocate calls fetch with the location of a block, and again if the location
// was cached and has changed since.
func (s realm) relocate(l *located, i int, fetch func(Location) error) error {
	loc, err := s.location(l, i, false)
	if err != nil {
		return err
	}
	err = fetch(loc)
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	now, lookErr := s.location(l, i, true)
	if lookErr != nil || now == loc {
		s.log.Error("damaged block", "err", err)
		return err
	}
	return fetch(now)
}
