// Package blockstoretest holds an index in memory, and what every
// [blockstore.Index] must pass.
package blockstoretest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"origami/internal/blockstore"
)

// MemIndex is a [blockstore.Index] in memory. The zero MemIndex is empty.
type MemIndex struct {
	mu      sync.Mutex
	packs   map[blockstore.PackID]blockstore.Pack
	entries map[key]blockstore.Location
}

type key struct {
	domain blockstore.Domain
	id     blockstore.ID
}

var _ blockstore.Index = (*MemIndex)(nil)

// NewMemIndex returns an empty index.
func NewMemIndex() *MemIndex { return new(MemIndex) }

// Lookup implements [blockstore.Index].
func (x *MemIndex) Lookup(ctx context.Context, domain blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(ids) > blockstore.MaxLookup {
		return nil, fmt.Errorf("lookup of %d ids, limit %d", len(ids), blockstore.MaxLookup)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	locs := make([]blockstore.Location, len(ids))
	for i, id := range ids {
		locs[i] = x.entries[key{domain, id}]
	}
	return locs, nil
}

// Add implements [blockstore.Index].
func (x *MemIndex) Add(ctx context.Context, pack blockstore.Pack, entries []blockstore.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.packs == nil {
		x.packs = make(map[blockstore.PackID]blockstore.Pack)
		x.entries = make(map[key]blockstore.Location)
	}
	if _, ok := x.packs[pack.ID]; ok {
		return nil
	}
	x.packs[pack.ID] = pack
	for _, e := range entries {
		k := key{pack.Domain, e.ID}
		if _, ok := x.entries[k]; !ok {
			x.entries[k] = blockstore.Location{Pack: pack.ID, Offset: e.Offset, Length: e.Length}
		}
	}
	return nil
}

// Packs implements [blockstore.Index].
func (x *MemIndex) Packs(ctx context.Context) iter.Seq2[blockstore.Pack, error] {
	return func(yield func(blockstore.Pack, error) bool) {
		x.mu.Lock()
		packs := slices.Collect(maps.Values(x.packs))
		x.mu.Unlock()
		for _, p := range packs {
			if err := ctx.Err(); err != nil {
				yield(blockstore.Pack{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Reset implements [blockstore.Index].
func (x *MemIndex) Reset(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.packs, x.entries = nil, nil
	return nil
}

// Row is one entry of an index with where it lies.
type Row struct {
	Domain   blockstore.Domain
	ID       blockstore.ID
	Location blockstore.Location
}

// Rows returns all entries, sorted.
func (x *MemIndex) Rows() []Row {
	x.mu.Lock()
	defer x.mu.Unlock()
	rows := make([]Row, 0, len(x.entries))
	for k, loc := range x.entries {
		rows = append(rows, Row{k.domain, k.id, loc})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return rows
}
