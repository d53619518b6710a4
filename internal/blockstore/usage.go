package blockstore

import (
	"context"
	"fmt"
)

// Usage is what one disk refers to. Blocks that it shares with others, or with
// itself, count each time they are referred to.
type Usage struct {
	Blocks      int64 // that are not zero
	DataBytes   int64 // in these blocks
	StoredBytes int64 // of their records
}

// Usage counts what the disk refers to. It reads the manifest and the index,
// no blocks.
func (s *Store) Usage(ctx context.Context, root Root) (Usage, error) {
	var u Usage
	r, err := s.open(ctx, root)
	if err != nil {
		return u, fmt.Errorf("count usage: %w", err)
	}
	for l, err := range r.walk(ctx, root, 0) {
		if err != nil {
			return u, fmt.Errorf("count usage: %w", err)
		}
		leaf, err := r.locate(ctx, l.id)
		if err != nil {
			return u, fmt.Errorf("count usage: %w", err)
		}
		for i := range fanOut {
			if leaf.node.child(i).IsZero() {
				continue
			}
			u.Blocks++
			u.StoredBytes += int64(leaf.locs[i].Length)
		}
	}
	u.DataBytes = u.Blocks * BlockSize
	return u, nil
}
