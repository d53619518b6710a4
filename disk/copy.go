package disk

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ChunkSize is the unit in which [Copy] moves bytes: 512 KiB, the block of the
// EBS direct APIs.
const ChunkSize = 512 << 10

// Progress says how far a [Copy] is. All fields are bytes and never decrease.
type Progress struct {
	Done  int64 // of the disk, holes included, that need no more attention
	Total int64 // the size of the disk
	Data  int64 // that were read, because the source did not call them zero
}

// Copy writes src to dst. It is the one loop behind import, export, snapshot
// and copy.
//
// Runs that src calls Zero are not read. The rest is read and written in
// chunks of ChunkSize, aligned to ChunkSize and cut off only by the end of the
// disk: dst sees each chunk at most once, in one WriteAt. A chunk that turns out
// to be zero goes to its Zero method if dst is a [Zeroer], and nowhere else. GOMAXPROCS workers read and write
// concurrently, each with one buffer of ChunkSize, in no particular order.
//
// If progress is not nil, it is called after a chunk was written and at the
// end, never by two goroutines at once. The workers wait for it, so it should
// be quick.
//
// Copy neither commits nor aborts dst: the caller knows what else must be true
// before the disk becomes visible. No WriteAt is under way when Copy returns.
// When ctx ends, Copy returns its error as soon as the chunks under way are
// finished. Other errors name the offset.
func Copy(ctx context.Context, dst Writer, src Image, progress func(Progress)) error {
	c := copier{dst: dst, src: src, report: progress}
	c.progress.Total = src.Size()
	if err := c.run(ctx); err != nil {
		return err
	}
	c.finish()
	return nil
}

// copier is one call of Copy.
type copier struct {
	dst    Writer
	src    Image
	report func(Progress)

	mu       sync.Mutex // guards progress, and is held while report runs
	progress Progress
}

func (c *copier) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	chunks := make(chan int64, 2*workers) // offsets
	group.Go(func() error {
		defer close(chunks)
		return c.walk(ctx, chunks)
	})
	for range workers {
		group.Go(func() error { return c.work(ctx, chunks) })
	}
	return group.Wait()
}

// walk sends the offset of every chunk that holds data, in ascending order.
func (c *copier) walk(ctx context.Context, chunks chan<- int64) error {
	size := c.src.Size()
	var pos int64  // where the next extent must begin
	var next int64 // the first chunk that is neither sent nor passed over
	for e, err := range c.src.Extents(ctx, 0) {
		if err != nil {
			return fmt.Errorf("find data at or after offset %d: %w", pos, err)
		}
		if e.Off != pos || e.Len <= 0 || e.Len > size-pos {
			return fmt.Errorf("extent of %d bytes at %d does not continue the disk of %d bytes at %d", e.Len, e.Off, size, pos)
		}
		pos += e.Len
		if e.Zero {
			continue
		}
		first := max(next, e.Off-e.Off%ChunkSize)
		c.pass(first - next)
		for next = first; next < pos; next += ChunkSize {
			select {
			case chunks <- next:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	if pos != size {
		return fmt.Errorf("extents end at offset %d of a disk of %d bytes", pos, size)
	}
	return nil
}

// work copies chunks until there are no more.
func (c *copier) work(ctx context.Context, chunks <-chan int64) error {
	var buf []byte
	for off := range chunks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if buf == nil {
			buf = buffers.Get().(*[ChunkSize]byte)[:]
			defer buffers.Put((*[ChunkSize]byte)(buf))
		}
		if err := c.chunk(buf[:min(ChunkSize, c.src.Size()-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// buffers holds *[ChunkSize]byte for the workers of all copies.
var buffers = sync.Pool{New: func() any { return new([ChunkSize]byte) }}

// chunk copies len(p) bytes at off.
func (c *copier) chunk(p []byte, off int64) error {
	if _, err := ReadFull(c.src, p, off); err != nil {
		return err
	}
	if err := c.put(p, off); err != nil {
		return fmt.Errorf("write %d bytes at offset %d: %w", len(p), off, err)
	}
	c.copied(int64(len(p)))
	return nil
}

// put writes a chunk. One that turned out to be zero is only said to be so, and
// not even that to a writer whose disk begins as zeros.
func (c *copier) put(p []byte, off int64) error {
	if !IsZero(p) {
		_, err := c.dst.WriteAt(p, off)
		return err
	}
	if z, ok := c.dst.(Zeroer); ok {
		return z.Zero(off, int64(len(p)))
	}
	return nil
}

// pass counts bytes that need not be read.
func (c *copier) pass(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress.Done += n
}

// copied counts bytes that were read and written, and tells.
func (c *copier) copied(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress.Done += n
	c.progress.Data += n
	if c.report != nil {
		c.report(c.progress)
	}
}

// finish counts the hole at the end, if there is one, and tells that all is
// done, if copied has not said so.
func (c *copier) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.progress.Data > 0 && c.progress.Done == c.progress.Total
	c.progress.Done = c.progress.Total
	if c.report != nil && !told {
		c.report(c.progress)
	}
}
