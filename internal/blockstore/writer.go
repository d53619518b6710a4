package blockstore

import (
	"container/list"
	"context"
	"fmt"
	"maps"
	"sync"

	"origami/disk"
)

// Writer makes a new disk, from nothing or over a base. WriteAt and Zero may be
// called concurrently for ranges that do not overlap.
//
// Writes of whole, aligned blocks cost nothing but their hash, and their
// compression if they are new, in the goroutine of the caller. Parts of blocks
// are collected in a few buffers; a block that leaves its buffer incomplete is
// completed from what the disk held there before.
type Writer struct {
	s    realm
	size int64
	base Root

	mu       sync.Mutex
	leaves   leafTable
	partials map[int64]*partial // by block
	recent   *list.List         // of *partial, latest in front
	packs    map[*pack]struct{} // that must be durable before the root is
	stats    WriterStats
	err      error // of the first write that failed
	ended    bool
	left     bool // the realm
	root     Root
	complete bool // root is valid
}

var _ disk.Writer = (*Writer)(nil)

// WriterStats counts what went through a Writer, manifest nodes left out. A
// block written twice counts twice.
type WriterStats struct {
	Blocks       int64 // that were not zero
	NewBlocks    int64 // of these, that the store did not have
	ZeroBlocks   int64 // written as zeros; Zero and what was never written do not count
	LogicalBytes int64 // handed to WriteAt
	StoredBytes  int64 // of the records of new blocks
}

// NewWriter begins a disk of the given size in bytes. It starts as the disk of
// base, which must not be larger, and is in its domain; the zero Root is an
// empty disk, and so is one in which only the Domain is set.
func (s *Store) NewWriter(size int64, base Root) (*Writer, error) {
	r, err := s.open(s.ctx, base)
	if err != nil {
		return nil, fmt.Errorf("new disk: base: %w", err)
	}
	if size < base.Size || size > disk.MaxSize {
		return nil, fmt.Errorf("new disk of %d bytes over one of %d: size out of range", size, base.Size)
	}
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("new disk: block store: %w", ErrClosed)
	}
	w := &Writer{
		s: r, size: size, base: base,
		partials: make(map[int64]*partial), recent: list.New(),
		packs: make(map[*pack]struct{}),
	}
	w.leaves.init(w)
	r.enter()
	return w, nil
}

// batchBlocks bounds the blocks that are looked up at once.
const batchBlocks = 32

// WriteAt implements [disk.Writer]. After an error the disk cannot be
// committed.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) {
	if err := w.begin(off, int64(len(p))); err != nil {
		return 0, fmt.Errorf("write disk: %w", err)
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		n, in := at/BlockSize, int(at%BlockSize)
		rest := p[done:]
		var err error
		var k int
		if in == 0 && len(rest) >= BlockSize {
			k = min(len(rest)/BlockSize, batchBlocks) * BlockSize
			err = w.writeBlocks(rest[:k], n)
		} else {
			k = min(len(rest), BlockSize-in)
			err = w.writePart(rest[:k], n, in)
		}
		if err != nil {
			return done, fmt.Errorf("write disk at %d: %w", at, w.fail(err))
		}
		done += k
	}
	return done, nil
}

// begin checks a range and counts it.
func (w *Writer) begin(off, n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return ErrClosed
	}
	if off < 0 || n < 0 || off > w.size-n {
		return fmt.Errorf("%d bytes at %d are beyond the disk of %d", n, off, w.size)
	}
	w.stats.LogicalBytes += n
	return nil
}

