package blockstore

import (
	"context"
	"fmt"
	"iter"
)

// claim says that a block is on its way into the index: its owner looks it up
// and stores it, all others that come upon the block wait for the claim.
type claim struct {
	ref  ref
	done chan struct{} // closed when pack and err are valid
	pack *pack         // where it will be; nil if the index has it already
	err  error         // the owner could not store it
}

// item is something to be stored.
type item struct {
	id     ID
	plain  []byte
	record []byte // of plain, not encrypted and perhaps under another identity; may be nil
}

// stored says what came of storing items.
type stored struct {
	packs []*pack // must be sealed before the items are durable
	fresh int     // items that were not there
	bytes int64   // of their records
}

func (a *stored) depend(p *pack) {
	if p != nil && (len(a.packs) == 0 || a.packs[len(a.packs)-1] != p) {
		a.packs = append(a.packs, p)
	}
}

// put stores the items that the store does not have and is not about to have.
func (s realm) put(ctx context.Context, k kind, items []item) (stored, error) {
	var out stored
	for len(items) > 0 {
		mine, others := s.claim(items)
		if err := s.fulfil(ctx, k, mine, &out); err != nil {
			return out, err
		}
		var again []item
		for _, it := range others {
			ok, err := it.await(ctx, &out)
			if err != nil {
				return out, err
			}
			if !ok {
				again = append(again, it.item)
			}
		}
		items = again
	}
	return out, nil
}

// claimed is an item with its claim, our own or another's.
type claimed struct {
	item
	claim *claim
}

// claim divides items into those that are ours to store, and the rest.
func (s realm) claim(items []item) (mine, others []claimed) {
	s.claimMu.Lock()
	defer s.claimMu.Unlock()
	for _, it := range items {
		if c := s.claims[s.ref(it.id)]; c != nil {
			others = append(others, claimed{it, c})
			continue
		}
		c := &claim{ref: s.ref(it.id), done: make(chan struct{})}
		s.claims[c.ref] = c
		mine = append(mine, claimed{it, c})
	}
	return mine, others
}

// await waits for another's claim. It returns false if that came to nothing.
func (c claimed) await(ctx context.Context, out *stored) (bool, error) {
	select {
	case <-c.claim.done:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if c.claim.err != nil {
		return false, nil
	}
	p := c.claim.pack
	if p == nil {
		return true, nil
	}
	if p.failed.Load() {
		<-p.done // soon: it only has to forget its claims
		return false, nil
	}
	out.depend(p)
	return true, nil
}

// fulfil looks up the claimed items and stores those that are absent. All
// claims are settled when it returns.
func (s realm) fulfil(ctx context.Context, k kind, mine []claimed, out *stored) error {
	if len(mine) == 0 {
		return nil
	}
	ids := make([]ID, len(mine))
	for i, c := range mine {
		ids[i] = c.id
	}
	locs, err := s.lookups.do(ctx, s.domain, ids)
	if err != nil {
		err = fmt.Errorf("look up %d blocks: %w", len(ids), err)
	}
	for i, c := range mine {
		if err == nil && locs[i].IsZero() {
			err = s.encode(k, c, out)
		}
		c.claim.err = err
		if c.claim.pack == nil { // nothing will settle it later
			s.release(one(c.claim))
		}
		close(c.claim.done)
	}
	return err
}

// encode stores one item.
func (s realm) encode(k kind, c claimed, out *stored) error {
	buf := s.buffers.get()
	defer func() { s.buffers.put(buf) }()
	frames, codec := 1, packedZstd
	if k == kindBlock {
		frames, codec = s.frames, s.codec.packed()
	}
	record := adopt(c.record, c.id, frames)
	if record == nil {
		record = s.comp.appendRecord(buf[:0], k, c.id, c.plain, codec, frames)
	}
	n, err := s.store(k.class(), c.claim, c.id, record)
	if err != nil {
		return err
	}
	out.depend(c.claim.pack)
	out.fresh++
	out.bytes += int64(n)
	return nil
}

// release forgets claims.
func (s *Store) release(claims iter.Seq[*claim]) {
	s.claimMu.Lock()
	defer s.claimMu.Unlock()
	for c := range claims {
		if s.claims[c.ref] == c {
			delete(s.claims, c.ref)
		}
	}
}

func one[T any](x T) iter.Seq[T] { return func(yield func(T) bool) { yield(x) } }

// seal makes packs durable and known, and returns when they are.
func (s *Store) seal(ctx context.Context, packs iter.Seq[*pack]) error {
	var all []*pack
	for p := range packs {
		all = append(all, p)
		p.seal()
	}
	for _, p := range all {
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}
