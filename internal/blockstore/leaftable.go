package blockstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
)

// maxResident bounds the leaves that a Writer holds in full: 1024 of 8 KiB
// each cover 128 GiB. When there are more, those used least recently are
// stored, and read again if they are written again.
const maxResident = 1024

// leafTable is what a Writer has changed of a manifest. All of it is guarded by
// Writer.mu.
type leafTable struct {
	w        *Writer
	dirty    map[int64]*leaf
	resident int
	tick     int64
}

// leaf is a leaf that was written to.
type leaf struct {
	ids  *[fanOut]ID // nil if not in memory
	id   ID          // of the stored leaf, if not in memory
	used int64
}

func (t *leafTable) init(w *Writer) {
	*t = leafTable{w: w, dirty: make(map[int64]*leaf)}
}

// block returns the identity that block n has now.
func (t *leafTable) block(n int64) (ID, error) {
	l := t.dirty[n/fanOut]
	if l == nil {
		return t.w.s.descend(t.w.s.ctx, t.w.base, -1, n)
	}
	if l.ids != nil {
		return l.ids[n%fanOut], nil
	}
	if l.id.IsZero() {
		return ID{}, nil
	}
	nd, err := t.w.s.node(t.w.s.ctx, l.id, 0)
	if err != nil {
		return ID{}, err
	}
	return nd.child(int(n % fanOut)), nil
}

// set gives block n an identity.
func (t *leafTable) set(n int64, id ID) error {
	had, err := t.block(n)
	if err != nil || had == id {
		return err
	}
	l, err := t.load(n / fanOut)
	if err != nil {
		return err
	}
	l.ids[n%fanOut] = id
	return t.spill()
}

// load returns leaf n in memory.
func (t *leafTable) load(n int64) (*leaf, error) {
	l := t.dirty[n]
	if l == nil {
		id, err := t.w.s.descend(t.w.s.ctx, t.w.base, 0, n)
		if err != nil {
			return nil, err
		}
		l = &leaf{id: id}
	}
	if l.ids == nil {
		ids := new([fanOut]ID)
		if !l.id.IsZero() {
			nd, err := t.w.s.node(t.w.s.ctx, l.id, 0)
			if err != nil {
				return nil, err
			}
			ids = nd.children()
		}
		l.ids = ids
		t.dirty[n] = l
		t.resident++
	}
	t.tick++
	l.used = t.tick
	return l, nil
}

// spill stores leaves if too many are in memory.
func (t *leafTable) spill() error {
	if t.resident <= maxResident {
		return nil
	}
	var in []int64
	for n, l := range t.dirty {
		if l.ids != nil {
			in = append(in, n)
		}
	}
	slices.SortFunc(in, func(a, b int64) int { return cmp.Compare(t.dirty[a].used, t.dirty[b].used) })
	in = in[:len(in)/4]
	ids, err := t.store(t.w.s.ctx, 0, in, func(n int64) (*[fanOut]ID, error) { return t.dirty[n].ids, nil })
	if err != nil {
		return err
	}
	for i, n := range in {
		l := t.dirty[n]
		l.ids, l.id = nil, ids[i]
	}
	t.resident -= len(in)
	return nil
}

// zero makes the blocks from first to before last zero.
func (t *leafTable) zero(first, last int64) error {
	// Leaves that are not zero now, in the range.
	var touched []int64
	for n := range t.dirty {
		if n >= first/fanOut && n*fanOut < last {
			touched = append(touched, n)
		}
	}
	for l, err := range t.w.s.walk(t.w.s.ctx, t.w.base, first/fanOut) {
		if err != nil {
			return err
		}
		if l.n*fanOut >= last {
			break
		}
		if t.dirty[l.n] == nil {
			touched = append(touched, l.n)
		}
	}
	for _, n := range touched {
		if err := t.zeroIn(n, max(first, n*fanOut), min(last, (n+1)*fanOut)); err != nil {
			return err
		}
	}
	return nil
}

