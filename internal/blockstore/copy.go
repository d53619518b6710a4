package blockstore

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Checkpoint is how far a Copy has come. The zero Checkpoint is the beginning.
// It is worth nothing for a copy of another disk or into another domain.
type Checkpoint struct {
	Root  Root  // the copy, zeros from Block on
	Block int64 // the next one to copy
}

// CopyOptions says how to copy. The zero value copies from the beginning and
// tells nobody.
type CopyOptions struct {
	// From is where an earlier Copy of the same disk into the same domain was
	// interrupted.
	From Checkpoint

	// Save, if not nil, is told how far the copy is durable, each time that
	// Every more bytes of data are: 4 GiB if it is zero. Its error ends the
	// copy.
	Save  func(Checkpoint) error
	Every int64

	// Workers is how many goroutines copy: one more than there are processors
	// if it is zero.
	Workers int

	// Progress, if not nil, is told the bytes of data that are copied, and of
	// all there are. Calls do not overlap. Its error ends the copy.
	Progress func(done, total int64) error
}

const (
	defaultEvery = 4 << 30
	copyBatch    = 2 // blocks that one goroutine copies at a time
)

// Copy copies a disk into another domain and returns its root there. Every
// block is decrypted, verified, and encrypted with the key of that domain; what
// was compressed is not compressed again. A copy into the domain that the disk
// is in is the disk itself. Memory does not depend on the size of the disk.
func (s *Store) Copy(ctx context.Context, from Root, to Domain, o CopyOptions) (Root, error) {
	src, err := s.open(ctx, from)
	if err != nil {
		return Root{}, fmt.Errorf("copy disk: source: %w", err)
	}
	if to == from.Domain {
		return from, nil
	}
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) error { return nil }
	}
	if o.From == (Checkpoint{}) {
		o.From.Root = Root{Domain: to}
	} else if o.From.Root.Domain != to || o.From.Root.Size != from.Size || o.From.Block < 0 {
		return Root{}, fmt.Errorf("copy disk: the checkpoint is of another copy")
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0) + 1
	}
	c := copier{src: src, root: from, o: o, at: o.From, workers: o.Workers}
	c.buffers = make(bufferPool, (copyBatch+1)*c.workers)
	root, err := c.run(ctx)
	if err != nil {
		return Root{}, fmt.Errorf("copy disk: %w", s.closedErr(err))
	}
	return root, nil
}

type copier struct {
	src  realm
	root Root
	o    CopyOptions
	at   Checkpoint

	workers int
	buffers bufferPool // of this copy: it needs more than the store keeps
	w       *Writer
	total   int64
	done    atomic.Int64
	begun   int64 // bytes since the last checkpoint
}

func (c *copier) run(ctx context.Context) (Root, error) {
	if err := c.count(ctx); err != nil {
		return Root{}, err
	}
	for {
		last, err := c.stretch(ctx)
		if err != nil {
			return Root{}, err
		}
		if err := c.o.Progress(c.done.Load(), c.total); err != nil {
			return Root{}, err
		}
		if last {
			return c.at.Root, nil
		}
		if err := c.o.Save(c.at); err != nil {
			return Root{}, fmt.Errorf("save checkpoint: %w", err)
		}
	}
}

// count counts the data, and what of it an earlier copy has done.
func (c *copier) count(ctx context.Context) error {
	for l, err := range c.src.walk(ctx, c.root, 0) {
		if err != nil {
			return err
		}
		for i := range fanOut {
			if l.node.child(i).IsZero() {
				continue
			}
			c.total += BlockSize
			if l.n*fanOut+int64(i) < c.at.Block {
				c.done.Add(BlockSize)
			}
		}
	}
	return nil
}

// stretch copies up to the next checkpoint, or to the end, and makes that
// durable.
func (c *copier) stretch(ctx context.Context) (last bool, err error) {
	c.w, err = c.src.Store.NewWriter(c.root.Size, c.at.Root)
	if err != nil {
		return false, err
	}
	if last, err = c.leaves(ctx); err == nil {
		err = c.w.Commit(ctx)
	}
	if err != nil {
		_ = c.w.Abort() // it cannot fail: there is no root
		return false, err
	}
	c.at.Root, c.begun = c.w.Root(), 0
	return last, nil
}

// leaves copies leaves until it is time for a checkpoint.
func (c *copier) leaves(ctx context.Context) (last bool, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.workers)
	last = true
	for l, err := range c.src.walk(ctx, c.root, c.at.Block/fanOut) {
		if err == nil && c.o.Save != nil && c.begun >= c.o.Every {
			last = false
			c.at.Block = l.n * fanOut
			break
		}
		if err == nil {
			err = c.leaf(ctx, group, l)
		}
		if err != nil {
			group.Go(func() error { return err }) // unless it comes from one of the group
			break
		}
	}
	return last, group.Wait()
}

// leaf begins to copy the blocks of a leaf.
func (c *copier) leaf(ctx context.Context, group *errgroup.Group, l walkLeaf) error {
	leaf, err := c.src.locate(ctx, l.id)
	if err != nil {
		return err
	}
	var batch []int
	for i := range fanOut + 1 {
		if i < fanOut && !leaf.node.child(i).IsZero() {
			batch = append(batch, i)
		}
		if len(batch) == copyBatch || i == fanOut && len(batch) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			some := batch
			batch = nil
			c.begun += int64(len(some)) * BlockSize
			group.Go(func() error { return c.blocks(ctx, leaf, l.n, some) })
			if err := c.o.Progress(c.done.Load(), c.total); err != nil {
				return err
			}
		}
	}
	return nil
}

// blocks copies some blocks of leaf number n.
func (c *copier) blocks(ctx context.Context, l *located, n int64, some []int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	items := make([]item, 0, len(some))
	// One buffer for what is decompressed, as long as nobody needs that again:
	// it stays in the processor's cache.
	plain := c.buffers.get()
	defer func() { c.buffers.put(plain) }()
	for _, i := range some {
		record := c.buffers.get()
		defer c.buffers.put(record)
		var d decoded
		err := c.src.relocate(l, i, func(loc Location) (err error) {
			d, err = c.src.load(kindBlock, l.node.child(i), loc, record, plain[:BlockSize])
			return err
		})
		if err != nil {
			return err
		}
		if c.src.encrypted() && !c.w.s.encrypted() {
			if err := sumFrames(d.record); err != nil {
				return err
			}
		}
		it := item{id: c.w.s.identity(d.sum), record: d.record}
		if _, ok := adoptable(d.record, c.w.s.frames); !ok {
			it.plain, plain = plain[:BlockSize], c.buffers.get()
			defer c.buffers.put(it.plain)
		}
		items = append(items, it)
	}
	if err := c.w.putBlocks(n*fanOut, some, items); err != nil {
		return err
	}
	c.done.Add(int64(len(some)) * BlockSize)
	return nil
}

// putBlocks stores blocks that are not zero and have the given distances from
// block first.
func (w *Writer) putBlocks(first int64, at []int, items []item) error {
	out, err := w.s.put(w.s.ctx, kindBlock, items)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Blocks += int64(len(items))
	w.stats.NewBlocks += int64(out.fresh)
	w.stats.StoredBytes += out.bytes
	w.depend(out)
	for i := 0; err == nil && i < len(at); i++ {
		err = w.leaves.set(first+int64(at[i]), items[i].id)
	}
	return err
}
