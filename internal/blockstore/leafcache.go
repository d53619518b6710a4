package blockstore

import (
	"container/list"
	"context"
	"sync"
)

// maxLeaves bounds the leaves with locations that are kept: 256 of 16 KiB each
// cover 32 GiB of disk.
const maxLeaves = 256

// located is a leaf with the locations of its blocks.
type located struct {
	id   ref
	node node
	locs [fanOut]Location
}

// leafCache keeps located leaves, so that the index is asked once for a whole
// leaf. A location may go stale when its block is moved; who finds it so calls
// drop.
type leafCache struct {
	mu     sync.Mutex
	leaves map[ref]*list.Element // of *located
	recent *list.List
}

func (c *leafCache) init() {
	c.leaves, c.recent = make(map[ref]*list.Element), list.New()
}

func (c *leafCache) get(id ref) *located {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.leaves[id]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*located)
}

func (c *leafCache) put(l *located) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves[l.id] != nil {
		return
	}
	c.leaves[l.id] = c.recent.PushFront(l)
	if c.recent.Len() > maxLeaves {
		old := c.recent.Remove(c.recent.Back()).(*located)
		delete(c.leaves, old.id)
	}
}

func (c *leafCache) drop(id ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.leaves[id]; e != nil {
		c.recent.Remove(e)
		delete(c.leaves, id)
	}
}

func (c *leafCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
}

// leaf returns leaf number n of a tree with the locations of its blocks, or nil
// if all of it is zero. A block that the index does not know has no location.
func (s realm) leaf(ctx context.Context, root Root, n int64) (*located, error) {
	id, err := s.descend(ctx, root, 0, n)
	if err != nil || id.IsZero() {
		return nil, err
	}
	return s.locate(ctx, id)
}

func (s realm) locate(ctx context.Context, id ID) (*located, error) {
	if l := s.leaves.get(s.ref(id)); l != nil {
		return l, nil
	}
	nd, err := s.node(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	l := &located{id: s.ref(id), node: nd}
	var ids []ID
	var at []int
	for i := range fanOut {
		if child := nd.child(i); !child.IsZero() {
			ids, at = append(ids, child), append(at, i)
		}
	}
	locs, err := s.lookups.do(ctx, s.domain, ids)
	if err != nil {
		return nil, s.closedErr(err)
	}
	for k, i := range at {
		l.locs[i] = locs[k]
	}
	s.leaves.put(l)
	return l, nil
}

// location returns where block i of a leaf is. Fresh asks the index again.
func (s realm) location(l *located, i int, fresh bool) (Location, error) {
	if loc := l.locs[i]; !fresh && !loc.IsZero() {
		return loc, nil
	}
	s.leaves.drop(l.id)
	locs, err := s.resolve(s.ctx, []ID{l.node.child(i)})
	if err != nil {
		return Location{}, s.closedErr(err)
	}
	return locs[0], nil
}
