package ebs_test

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// TestSnapshotIsOneInstant takes snapshots while a guest writes numbers one
// after the other: each snapshot must hold all up to some number and none
// after it.
//
//origami:proves CreateSnapshot S38
func TestSnapshotIsOneInstant(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	const slots = 512
	v := r.NewVolume(alice, 1, "")
	dev, err := r.EBS.Open(t.Context(), region, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	var written atomic.Uint64
	stop := make(chan struct{})
	var guest sync.WaitGroup
	guest.Go(func() {
		var p [8]byte
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			binary.LittleEndian.PutUint64(p[:], n)
			if _, err := dev.WriteAt(p[:], int64(n%slots)*8192); err != nil {
				t.Error(err)
				return
			}
			written.Store(n)
		}
	})
	type taken struct {
		id          origami.SnapshotID
		before, end uint64
	}
	var all []taken
	for range 5 {
		before := written.Load()
		snap := take(t, r, alice, v.ID)
		all = append(all, taken{snap.ID, before, written.Load() + 1})
		completed(t, r, snap.ID)
	}
	close(stop)
	guest.Wait()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
	for _, s := range all {
		p := contents(t, r, r.Snapshot(region, s.id), 0, slots*8192)
		slot := func(n uint64) uint64 { return binary.LittleEndian.Uint64(p[n%slots*8192:]) }
		last := uint64(0)
		for n := range uint64(slots) {
			last = max(last, slot(n))
		}
		if last < s.before || last > s.end {
			t.Errorf("the last number is %d; %d were written before the call and %d after it", last, s.before, s.end)
		}
		for n := max(last, slots) - slots + 1; n <= last; n++ {
			if got := slot(n); got != n {
				t.Fatalf("number %d is missing of %d: its slot has %d", n, last, got)
			}
		}
	}
}

// TestIncrementalSnapshots is the example of the user guide: A holds 10
// blocks, B changes 4 of them and stores only these; without A, B restores all.
//
//origami:proves CreateSnapshot DeleteSnapshot S32 S38
func TestIncrementalSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 1, "")
	old := noise(1, 10*block)
	r.Write(region, v.ID, 0, old)
	a := completed(t, r, take(t, r, alice, v.ID).ID)
	if got, want := a.FullSize, int64(10*block); got != want {
		t.Errorf("A represents %d bytes, want %d", got, want)
	}
	before := r.Store.Stats().BytesStored

	changed := noise(2, 4*block)
	r.Write(region, v.ID, 3*block, changed)
	b := completed(t, r, take(t, r, alice, v.ID).ID)
	if got := r.Store.Stats().BytesStored - before; got < 4*block || got > 4*block+64<<10 {
		t.Errorf("B stored %d bytes, want the 4 blocks that changed (%d) and little else", got, 4*block)
	}
	if got, want := b.FullSize, int64(10*block); got != want {
		t.Errorf("B represents %d bytes, want %d", got, want)
	}
	expect(t, r, a, 0, old)

	if err := deleteSnapshot(r, alice, a.ID); err != nil {
		t.Fatal(err)
	}
	drop(t, r, v.ID)
	r.WaitIdle()
	r = r.Restart(instancetest.Config{})
	back := r.NewVolume(alice, 0, b.ID)
	want := append(append(old[:3*block:3*block], changed...), old[7*block:]...)
	if got := r.Read(region, back.ID, 0, 10*block); string(got) != string(want) {
		t.Error("B does not restore what the volume held")
	}
	if err := deleteSnapshot(r, alice, a.ID); !errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
		t.Errorf("deleting A again: %v", err)
	}
}

// TestZeroedRanges has parts of a volume zeroed, trimmed and overwritten by
// zeros between snapshots.
func TestZeroedRanges(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 1, "")
	want := noise(3, 8*block)
	r.Write(region, v.ID, 0, want)
	first := completed(t, r, take(t, r, alice, v.ID).ID)
	expect(t, r, first, 0, want)

	r.With(region, v.ID, func(v *ebs.Volume) error {
		_, err := v.WriteAt(make([]byte, block), 0) // a block that became zero
		return errors.Join(err, v.WriteZeroes(block+100, block), v.Trim(4*block, 2*block))
	})
	now := append([]byte(nil), want...)
	clear(now[:block])
	clear(now[block+100 : 2*block+100])
	clear(now[4*block : 6*block])
	second := completed(t, r, take(t, r, alice, v.ID).ID)
	expect(t, r, second, 0, now)
	expect(t, r, first, 0, want)
	if got, want := second.FullSize, int64(5*block); got != want {
		t.Errorf("the second snapshot represents %d bytes, want %d: blocks of zeros are not stored", got, want)
	}

	r.With(region, v.ID, func(v *ebs.Volume) error { return v.WriteZeroes(0, v.Size()) })
	empty := completed(t, r, take(t, r, alice, v.ID).ID)
	if empty.FullSize != 0 {
		t.Errorf("an empty volume represents %d bytes", empty.FullSize)
	}
	expect(t, r, empty, 0, make([]byte, 8*block))
}

