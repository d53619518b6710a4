package metadb_test

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami/internal/metadb"
)

func blockID(n int) [32]byte { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))) }

func blockRows(from, n int) []metadb.BlockRow {
	rows := make([]metadb.BlockRow, n)
	for i := range rows {
		rows[i] = metadb.BlockRow{ID: blockID(from + i), Offset: int64(from+i) * 1000, Length: int32(i + 1)}
	}
	return rows
}

func TestBlocks(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		ctx := t.Context()
		first := metadb.PackRow{ID: [16]byte{1}, Class: 1, Size: 5, Records: 300, Created: time.Unix(7, 123).UTC()}
		second := metadb.PackRow{ID: [16]byte{2}, Class: 2, Size: 6, Records: 300, Created: time.Unix(8, 1).UTC()}
		third := metadb.PackRow{ID: [16]byte{3}, Class: 1, Domain: "key", Records: 1, Created: time.Unix(9, 0).UTC()}
		for _, p := range []struct {
			pack metadb.PackRow
			rows []metadb.BlockRow
		}{
			{first, blockRows(0, 300)},
			{second, blockRows(200, 300)}, // 100 of them lie in the first
			{third, blockRows(0, 1)},
			{first, blockRows(900, 5)}, // a pack that is there already
		} {
			if err := db.AddBlocks(ctx, p.pack, p.rows); err != nil {
				t.Fatal(err)
			}
		}
		location := func(pack byte, from, n int) metadb.BlockLocation {
			return metadb.BlockLocation{Pack: [16]byte{pack}, Offset: int64(n) * 1000, Length: int32(n - from + 1)}
		}
		ids := [][32]byte{blockID(250), blockID(900), blockID(0), blockID(499), blockID(250)}
		got, err := db.LookupBlocks(ctx, "", ids)
		if err != nil {
			t.Fatal(err)
		}
		want := []metadb.BlockLocation{location(1, 0, 250), {}, location(1, 0, 0), location(2, 200, 499), location(1, 0, 250)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("locations (-want +got):\n%s", diff)
		}
		all := make([][32]byte, 512)
		for n := range all {
			all[n] = blockID(n)
		}
		got, err = db.LookupBlocks(ctx, "", all)
		if err != nil {
			t.Fatal(err)
		}
		for n, l := range got {
			if (l == metadb.BlockLocation{}) != (n >= 500) {
				t.Errorf("block %d: got %v", n, l)
			}
		}
		for domain, want := range map[string]metadb.BlockLocation{"key": location(3, 0, 0), "unknown": {}} {
			got, err := db.LookupBlocks(ctx, domain, ids[2:3])
			if err != nil || got[0] != want {
				t.Errorf("domain %q: got %v, %v, want %v", domain, got, err, want)
			}
		}
		if got, err := db.LookupBlocks(ctx, "", nil); len(got) != 0 || err != nil {
			t.Errorf("no ids: got %v, %v", got, err)
		}
		var packs []metadb.PackRow
		for p, err := range db.Packs(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			packs = append(packs, p)
		}
		if diff := cmp.Diff([]metadb.PackRow{first, second, third}, packs); diff != "" {
			t.Errorf("packs (-want +got):\n%s", diff)
		}
		if err := db.ResetBlocks(ctx); err != nil {
			t.Fatal(err)
		}
		for p := range db.Packs(ctx) {
			t.Errorf("pack %v after reset", p)
		}
		got, err = db.LookupBlocks(ctx, "", ids[:1])
		if err != nil || got[0] != (metadb.BlockLocation{}) {
			t.Errorf("after reset: got %v, %v", got, err)
		}
		if err := db.AddBlocks(ctx, second, blockRows(0, 1)); err != nil {
			t.Errorf("add after reset: %v", err)
		}
	})
}
