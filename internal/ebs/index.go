package ebs

import (
	"context"
	"iter"

	"origami/internal/blockstore"
	"origami/internal/metadb"
)

// Index is the block store's index in the database. It is here because the two
// stores stand side by side and do not know each other.
type Index struct{ DB *metadb.DB }

var _ blockstore.Index = Index{}

// Lookup implements [blockstore.Index].
func (x Index) Lookup(ctx context.Context, domain blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	plain := make([][32]byte, len(ids))
	for i, id := range ids {
		plain[i] = id
	}
	found, err := x.DB.LookupBlocks(ctx, string(domain), plain)
	if err != nil {
		return nil, err
	}
	out := make([]blockstore.Location, len(found))
	for i, l := range found {
		out[i] = blockstore.Location{Pack: l.Pack, Offset: l.Offset, Length: l.Length}
	}
	return out, nil
}

// Add implements [blockstore.Index].
func (x Index) Add(ctx context.Context, pack blockstore.Pack, entries []blockstore.Entry) error {
	rows := make([]metadb.BlockRow, len(entries))
	for i, e := range entries {
		rows[i] = metadb.BlockRow{ID: e.ID, Offset: e.Offset, Length: e.Length}
	}
	return x.DB.AddBlocks(ctx, metadb.PackRow{
		ID: pack.ID, Class: uint8(pack.Class), Domain: string(pack.Domain), Size: pack.Size, Records: pack.Records, Created: pack.Created,
	}, rows)
}

// Packs implements [blockstore.Index].
func (x Index) Packs(ctx context.Context) iter.Seq2[blockstore.Pack, error] {
	return func(yield func(blockstore.Pack, error) bool) {
		for p, err := range x.DB.Packs(ctx) {
			pack := blockstore.Pack{
				ID: p.ID, Class: blockstore.Class(p.Class), Domain: blockstore.Domain(p.Domain),
				Size: p.Size, Records: p.Records, Created: p.Created,
			}
			if !yield(pack, err) {
				return
			}
		}
	}
}

// Reset implements [blockstore.Index].
func (x Index) Reset(ctx context.Context) error { return x.DB.ResetBlocks(ctx) }
