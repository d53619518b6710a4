package blockstoretest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami/internal/blockstore"
)

// RunIndex tests the indexes that open returns. Each call must return an empty
// one.
func RunIndex(t *testing.T, open func() blockstore.Index) {
	for _, tc := range []struct {
		name string
		test func(*testing.T, blockstore.Index)
	}{
		{"Empty", testEmpty},
		{"AddLookup", testAdd},
		{"FirstLocationStays", testFirst},
		{"PackTwice", testTwice},
		{"DomainsAreApart", testDomains},
		{"Large", testLarge},
		{"Reset", testReset},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, open()) })
	}
}

func id(n int) (id blockstore.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9e3779b97f4a7c15) // spread like hashes
	binary.BigEndian.PutUint64(id[24:], uint64(n))
	return id
}

func pack(n int, records int) blockstore.Pack {
	p := blockstore.Pack{Class: blockstore.ClassData, Size: 1<<20 + int64(n), Records: records, Created: time.Unix(1_700_000_000, 123_456_789+int64(n)).UTC()}
	p.ID[0], p.ID[15] = byte(n>>8), byte(n)
	return p
}

func entries(ids ...int) []blockstore.Entry {
	all := make([]blockstore.Entry, len(ids))
	for i, n := range ids {
		all[i] = blockstore.Entry{ID: id(n), Offset: 44 + int64(i)*1000, Length: int32(100 + n%900)}
	}
	return all
}

func add(t *testing.T, x blockstore.Index, p blockstore.Pack, entries []blockstore.Entry) {
	t.Helper()
	if err := x.Add(t.Context(), p, entries); err != nil {
		t.Fatalf("Add: %v", err)
	}
}

func lookup(t *testing.T, x blockstore.Index, domain blockstore.Domain, ids ...int) []blockstore.Location {
	t.Helper()
	all := make([]blockstore.ID, len(ids))
	for i, n := range ids {
		all[i] = id(n)
	}
	locs, err := x.Lookup(t.Context(), domain, all)
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return locs
}

func packs(t *testing.T, x blockstore.Index) []blockstore.Pack {
	t.Helper()
	var all []blockstore.Pack
	for p, err := range x.Packs(t.Context()) {
		if err != nil {
			t.Fatalf("Packs: %v", err)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b blockstore.Pack) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return all
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func loc(p blockstore.Pack, e blockstore.Entry) blockstore.Location {
	return blockstore.Location{Pack: p.ID, Offset: e.Offset, Length: e.Length}
}

func testEmpty(t *testing.T, x blockstore.Index) {
	check(t, "Lookup", lookup(t, x, "", 1, 2), make([]blockstore.Location, 2))
	check(t, "Lookup of nothing", len(lookup(t, x, "")), 0)
	check(t, "Packs", len(packs(t, x)), 0)
}

func testAdd(t *testing.T, x blockstore.Index) {
	p, e := pack(1, 3), entries(1, 2, 3)
	p.Class = blockstore.ClassMeta
	add(t, x, p, e)
	add(t, x, pack(2, 0), nil)
	check(t, "Lookup", lookup(t, x, "", 3, 9, 1, 3), []blockstore.Location{loc(p, e[2]), {}, loc(p, e[0]), loc(p, e[2])})
	check(t, "Packs", packs(t, x), []blockstore.Pack{p, pack(2, 0)})
}

func testFirst(t *testing.T, x blockstore.Index) {
	p, e := pack(1, 2), entries(1, 2)
	add(t, x, p, e)
	q, f := pack(2, 2), entries(3, 2)
	add(t, x, q, f)
	check(t, "Lookup", lookup(t, x, "", 1, 2, 3), []blockstore.Location{loc(p, e[0]), loc(p, e[1]), loc(q, f[0])})
}

func testTwice(t *testing.T, x blockstore.Index) {
	p, e := pack(1, 1), entries(1)
	add(t, x, p, e)
	add(t, x, p, entries(1))
	check(t, "Lookup", lookup(t, x, "", 1), []blockstore.Location{loc(p, e[0])})
	check(t, "Packs", packs(t, x), []blockstore.Pack{p})
}

func testDomains(t *testing.T, x blockstore.Index) {
	p, e := pack(1, 1), entries(1)
	q := pack(2, 1)
	q.Domain = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"
	add(t, x, q, e)
	check(t, "Lookup", lookup(t, x, "", 1), make([]blockstore.Location, 1))
	add(t, x, p, e)
	check(t, "Lookup", lookup(t, x, "", 1), []blockstore.Location{loc(p, e[0])})
	check(t, "Lookup in the domain", lookup(t, x, q.Domain, 1), []blockstore.Location{loc(q, e[0])})
	check(t, "Packs", packs(t, x), []blockstore.Pack{p, q})
}

func testLarge(t *testing.T, x blockstore.Index) {
	const n = 3000
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	p, e := pack(1, n), entries(ids...)
	add(t, x, p, e)
	for at := 0; at < n; at += blockstore.MaxLookup {
		end := min(n, at+blockstore.MaxLookup)
		want := make([]blockstore.Location, 0, end-at)
		for _, entry := range e[at:end] {
			want = append(want, loc(p, entry))
		}
		check(t, "Lookup", lookup(t, x, "", ids[at:end]...), want)
	}
}

func testReset(t *testing.T, x blockstore.Index) {
	add(t, x, pack(1, 2), entries(1, 2))
	if err := x.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	testEmpty(t, x)
	p, e := pack(1, 1), entries(2)
	add(t, x, p, e)
	check(t, "Lookup", lookup(t, x, "", 1, 2), []blockstore.Location{{}, loc(p, e[0])})
}

func testCancelled(t *testing.T, x blockstore.Index) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Lookup(ctx, "", []blockstore.ID{id(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup: %v, want %v", err, context.Canceled)
	}
	if err := x.Add(ctx, pack(1, 1), entries(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Add: %v, want %v", err, context.Canceled)
	}
	testEmpty(t, x)
}

func testConcurrent(t *testing.T, x blockstore.Index) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			p, e := pack(n, 2), entries(1000, n)
			if err := x.Add(t.Context(), p, e); err != nil {
				t.Errorf("Add: %v", err)
			}
			locs, err := x.Lookup(t.Context(), "", []blockstore.ID{id(n), id(1000)})
			if err != nil {
				t.Errorf("Lookup: %v", err)
			} else if locs[0] != loc(p, e[1]) || locs[1].IsZero() {
				t.Errorf("Lookup after Add = %v", locs)
			}
		})
	}
	wg.Wait()
}
