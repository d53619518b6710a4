package blockstore

import (
	"context"
	"fmt"
	"iter"
)

// Blocks yields the numbers of the blocks of a disk that are not zero, from the
// given one on, in ascending order. It reads the manifest and no blocks. An
// error ends it.
func (s *Store) Blocks(ctx context.Context, root Root, from int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		r, err := s.open(ctx, root)
		if err != nil {
			yield(0, fmt.Errorf("list blocks: %w", err))
			return
		}
		for l, err := range r.walk(ctx, root, max(from, 0)/fanOut) {
			if err != nil {
				yield(0, fmt.Errorf("list blocks: %w", err))
				return
			}
			for i := range fanOut {
				n := l.n*fanOut + int64(i)
				if n >= from && !l.node.child(i).IsZero() && !yield(n, nil) {
					return
				}
			}
		}
	}
}

// walkLeaf is a leaf with its number.
type walkLeaf struct {
	n    int64
	id   ID
	node node
}

// walk yields the leaves of a tree that are not zero, from the given number
// on, in ascending order. An error ends it.
func (s realm) walk(ctx context.Context, root Root, from int64) iter.Seq2[walkLeaf, error] {
	return func(yield func(walkLeaf, error) bool) {
		if !root.ID.IsZero() {
			w := walker{s: s, ctx: ctx, from: from, blocks: blocks(root.Size), yield: yield}
			w.visit(root.ID, topLevel(w.blocks), 0)
		}
	}
}

type walker struct {
	s      realm
	ctx    context.Context
	from   int64
	blocks int64
	yield  func(walkLeaf, error) bool
}

// visit walks below node number n of a level. It returns false to end.
func (w *walker) visit(id ID, level int, n int64) bool {
	if err := w.ctx.Err(); err != nil {
		w.yield(walkLeaf{}, err)
		return false
	}
	nd, err := w.s.node(w.ctx, id, level)
	if err == nil {
		err = checkEnd(id, nd, level, n, w.blocks)
	}
	if err != nil {
		w.yield(walkLeaf{}, err)
		return false
	}
	if level == 0 {
		return w.yield(walkLeaf{n, id, nd}, nil)
	}
	for i := range fanOut {
		child, k := nd.child(i), n*fanOut+int64(i)
		if child.IsZero() || (k+1)*span(level-1) <= w.from*fanOut {
			continue
		}
		if !w.visit(child, level-1, k) {
			return false
		}
	}
	return true
}

// checkEnd refuses a node that has something beyond the end of the disk.
func checkEnd(id ID, nd node, level int, n, blocks int64) error {
	each := span(level) / fanOut // blocks below one child
	first := n * span(level)
	for i := range fanOut {
		if first+int64(i)*each >= blocks && !nd.child(i).IsZero() {
			return &CorruptError{ID: id, Reason: "manifest node goes beyond the end of the disk"}
		}
	}
	return nil
}
