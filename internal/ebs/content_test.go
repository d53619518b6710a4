package ebs_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

const block = blockstore.BlockSize

var (
	alice  = instancetest.Alice
	bob    = instancetest.Bob
	region = alice.Region
)

// noise is n bytes that do not compress and that only seed makes.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	rand.NewChaCha8(key).Read(p)
	return p
}

// take takes a snapshot of a volume.
func take(t *testing.T, r *instancetest.Region, who origami.Caller, id origami.VolumeID) *origami.Snapshot {
	t.Helper()
	snap, err := r.EBS.CreateSnapshot(t.Context(), who, ebs.SnapshotSpec{Volume: id})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// completed waits for a snapshot that must not fail.
func completed(t *testing.T, r *instancetest.Region, id origami.SnapshotID) *origami.Snapshot {
	t.Helper()
	snap := r.WaitSnapshot(region, id)
	if snap.State != origami.SnapshotCompleted || snap.Progress != 100 || snap.Completed.IsZero() || snap.Root == "" {
		t.Fatalf("snapshot ended as %+v", snap)
	}
	return snap
}

// contents reads n bytes at off of a completed snapshot.
func contents(t *testing.T, r *instancetest.Region, snap *origami.Snapshot, off int64, n int) []byte {
	t.Helper()
	root, err := blockstore.ParseRoot(snap.Root)
	if err != nil {
		t.Fatal(err)
	}
	img, err := r.Store.Image(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Size(), snap.VolumeSize*ebs.GiB; got != want {
		t.Errorf("%s has %d bytes, want %d", snap.ID, got, want)
	}
	p := make([]byte, n)
	if _, err := img.ReadAt(p, off); err != nil {
		t.Fatal(err)
	}
	return p
}

// expect compares a range of a completed snapshot.
func expect(t *testing.T, r *instancetest.Region, snap *origami.Snapshot, off int64, want []byte) {
	t.Helper()
	if got := contents(t, r, snap, off, len(want)); !bytes.Equal(got, want) {
		t.Errorf("%s at %d is not what the volume held", snap.ID, off)
	}
}

func deleteSnapshot(r *instancetest.Region, who origami.Caller, id origami.SnapshotID) error {
	return r.Update(func(tx *metadb.Tx) error { return r.EBS.DeleteSnapshot(tx, who, id) })
}

// drop deletes a volume.
func drop(t *testing.T, r *instancetest.Region, id origami.VolumeID) {
	t.Helper()
	err := r.Update(func(tx *metadb.Tx) error {
		v, err := tx.Volume(region, metadb.System, id)
		if err != nil {
			return err
		}
		return r.EBS.DropVolume(tx, v)
	})
	if err != nil {
		t.Fatal(err)
	}
}
