package blockstore

import (
	"context"
	"fmt"
	"iter"
)

// Change is a block in which two disks differ. A zero ID is a block of zeros,
// or one beyond the end of that disk.
type Change struct {
	Block int64 // number of the block: its offset divided by BlockSize
	A, B  ID
}

// Diff yields the blocks in which the disks a and b differ, in ascending
// order. It reads only manifest nodes on the way to changes. The disks may
// have different sizes, but must be in the same domain. An error ends it.
func (s *Store) Diff(ctx context.Context, a, b Root) iter.Seq2[Change, error] {
	return s.DiffFrom(ctx, a, b, 0)
}

// DiffFrom is Diff that begins with block number from, and reads no node that
// ends before it.
func (s *Store) DiffFrom(ctx context.Context, a, b Root, from int64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		r, err := s.open(ctx, a, b)
		if err != nil {
			yield(Change{}, fmt.Errorf("compare disks: %w", err))
			return
		}
		d := differ{s: r, ctx: ctx, from: from, yield: yield}
		d.tops[0], d.tops[1] = topLevel(blocks(a.Size)), topLevel(blocks(b.Size))
		d.visit([2]ID{a.ID, b.ID}, d.tops, 0)
	}
}

type differ struct {
	s     realm
	ctx   context.Context
	from  int64
	tops  [2]int
	yield func(Change, error) bool
}

// visit compares two subtrees that begin at the same block, the first of their
// level with number n of the higher one. Levels differ only along the left
// edge, where a lower tree is the first child of a taller one. It returns
// false to end.
func (d *differ) visit(ids [2]ID, levels [2]int, n int64) bool {
	if levels[0] == levels[1] && ids[0] == ids[1] {
		return true
	}
	level := max(levels[0], levels[1])
	var nodes [2]node
	for k := range ids {
		if levels[k] < level || ids[k].IsZero() {
			continue
		}
		nd, err := d.s.node(d.ctx, ids[k], level)
		if err != nil {
			d.yield(Change{}, fmt.Errorf("compare disks: %w", err))
			return false
		}
		nodes[k] = nd
	}
	if err := d.ctx.Err(); err != nil {
		d.yield(Change{}, err)
		return false
	}
	for i := range fanOut {
		var children [2]ID
		below := [2]int{level - 1, level - 1}
		for k := range ids {
			switch {
			case nodes[k] != nil:
				children[k] = nodes[k].child(i)
			case levels[k] < level && i == 0:
				children[k], below[k] = ids[k], levels[k]
			}
		}
		number := n*fanOut + int64(i)
		if (number+1)*span(level)/fanOut <= d.from {
			continue
		}
		if level > 0 {
			if !d.visit(children, below, number) {
				return false
			}
		} else if children[0] != children[1] && !d.yield(Change{number, children[0], children[1]}, nil) {
			return false
		}
	}
	return true
}
