package blockstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Damage is a block of a disk that cannot be read.
type Damage struct {
	Block int64 // number of the block, or of the first below a lost node
	Err   error // says what is wrong, and satisfies errors.Is with ErrCorrupt
}

// maxDamage bounds what Verify lists.
const maxDamage = 10_000

// Verify reads every block of the disk from the bucket, past the cache, and
// checks it. It returns the damage in ascending order, at most 10,000 pieces;
// below a lost node it cannot look. The error says that Verify itself could not
// go on.
func (s *Store) Verify(ctx context.Context, root Root) ([]Damage, error) {
	r, err := s.open(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("verify disk: %w", err)
	}
	v := verifier{s: r}
	group, ctx := errgroup.WithContext(ctx)
	v.ctx, v.group = ctx, group
	group.SetLimit(runtime.GOMAXPROCS(0) + 1)
	group.Go(func() error {
		if root.ID.IsZero() {
			return nil
		}
		return v.visit(root.ID, topLevel(blocks(root.Size)), 0, blocks(root.Size))
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("verify disk: %w", err)
	}
	slices.SortFunc(v.damage, func(a, b Damage) int { return int(a.Block - b.Block) })
	return v.damage, nil
}

type verifier struct {
	s     realm
	ctx   context.Context
	group *errgroup.Group

	mu     sync.Mutex
	damage []Damage
}

// note keeps damage and returns any other error.
func (v *verifier) note(block int64, err error) error {
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.damage) < maxDamage {
		v.damage = append(v.damage, Damage{block, err})
	}
	return nil
}

// visit checks what is below node number n of a level.
func (v *verifier) visit(id ID, level int, n, blocks int64) error {
	nd, err := v.node(id, level)
	if err == nil {
		err = checkEnd(id, nd, level, n, blocks)
	}
	if err != nil {
		return v.note(n*span(level), err)
	}
	if level > 0 {
		for i := range fanOut {
			if child := nd.child(i); !child.IsZero() {
				if err := v.visit(child, level-1, n*fanOut+int64(i), blocks); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return v.leaf(id, nd, n)
}

// node reads a node from the bucket.
func (v *verifier) node(id ID, level int) (node, error) {
	locs, err := v.s.resolve(v.ctx, []ID{id})
	if err != nil {
		return nil, err
	}
	data := make([]byte, nodeSize)
	if err := v.s.fetch(kindNode, id, locs[0], data); err != nil {
		return nil, err
	}
	nd, err := parseNode(data, level)
	return nd, corrupt(id, locs[0], err)
}

// leaf starts a check of each block of leaf number n.
func (v *verifier) leaf(id ID, nd node, n int64) error {
	v.s.leaves.drop(v.s.ref(id))
	l, err := v.s.locate(v.ctx, id)
	if err != nil {
		return v.note(n*fanOut, err)
	}
	for i := range fanOut {
		if nd.child(i).IsZero() {
			continue
		}
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.group.Go(func() error { return v.note(n*fanOut+int64(i), v.block(l, i)) })
	}
	return nil
}

func (v *verifier) block(l *located, i int) error {
	loc, err := v.s.location(l, i, false)
	if err != nil {
		return err
	}
	buf := v.s.buffers.get()
	defer v.s.buffers.put(buf)
	return v.s.fetch(kindBlock, l.node.child(i), loc, buf[:BlockSize])
}
