package metadb_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"sync/atomic"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/metadb"
)

// index shows the database as the block store wants to see it. The two rooms
// are on one floor; internal/ebs, above both, has the adapter that is used.
type index struct{ db *metadb.DB }

func (x index) Lookup(ctx context.Context, domain blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	plain := make([][32]byte, len(ids))
	for i, id := range ids {
		plain[i] = id
	}
	found, err := x.db.LookupBlocks(ctx, string(domain), plain)
	if err != nil {
		return nil, err
	}
	out := make([]blockstore.Location, len(found))
	for i, l := range found {
		out[i] = blockstore.Location{Pack: l.Pack, Offset: l.Offset, Length: l.Length}
	}
	return out, nil
}

func (x index) Add(ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
	rows := make([]metadb.BlockRow, len(entries))
	for i, e := range entries {
		rows[i] = metadb.BlockRow{ID: e.ID, Offset: e.Offset, Length: e.Length}
	}
	return x.db.AddBlocks(ctx, metadb.PackRow{ID: p.ID, Class: uint8(p.Class), Domain: string(p.Domain),
		Size: p.Size, Records: p.Records, Created: p.Created}, rows)
}

func (x index) Packs(ctx context.Context) iter.Seq2[blockstore.Pack, error] {
	return func(yield func(blockstore.Pack, error) bool) {
		for p, err := range x.db.Packs(ctx) {
			if !yield(blockstore.Pack{ID: p.ID, Class: blockstore.Class(p.Class), Domain: blockstore.Domain(p.Domain),
				Size: p.Size, Records: p.Records, Created: p.Created}, err) {
				return
			}
		}
	}
}

func (x index) Reset(ctx context.Context) error { return x.db.ResetBlocks(ctx) }

// The block index passes the block store's own tests of an index.
func TestIndex(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		var n atomic.Int64
		blockstoretest.RunIndex(t, func() blockstore.Index {
			return index{open(t, "sqlite:"+filepath.Join(dir, fmt.Sprint(n.Add(1), ".db")))}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		postgresSchema(t) // skips here, not in every part
		blockstoretest.RunIndex(t, func() blockstore.Index { return index{open(t, postgresSchema(t))} })
	})
}
