package blockstore

import (
	"context"
	"fmt"
	"sync"
)

// lookups collects lookups that come while one is under way into the next one,
// so that the index sees few large batches when many ask.
type lookups struct {
	s *Store

	mu      sync.Mutex
	running bool
	next    map[Domain]*lookupBatch // collecting; empty if nobody waits
}

type lookupBatch struct {
	ids  []ID
	locs []Location
	err  error
	done chan struct{} // closed when locs or err is valid
}

func (l *lookups) init(s *Store) { l.s, l.next = s, make(map[Domain]*lookupBatch) }

// do returns the locations of ids in a domain, the zero Location for those absent.
func (l *lookups) do(ctx context.Context, d Domain, ids []ID) ([]Location, error) {
	b, start := l.join(d, ids)
	select {
	case <-b.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.locs[start : start+len(ids)], nil
}

func (l *lookups) join(d Domain, ids []ID) (b *lookupBatch, start int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b = l.next[d]; b == nil {
		b = &lookupBatch{done: make(chan struct{})}
		l.next[d] = b
	}
	start = len(b.ids)
	b.ids = append(b.ids, ids...)
	if !l.running {
		l.running = true
		l.s.spawn(l.run)
	}
	return b, start
}

// run serves batches until there are none.
func (l *lookups) run() {
	for {
		l.mu.Lock()
		next := l.next
		l.next = make(map[Domain]*lookupBatch)
		l.running = len(next) > 0
		l.mu.Unlock()
		if len(next) == 0 {
			return
		}
		for d, b := range next {
			b.locs, b.err = l.s.lookup(d, b.ids)
			close(b.done)
		}
	}
}

// lookup asks the index, in pieces of MaxLookup.
func (s *Store) lookup(d Domain, ids []ID) ([]Location, error) {
	all := make([]Location, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), MaxLookup)
		locs, err := s.index.Lookup(s.ctx, d, ids[:n])
		if err != nil {
			return nil, err
		}
		if len(locs) != n {
			return nil, fmt.Errorf("index returned %d locations for %d blocks", len(locs), n)
		}
		all = append(all, locs...)
		ids = ids[n:]
	}
	return all, nil
}

// resolve is lookups.do that fails for an absent block. One that lies in a
// pack not yet sealed is sealed to be read.
func (s realm) resolve(ctx context.Context, ids []ID) ([]Location, error) {
	locs, err := s.lookups.do(ctx, s.domain, ids)
	if err != nil {
		return nil, err
	}
	missing := false
	for i, id := range ids {
		if !locs[i].IsZero() {
			continue
		}
		missing = true
		if err := s.settleClaim(ctx, id); err != nil {
			return nil, err
		}
	}
	if !missing {
		return locs, nil
	}
	if locs, err = s.lookups.do(ctx, s.domain, ids); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if locs[i].IsZero() {
			return nil, &CorruptError{ID: id, Reason: "not in the index"}
		}
	}
	return locs, nil
}

// settleClaim seals the pack that a block is in, if it is on its way.
func (s realm) settleClaim(ctx context.Context, id ID) error {
	s.claimMu.Lock()
	c := s.claims[s.ref(id)]
	s.claimMu.Unlock()
	if c == nil {
		return nil
	}
	var out stored
	if _, err := (claimed{claim: c}).await(ctx, &out); err != nil {
		return err
	}
	for _, p := range out.packs {
		if err := s.seal(ctx, one(p)); err != nil {
			return err
		}
	}
	return nil
}