// TestVolumeLargerThanSnapshot extends a disk at the making of a volume.
func TestVolumeLargerThanSnapshot(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 1, "")
	r.Write(region, v.ID, ebs.GiB-4096, noise(4, 4096))
	small := completed(t, r, take(t, r, alice, v.ID).ID)
	large := r.NewVolume(alice, 3, small.ID)
	r.Write(region, large.ID, 3*ebs.GiB-4096, noise(5, 4096))
	snap := completed(t, r, take(t, r, alice, large.ID).ID)
	if snap.VolumeSize != 3 {
		t.Errorf("the snapshot has %d GiB, want 3", snap.VolumeSize)
	}
	expect(t, r, snap, ebs.GiB-4096, noise(4, 4096))
	expect(t, r, snap, ebs.GiB, make([]byte, block))
	expect(t, r, snap, 3*ebs.GiB-4096, noise(5, 4096))
}

// TestSnapshotChecks refuses what the caller may not or cannot snapshot or
// delete.
//
//origami:proves CreateSnapshot DeleteSnapshot
func TestSnapshotChecks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "used", []byte("disk"))
	used := img.Snapshots()[0]
	v := r.NewVolume(alice, 1, "")
	free := completed(t, r, take(t, r, alice, v.ID).ID)
	err := r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, free.ID, func(s *origami.Snapshot) error {
			s.SharedWith = []origami.AccountID{bob.Account}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	odd := r.NewVolume(alice, 1, "")
	err = r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(region, odd.ID, func(v *origami.Volume) error { v.State = origami.VolumeError; return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := func(who origami.Caller, spec ebs.SnapshotSpec) func() error {
		return func() error {
			_, err := r.EBS.CreateSnapshot(t.Context(), who, spec)
			return err
		}
	}
	remove := func(who origami.Caller, id origami.SnapshotID) func() error {
		return func() error { return deleteSnapshot(r, who, id) }
	}
	unknown := origami.NewVolumeID()
	for _, tt := range []struct {
		name string
		do   func() error
		code origami.Code
		text string
	}{
		{"unknown volume", snapshot(alice, ebs.SnapshotSpec{Volume: unknown}), origami.CodeInvalidVolumeNotFound, "The volume '" + string(unknown) + "' does not exist."},
		{"volume of another account", snapshot(bob, ebs.SnapshotSpec{Volume: v.ID}), origami.CodeInvalidVolumeNotFound, "The volume '" + string(v.ID) + "' does not exist."},
		{"volume in another region", snapshot(instancetest.Abroad, ebs.SnapshotSpec{Volume: v.ID}), origami.CodeInvalidVolumeNotFound, ""},
		{"broken volume", snapshot(alice, ebs.SnapshotSpec{Volume: odd.ID}), origami.CodeIncorrectState, "Volume '" + string(odd.ID) + "' is in the 'error' state."},
		{"bad tag", snapshot(alice, ebs.SnapshotSpec{Volume: v.ID, Tags: origami.Tags{"aws:x": "y"}}), origami.CodeInvalidParameterValue, ""},
		{"snapshot in use", remove(alice, used), origami.CodeInvalidSnapshotInUse, "The snapshot " + string(used) + " is currently in use by " + string(img.ID)},
		{"unknown snapshot", remove(alice, "snap-0123456789abcdef0"), origami.CodeInvalidSnapshotNotFound, "The snapshot 'snap-0123456789abcdef0' does not exist."},
		{"invisible snapshot", remove(bob, used), origami.CodeInvalidSnapshotNotFound, "The snapshot '" + string(used) + "' does not exist."},
		{"visible snapshot of another account", remove(bob, free.ID), origami.CodeUnauthorizedOperation, ""},
		{"snapshot in another region", remove(instancetest.Abroad, free.ID), origami.CodeInvalidSnapshotNotFound, ""},
		{"own snapshot", remove(alice, free.ID), "", ""},
	} {
		err := tt.do()
		if tt.code == "" && err == nil {
			continue
		}
		var e *origami.Error
		if !errors.As(err, &e) || e.Code != tt.code || tt.text != "" && e.Message != tt.text {
			t.Errorf("%s: got %v, want %s: %s", tt.name, err, tt.code, tt.text)
		}
	}
}

// TestSnapshotTags gives a snapshot its tags and description.
func TestSnapshotTags(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 2, "")
	snap, err := r.EBS.CreateSnapshot(t.Context(), alice, ebs.SnapshotSpec{Volume: v.ID, Description: "nightly", Tags: origami.Tags{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	if snap.State != origami.SnapshotPending || snap.Volume != v.ID || snap.VolumeSize != 2 || snap.Description != "nightly" ||
		snap.Owner != alice.Account || snap.Started.IsZero() {
		t.Errorf("the answer is %+v", snap)
	}
	r.View(func(tx *metadb.Tx) error {
		tags, err := tx.Tags(region, alice.Account, string(snap.ID))
		if err == nil && tags[string(snap.ID)]["k"] != "v" {
			t.Errorf("tags are %v", tags)
		}
		return err
	})
}

// TestEqualContentIsStoredOnce snapshots two volumes of two accounts that hold
// the same.
func TestEqualContentIsStoredOnce(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	a, b := r.NewVolume(alice, 1, ""), r.NewVolume(bob, 1, "")
	data := noise(6, 4*block)
	r.Write(region, a.ID, 0, data)
	r.Write(region, b.ID, 0, data)
	first := completed(t, r, take(t, r, alice, a.ID).ID)
	before := r.Store.Stats().BytesStored
	second := completed(t, r, take(t, r, bob, b.ID).ID)
	if first.Root != second.Root {
		t.Error("equal disks have different roots")
	}
	if got := r.Store.Stats().BytesStored - before; got > block/4 {
		t.Errorf("the second snapshot of the same content stored %d bytes", got)
	}
}