// zeroIn makes blocks of leaf n zero.
func (t *leafTable) zeroIn(n, first, last int64) error {
	if last-first == fanOut {
		if l := t.dirty[n]; l != nil && l.ids != nil {
			t.resident--
		}
		t.dirty[n] = &leaf{}
		return nil
	}
	for b := first; b < last; b++ {
		if err := t.set(b, ID{}); err != nil {
			return err
		}
	}
	return nil
}

// build stores the manifest and returns the identity of its top.
func (t *leafTable) build(ctx context.Context) (ID, error) {
	s, base := t.w.s, t.w.base
	baseTop, top := topLevel(blocks(base.Size)), topLevel(blocks(t.w.size))
	level, err := t.buildLeaves(ctx)
	if err != nil {
		return ID{}, err
	}
	for l := 0; ; l++ {
		if _, ok := level[0]; !ok && l == baseTop && !base.ID.IsZero() {
			level[0] = base.ID // as it was, perhaps below new levels
		}
		if l == top {
			return level[0], nil
		}
		children := level
		var parents []int64
		for n := range children {
			parents = append(parents, n/fanOut)
		}
		slices.Sort(parents)
		parents = slices.Compact(parents)
		byParent := make(map[int64][]int64, len(parents))
		for n := range children {
			byParent[n/fanOut] = append(byParent[n/fanOut], n)
		}
		ids, err := t.store(ctx, l+1, parents, func(n int64) (*[fanOut]ID, error) {
			all, err := s.childrenOf(ctx, base, l+1, n)
			if err != nil {
				return nil, err
			}
			for _, child := range byParent[n] {
				all[child%fanOut] = children[child]
			}
			return all, nil
		})
		if err != nil {
			return ID{}, err
		}
		level = make(map[int64]ID, len(ids))
		for i, n := range parents {
			level[n] = ids[i]
		}
	}
}

// buildLeaves stores the leaves in memory and returns the identities of all
// that were written to.
func (t *leafTable) buildLeaves(ctx context.Context) (map[int64]ID, error) {
	level := make(map[int64]ID, len(t.dirty))
	var in []int64
	for n, l := range t.dirty {
		if l.ids != nil {
			in = append(in, n)
		}
		level[n] = l.id
	}
	slices.Sort(in)
	ids, err := t.store(ctx, 0, in, func(n int64) (*[fanOut]ID, error) { return t.dirty[n].ids, nil })
	for i, id := range ids {
		level[in[i]] = id
	}
	return level, err
}

// storeBatch is the number of nodes encoded and looked up at once.
const storeBatch = 32

// store stores the nodes with the given numbers at a level and returns their
// identities.
func (t *leafTable) store(ctx context.Context, level int, numbers []int64, children func(int64) (*[fanOut]ID, error)) ([]ID, error) {
	all := make([]ID, 0, len(numbers))
	buf := make([]byte, 0, min(len(numbers), storeBatch)*nodeSize)
	for batch := range slices.Chunk(numbers, storeBatch) {
		buf = buf[:0]
		var items []item
		for _, n := range batch {
			ids, err := children(n)
			if err != nil {
				return nil, err
			}
			if *ids == ([fanOut]ID{}) {
				all = append(all, ID{})
				continue
			}
			buf = appendNode(buf, level, ids)
			plain := buf[len(buf)-nodeSize:]
			id := t.w.s.identity(sha256.Sum256(plain))
			items, all = append(items, item{id: id, plain: plain}), append(all, id)
		}
		out, err := t.w.s.put(ctx, kindNode, items)
		t.w.depend(out)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// childrenOf returns the children of node number n at a level of a tree.
func (s realm) childrenOf(ctx context.Context, root Root, level int, n int64) (*[fanOut]ID, error) {
	id, err := s.descend(ctx, root, level, n)
	if err != nil || id.IsZero() {
		return new([fanOut]ID), err
	}
	nd, err := s.node(ctx, id, level)
	if err != nil {
		return nil, err
	}
	return nd.children(), nil
}
