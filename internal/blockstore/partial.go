package blockstore

import (
	"container/list"
	"slices"
)

// maxPartials bounds the buffers for parts of blocks in one Writer: 8 MiB.
const maxPartials = 16

// maxSpans bounds the separate pieces of one block.
const maxSpans = 64

// partial is a block of which parts have been written.
type partial struct {
	n    int64
	buf  []byte
	need int     // bytes of the block that belong to the disk
	have []piece // sorted, neither overlapping nor touching
	elem *list.Element
	busy chan struct{} // not nil while it is flushed, closed at the end
}

type piece struct{ from, to int }

// cover adds a piece.
func (p *partial) cover(from, to int) {
	i, _ := slices.BinarySearchFunc(p.have, from, func(e piece, from int) int { return e.to - from })
	j := i
	for j < len(p.have) && p.have[j].from <= to {
		from, to = min(from, p.have[j].from), max(to, p.have[j].to)
		j++
	}
	p.have = slices.Replace(p.have, i, j, piece{from, to})
}

func (p *partial) full() bool {
	return len(p.have) == 1 && p.have[0].from == 0 && p.have[0].to >= p.need
}

// writePart writes part of block n, beginning at in.
func (w *Writer) writePart(data []byte, n int64, in int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.partial(n)
	if err != nil {
		return err
	}
	copy(p.buf[in:], data)
	p.cover(in, in+len(data))
	if p.full() || len(p.have) > maxSpans {
		return w.flush(p)
	}
	return nil
}

// partial returns the buffer of block n, which is not busy. It makes room for
// a new one. The caller holds mu, which is released while it waits.
func (w *Writer) partial(n int64) (*partial, error) {
	for {
		p := w.partials[n]
		if p != nil && p.busy == nil {
			w.recent.MoveToFront(p.elem)
			return p, nil
		}
		if p != nil {
			w.wait(p)
			continue
		}
		if len(w.partials) >= maxPartials {
			if err := w.evict(); err != nil {
				return nil, err
			}
			continue
		}
		p = &partial{n: n, buf: w.s.buffers.get(), need: int(min(BlockSize, w.size-n*BlockSize))}
		clear(p.buf[:BlockSize])
		p.elem = w.recent.PushFront(p)
		w.partials[n] = p
		return p, nil
	}
}

// wait waits until a busy buffer is gone.
func (w *Writer) wait(p *partial) {
	busy := p.busy
	w.mu.Unlock()
	<-busy
	w.mu.Lock()
}

// evict flushes the buffer that was used least recently, or waits for one that
// is being flushed.
func (w *Writer) evict() error {
	for e := w.recent.Back(); e != nil; e = e.Prev() {
		if p := e.Value.(*partial); p.busy == nil {
			return w.flush(p)
		}
	}
	w.wait(w.recent.Back().Value.(*partial))
	return nil
}

// flush stores what is in a buffer and removes it. The caller holds mu, which
// is released meanwhile.
func (w *Writer) flush(p *partial) error {
	had, err := w.leaves.block(p.n)
	if err != nil {
		return err
	}
	p.busy = make(chan struct{})
	w.mu.Unlock()
	id, out, err := w.storePart(p, had)
	w.mu.Lock()
	if err == nil {
		w.note([]ID{id}, out)
		err = w.leaves.set(p.n, id)
	}
	w.forget(p)
	close(p.busy)
	return err
}

// storePart completes a block from what it held before, and puts it.
func (w *Writer) storePart(p *partial, had ID) (ID, stored, error) {
	if !p.full() && !had.IsZero() {
		if err := w.fill(p, had); err != nil {
			return ID{}, stored{}, err
		}
	}
	block := p.buf[:BlockSize]
	id := w.s.identify(block)
	if id.IsZero() || id == had {
		return id, stored{}, nil
	}
	out, err := w.s.put(w.s.ctx, kindBlock, []item{{id: id, plain: block}})
	return id, out, err
}

// fill reads what is missing in a buffer from the block that the disk holds.
func (w *Writer) fill(p *partial, had ID) error {
	locs, err := w.s.resolve(w.s.ctx, []ID{had})
	if err != nil {
		return err
	}
	old := w.s.buffers.get()
	defer w.s.buffers.put(old)
	if err := w.s.fetch(kindBlock, had, locs[0], old[:BlockSize]); err != nil {
		return err
	}
	at := 0
	for _, have := range p.have {
		copy(p.buf[at:have.from], old[at:have.from])
		at = have.to
	}
	copy(p.buf[at:BlockSize], old[at:BlockSize])
	return nil
}

// dropPartial discards the buffer of block n, if there is one. The caller holds
// mu, which is released while the buffer is busy.
func (w *Writer) dropPartial(n int64) {
	for p := w.partials[n]; p != nil; p = w.partials[n] {
		if p.busy != nil {
			w.wait(p)
			continue
		}
		w.forget(p)
	}
}

// forget removes a buffer. The caller holds mu.
func (w *Writer) forget(p *partial) {
	w.recent.Remove(p.elem)
	delete(w.partials, p.n)
	w.s.buffers.put(p.buf)
}