// fail remembers the first error.
func (w *Writer) fail(err error) error {
	err = w.s.closedErr(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	return err
}

// writeBlocks writes whole blocks, beginning with block n.
func (w *Writer) writeBlocks(p []byte, n int64) error {
	ids := make([]ID, len(p)/BlockSize)
	for i := range ids {
		ids[i] = w.s.identify(p[i*BlockSize : (i+1)*BlockSize])
	}
	items := make([]item, 0, len(ids))
	w.mu.Lock()
	for i, id := range ids {
		had, err := w.leaves.block(n + int64(i))
		if err != nil {
			w.mu.Unlock()
			return err
		}
		if !id.IsZero() && id != had {
			items = append(items, item{id: id, plain: p[i*BlockSize : (i+1)*BlockSize]})
		}
	}
	w.mu.Unlock()
	out, err := w.s.put(w.s.ctx, kindBlock, items)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(ids, out)
	if err != nil {
		return err
	}
	for i, id := range ids {
		w.dropPartial(n + int64(i))
		if err := w.leaves.set(n+int64(i), id); err != nil {
			return err
		}
	}
	return nil
}

// note counts blocks that were put. The caller holds mu.
func (w *Writer) note(ids []ID, out stored) {
	for _, id := range ids {
		if id.IsZero() {
			w.stats.ZeroBlocks++
		} else {
			w.stats.Blocks++
		}
	}
	w.stats.NewBlocks += int64(out.fresh)
	w.stats.StoredBytes += out.bytes
	w.depend(out)
}

// depend adds what must be durable before the root. The caller holds mu.
func (w *Writer) depend(out stored) {
	for _, p := range out.packs {
		w.packs[p] = struct{}{}
	}
}

// Zero makes a range read as zeros. It costs no more than what the range held
// in blocks.
func (w *Writer) Zero(off, n int64) error {
	if err := w.begin(off, n); err != nil {
		return fmt.Errorf("zero disk: %w", err)
	}
	if n == 0 {
		return nil
	}
	end := off + n
	if end == w.size { // the last block ends with the disk
		end = blocks(w.size) * BlockSize
	}
	var err error
	if first, last := blocks(off), end/BlockSize; first > last {
		err = w.zeroPart(off, end) // inside one block
	} else {
		err = w.zeroPart(off, first*BlockSize)
		if err == nil {
			err = w.zeroBlocks(first, last)
		}
		if err == nil {
			err = w.zeroPart(last*BlockSize, end)
		}
	}
	if err != nil {
		return fmt.Errorf("zero disk at %d: %w", off, w.fail(err))
	}
	return nil
}

var zeros [BlockSize]byte

// zeroPart writes zeros to part of one block.
func (w *Writer) zeroPart(off, end int64) error {
	if off >= end {
		return nil
	}
	return w.writePart(zeros[:end-off], off/BlockSize, int(off%BlockSize))
}

// zeroBlocks makes the blocks from first to before last zero.
func (w *Writer) zeroBlocks(first, last int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if first == last {
		return nil
	}
	for {
		var found *partial
		for n, p := range w.partials {
			if n >= first && n < last {
				found = p
			}
		}
		if found == nil {
			break
		}
		w.dropPartial(found.n)
	}
	return w.leaves.zero(first, last)
}

// Commit implements [disk.Writer]. When it returns nil, the disk of Root is
// durable. ctx ends the wait, not the writing.
func (w *Writer) Commit(ctx context.Context) error {
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("commit disk: %w", w.s.closedErr(err))
	}
	return nil
}

func (w *Writer) commit(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return ErrClosed
	}
	w.ended = true
	for w.err == nil && len(w.partials) > 0 {
		if err := w.flush(w.recent.Back().Value.(*partial)); err != nil {
			return err
		}
	}
	if w.err != nil {
		return fmt.Errorf("an earlier write had failed: %w", w.err)
	}
	id, err := w.leaves.build(ctx)
	if err != nil {
		return err
	}
	if err := w.s.seal(ctx, maps.Keys(w.packs)); err != nil {
		return err
	}
	w.root, w.complete = Root{ID: id, Size: w.size, Domain: w.base.Domain}, true
	w.discard()
	return nil
}

// discard gives back what the Writer holds. The caller holds mu.
func (w *Writer) discard() {
	for _, p := range w.partials {
		w.s.buffers.put(p.buf)
	}
	clear(w.partials)
	w.recent.Init()
	w.leaves.init(w)
	clear(w.packs)
	if !w.left {
		w.left = true
		w.s.exit()
	}
}

// Abort implements [disk.Writer]. What was stored stays behind as garbage.
func (w *Writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.complete {
		return fmt.Errorf("abort disk: %w", ErrClosed)
	}
	w.ended = true
	w.discard()
	return nil
}

// Root returns the disk that was written, once Commit has returned nil. Before
// that it panics: there is no such disk.
func (w *Writer) Root() Root {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.complete {
		panic("blockstore: Root of a Writer that is not committed")
	}
	return w.root
}

// Stats returns the counts of now.
func (w *Writer) Stats() WriterStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}
