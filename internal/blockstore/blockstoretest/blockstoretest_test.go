package blockstoretest_test

import (
	"context"
	"iter"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/suitetest"
)

// broken is an index with a defect for each of its functions that is not nil.
type broken struct {
	blockstore.Index
	lookup func(blockstore.Index, context.Context, blockstore.Domain, []blockstore.ID) ([]blockstore.Location, error)
	add    func(blockstore.Index, context.Context, blockstore.Pack, []blockstore.Entry) error
	packs  func(blockstore.Pack) []blockstore.Pack
	reset  func(blockstore.Index, context.Context) error
}

func (b broken) Lookup(ctx context.Context, d blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	if b.lookup != nil {
		return b.lookup(b.Index, ctx, d, ids)
	}
	return b.Index.Lookup(ctx, d, ids)
}

func (b broken) Add(ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
	if b.add != nil {
		return b.add(b.Index, ctx, p, entries)
	}
	return b.Index.Add(ctx, p, entries)
}

func (b broken) Packs(ctx context.Context) iter.Seq2[blockstore.Pack, error] {
	if b.packs == nil {
		return b.Index.Packs(ctx)
	}
	return func(yield func(blockstore.Pack, error) bool) {
		for p, err := range b.Index.Packs(ctx) {
			for _, p := range b.packs(p) {
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

func (b broken) Reset(ctx context.Context) error {
	if b.reset != nil {
		return b.reset(b.Index, ctx)
	}
	return b.Index.Reset(ctx)
}

// adds is the defect of an Add that adds something else.
func adds(other func(*blockstore.Pack, []blockstore.Entry) []blockstore.Entry) broken {
	return broken{add: func(x blockstore.Index, ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
		return x.Add(ctx, p, other(&p, append([]blockstore.Entry(nil), entries...)))
	}}
}

// finds is the defect of a Lookup that finds something else.
func finds(other func([]blockstore.Location)) broken {
	return broken{lookup: func(x blockstore.Index, ctx context.Context, d blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
		locs, err := x.Lookup(ctx, d, ids)
		other(locs)
		return locs, err
	}}
}

// TestSuite shows that the suite passes an index, and finds what each defect
// breaks.
func TestSuite(t *testing.T) {
	run := func(b broken) func(*testing.T) {
		return func(t *testing.T) {
			blockstoretest.RunIndex(t, func() blockstore.Index {
				b := b
				b.Index = blockstoretest.NewMemIndex()
				return b
			})
		}
	}
	t.Run("sound", run(broken{}))
	suitetest.Fails(t, map[string]func(*testing.T){
		"knows no domains": run(broken{
			lookup: func(x blockstore.Index, ctx context.Context, _ blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
				return x.Lookup(ctx, "", ids)
			},
			add: func(x blockstore.Index, ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
				p.Domain = ""
				return x.Add(ctx, p, entries)
			},
		}),
		"moves what it has": run(broken{add: func(x blockstore.Index, ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
			var packs []blockstore.Pack
			for q, err := range x.Packs(ctx) {
				if err != nil {
					return err
				}
				packs = append(packs, q)
			}
			if len(packs) == 1 && len(entries) == 2 { // what comes second is what is found
				if err := x.Reset(ctx); err != nil {
					return err
				}
			}
			return x.Add(ctx, p, entries)
		}}),
		"adds a pack twice": run(broken{packs: func(p blockstore.Pack) []blockstore.Pack { return []blockstore.Pack{p, p} }}),
		"has no empty packs": run(broken{packs: func(p blockstore.Pack) []blockstore.Pack {
			if p.Records == 0 {
				return nil
			}
			return []blockstore.Pack{p}
		}}),
		"forgets classes": run(broken{packs: func(p blockstore.Pack) []blockstore.Pack {
			p.Class = blockstore.ClassData
			return []blockstore.Pack{p}
		}}),
		"keeps times to the second": run(broken{packs: func(p blockstore.Pack) []blockstore.Pack {
			p.Created = p.Created.Truncate(1e9)
			return []blockstore.Pack{p}
		}}),
		"loses the last entry": run(adds(func(_ *blockstore.Pack, e []blockstore.Entry) []blockstore.Entry { return e[:max(0, len(e)-1)] })),
		"loses what is many":   run(adds(func(_ *blockstore.Pack, e []blockstore.Entry) []blockstore.Entry { return e[:min(1000, len(e))] })),
		"has other lengths": run(finds(func(locs []blockstore.Location) {
			for i := range locs {
				locs[i].Length++
			}
		})),
		"answers in another order": run(finds(func(locs []blockstore.Location) {
			if n := len(locs); n > 1 {
				locs[0], locs[n-1] = locs[n-1], locs[0]
			}
		})),
		"answers once": run(broken{lookup: func(x blockstore.Index, ctx context.Context, d blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
			locs, err := x.Lookup(ctx, d, ids)
			seen := make(map[blockstore.ID]bool)
			for i := range locs {
				if seen[ids[i]] {
					locs[i] = blockstore.Location{}
				}
				seen[ids[i]] = true
			}
			return locs, err
		}}),
		"looks up when cancelled": run(broken{lookup: func(x blockstore.Index, ctx context.Context, d blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
			return x.Lookup(context.WithoutCancel(ctx), d, ids)
		}}),
		"adds when cancelled": run(broken{add: func(x blockstore.Index, ctx context.Context, p blockstore.Pack, entries []blockstore.Entry) error {
			if err := x.Add(context.WithoutCancel(ctx), p, entries); err != nil {
				return err
			}
			return ctx.Err()
		}}),
		"resets nothing": run(broken{reset: func(blockstore.Index, context.Context) error { return nil }}),
	})
}
