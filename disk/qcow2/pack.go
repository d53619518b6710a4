package qcow2

import "fmt"

// writeCompressed compresses what covers whole clusters, and gathers the rest.
func (w *writer) writeCompressed(p []byte, off int64) error {
	b := w.newBatch()
	defer w.batches.Put(b)
	for _, c := range w.split(p, off) {
		if !c.whole {
			if err := w.gather(c); err != nil {
				return err
			}
			continue
		}
		w.forget(c.cluster)
		if err := w.add(b, c.cluster, c.b, c.zero); err != nil {
			return err
		}
		if len(b.packed) < packSize {
			continue
		}
		if err := w.store(b); err != nil {
			return err
		}
		b.reset()
	}
	return w.store(b)
}

// batch is clusters that are placed and written together.
type batch struct {
	packed []byte // compressed clusters, one after the other
	last   []byte // a cluster, for the one that the end of the disk cuts off
	items  []item
}

type item struct {
	cluster int64
	start   int    // in packed
	n       int    // bytes in packed
	plain   []byte // what is stored if n is 0; nil for zeros
}

func (w *writer) newBatch() *batch {
	b, _ := w.batches.Get().(*batch)
	if b == nil {
		b = &batch{}
	}
	b.reset()
	return b
}

func (b *batch) reset() {
	clear(b.items) // they refer to buffers of the caller
	b.packed, b.items = b.packed[:0], b.items[:0]
}

// add compresses a whole cluster, or what of it is on the disk, into b. It
// keeps a reference to p if that does not become smaller.
func (w *writer) add(b *batch, cluster int64, p []byte, zero bool) error {
	it := item{cluster: cluster, start: len(b.packed)}
	if zero {
		b.items = append(b.items, it)
		return nil
	}
	size := w.header.clusterSize()
	whole := p
	if int64(len(p)) < size { // a compressed cluster is always a whole one
		b.last = append(append(b.last[:0], p...), make([]byte, size-int64(len(p)))...)
		whole = b.last
	}
	packed, err := w.compressor.compress(b.packed, whole)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if n := len(packed) - it.start; int64(n) < size {
		it.n = n
		b.packed = packed
	} else {
		it.plain = p
		b.packed = packed[:it.start]
	}
	b.items = append(b.items, it)
	return nil
}

// store gives the clusters of b their places and writes them.
func (w *writer) store(b *batch) error {
	var s segment
	segments := make([]segment, 0, 8)
	w.mu.Lock()
	for _, it := range b.items {
		var next segment
		var e uint64
		switch {
		case it.n > 0:
			next = segment{w.alloc.packed(int64(it.n)), b.packed[it.start : it.start+it.n]}
			e = compressedDescriptor(next.host, int64(it.n), w.header.clusterBits)
		case it.plain != nil:
			next = segment{w.alloc.cluster(), it.plain}
			e = uint64(next.host) | entryCopied
		}
		w.setEntry(it.cluster, e)
		if e != 0 && !s.join(next) {
			segments = append(segments, s)
			s = next
		}
	}
	w.mu.Unlock()
	return w.write(append(segments, s))
}
