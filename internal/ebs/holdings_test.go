package ebs_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// TestHoldings lists what everything holds that is complete, and what everything
// needs that is not: a collector of garbage would believe it.
func TestHoldings(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	label := func(n byte) string {
		return blockstore.Root{ID: blockstore.ID{n}, Size: ebs.GiB}.String()
	}
	snapshots := map[string]*origami.Snapshot{
		"completed":             {State: origami.SnapshotCompleted, Root: label(1)},
		"failed":                {State: origami.SnapshotError, Root: label(2), Copy: &origami.SnapshotCopy{Root: label(2), Part: label(2)}},
		"upload":                {State: origami.SnapshotPending, Upload: &origami.SnapshotUpload{Base: label(3)}},
		"copy":                  {State: origami.SnapshotPending, Copy: &origami.SnapshotCopy{Root: label(1), Part: label(4)}},
		"copy not begun":        {State: origami.SnapshotPending, Copy: &origami.SnapshotCopy{Root: label(5)}},
		"of a volume":           {State: origami.SnapshotPending},
		"of a deleted volume":   {State: origami.SnapshotPending},
		"of a volume no more":   {State: origami.SnapshotPending, Volume: origami.NewVolumeID()},
		"in the bin":            {State: origami.SnapshotCompleted, Root: label(6), Bin: &origami.BinStay{}},
		"archived":              {State: origami.SnapshotCompleted, Root: label(7), Tiering: &origami.Tiering{Archived: true}},
		"of nothing, not begun": {State: origami.SnapshotPending, Volume: origami.NoVolume, Copy: &origami.SnapshotCopy{Root: label(1)}},
	}
	volumes := map[string]*origami.Volume{
		"never opened": {Base: label(8)},
		"to encrypt":   {Base: label(8), Rekey: &origami.VolumeRekey{From: label(8)}},
		"encrypting":   {Base: label(8), Rekey: &origami.VolumeRekey{From: label(9), Part: label(10)}},
		"recycled":     {Base: label(11), Bin: &origami.BinStay{}},
	}
	live, deleted := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")
	for _, v := range []*origami.Volume{live, deleted} {
		r.Write(region, v.ID, 0, noise(1, 4096))
	}
	snapshots["of a volume"].Volume, snapshots["of a deleted volume"].Volume = live.ID, deleted.ID
	names := map[string]string{string(live.ID): "live"}
	err := r.Update(func(tx *metadb.Tx) error {
		for name, s := range snapshots {
			s.ID, s.Region, s.Owner = origami.NewSnapshotID(), region, alice.Account
			if s.Volume == "" {
				s.Volume = origami.NoVolume
			}
			names[string(s.ID)] = name
			if err := tx.PutSnapshot(s); err != nil {
				return err
			}
		}
		for name, v := range volumes {
			v.ID, v.Region, v.Owner, v.Size = origami.NewVolumeID(), region, alice.Account, 1
			names[string(v.ID)] = name
			if err := tx.PutVolume(v); err != nil {
				return err
			}
		}
		return tx.DeleteVolume(region, deleted.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	held, err := r.EBS.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]string)
	for _, h := range held {
		at := fmt.Sprint(h.Root.ID[0])
		for _, s := range h.Snapshots {
			got[at] = append(got[at], names[string(s.ID)])
		}
		for _, v := range h.Volumes {
			got[at] = append(got[at], names[string(v.ID)])
		}
		slices.Sort(got[at])
	}
	want := map[string][]string{
		"0":  {"live", "of a deleted volume"}, // zeros
		"1":  {"completed", "copy", "of nothing, not begun"},
		"3":  {"upload"},
		"4":  {"copy"},
		"5":  {"copy not begun"},
		"6":  {"in the bin"},
		"7":  {"archived"},
		"8":  {"encrypting", "never opened", "to encrypt"},
		"9":  {"encrypting"},
		"10": {"encrypting"},
		"11": {"recycled"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("holdings (-want +got):\n%s", d)
	}
}
