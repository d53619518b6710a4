package qcow2

import (
	"fmt"
	"runtime"
	"sync"

	"origami/disk"
)

// gatherSize is how many bytes of clusters of which only parts are known are
// kept in memory.
const gatherSize = 8 << 20

// pending is a cluster of which only parts were written. While it is in the
// writer's map, its L2 entry is 0 or, as long as mu is held, about to be
// replaced.
type pending struct {
	cluster int64

	mu      sync.Mutex // guards what follows; taken before the writer's
	b       []byte     // all of the cluster that is on the disk
	sectors []bool     // that were written as a whole
	missing int        // how many were not
	gone    bool       // no longer in the map
}

// gather takes a part of a cluster. A cluster that is in the file already is
// changed there: a compressed one becomes a plain one first, so that it is not
// compressed again for every part.
func (w *writer) gather(c part) error {
	for {
		p, e := w.lockPending(c)
		switch {
		case p == nil && e == 0:
			return nil // zeros, where there is nothing else
		case p == nil:
			return w.write([]segment{{int64(e&entryOffset) + c.within, c.b}})
		case p.gone:
			p.mu.Unlock()
			continue // somebody stored it: look again
		}
		err := w.fill(p, c, e)
		p.mu.Unlock()
		if err != nil {
			return err
		}
		return w.relieve()
	}
}

// lockPending returns, locked, the pending cluster of which c is a part, and
// the L2 entry. If c must not be gathered it returns nil.
func (w *writer) lockPending(c part) (*pending, uint64) {
	w.mu.Lock()
	e := w.entry(c.cluster)
	p := w.pending[c.cluster]
	if p != nil {
		w.mu.Unlock()
		p.mu.Lock()
		return p, 0
	}
	defer w.mu.Unlock()
	if e == 0 && c.zero || e&entryCopied != 0 {
		return nil, e
	}
	n := min(w.header.clusterSize(), w.header.size-c.cluster<<w.header.clusterBits)
	p = &pending{cluster: c.cluster, b: make([]byte, n), sectors: make([]bool, n/disk.SectorSize)}
	p.missing = len(p.sectors)
	p.mu.Lock() // nobody else knows it yet
	w.pending[c.cluster] = p
	w.oldest = append(w.oldest, c.cluster)
	return p, e
}

// fill copies c into p, and stores p if it is complete, or if e says that it
// is in the file, compressed. The caller holds p.mu.
func (w *writer) fill(p *pending, c part, e uint64) error {
	if e != 0 {
		if err := w.readBack(p.b, e); err != nil {
			return fmt.Errorf("read cluster %d again: %w", p.cluster, err)
		}
	}
	n := copy(p.b[c.within:], c.b)
	first := (c.within + disk.SectorSize - 1) / disk.SectorSize
	for i := first; i < (c.within+int64(n))/disk.SectorSize; i++ {
		if !p.sectors[i] {
			p.sectors[i] = true
			p.missing--
		}
	}
	if e != 0 {
		return w.storePending(p, false)
	}
	if p.missing == 0 {
		return w.storePending(p, true)
	}
	return nil
}

// readBack reads the compressed cluster with L2 entry e.
func (w *writer) readBack(b []byte, e uint64) error {
	m := image{header: w.header, fileSize: 1 << 62}
	r, err := m.compressedEntry(e, run{})
	if err != nil {
		return err
	}
	// The last sector may not be written yet, but the data in it is.
	src := make([]byte, r.stored)
	if n, err := w.f.ReadAt(src, r.host); n == 0 {
		return err
	}
	dst := make([]byte, w.header.clusterSize())
	if err := w.z.decompress(dst, src); err != nil {
		return err
	}
	copy(b, dst)
	return nil
}

// storePending writes p, and forgets it. The caller holds p.mu.
func (w *writer) storePending(p *pending, compress bool) error {
	b := w.newBatch()
	defer w.batches.Put(b)
	if compress {
		if err := w.add(b, p.cluster, p.b, disk.IsZero(p.b)); err != nil {
			return err
		}
	} else {
		b.items = append(b.items, item{cluster: p.cluster, plain: p.b})
	}
	if err := w.store(b); err != nil {
		return err
	}
	w.remove(p)
	return nil
}

// remove forgets p. The caller holds p.mu.
func (w *writer) remove(p *pending) {
	p.gone, p.b = true, nil
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, p.cluster)
}

// forget drops what was gathered of a cluster that is written as a whole.
func (w *writer) forget(cluster int64) {
	w.mu.Lock()
	p := w.pending[cluster]
	w.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		w.remove(p)
	}
}

// relieve stores the oldest pending clusters while there are too many.
func (w *writer) relieve() error {
	most := max(int(gatherSize>>w.header.clusterBits), 2*runtime.GOMAXPROCS(0))
	for {
		p := w.surplus(most)
		if p == nil {
			return nil
		}
		if err := w.storeIfPending(p); err != nil {
			return err
		}
	}
}

// storeIfPending stores p unless somebody else does so.
func (w *writer) storeIfPending(p *pending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil
	}
	return w.storePending(p, true)
}

// surplus returns the oldest pending cluster if there are more than most.
func (w *writer) surplus(most int) *pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.oldest) > most {
		p := w.pending[w.oldest[0]]
		w.oldest = w.oldest[1:]
		if p != nil {
			return p
		}
	}
	return nil
}
