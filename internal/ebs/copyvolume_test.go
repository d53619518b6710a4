package ebs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// duplicate copies a volume.
func duplicate(t *testing.T, r *instancetest.Region, id origami.VolumeID) *origami.Volume {
	t.Helper()
	v, err := r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: id})
	if err != nil {
		t.Fatal(err)
	}
	if v.State != origami.VolumeCreating || v.Source != id || v.Snapshot != "" {
		t.Errorf("a new copy of %s is %+v", id, v)
	}
	return v
}

// row reads a volume, whether or not it is in the Recycle Bin.
func row(t *testing.T, r *instancetest.Region, id origami.VolumeID) (v *origami.Volume) {
	t.Helper()
	r.View(func(tx *metadb.Tx) (err error) { v, err = tx.Volume(region, metadb.System, id); return err })
	return v
}

// made waits for a copy that must not fail, and is all there then.
func made(t *testing.T, r *instancetest.Region, id origami.VolumeID) *origami.Volume {
	t.Helper()
	instancetest.Eventually(t, string(id)+" is copied", func() bool {
		v := row(t, r, id)
		if v.State == origami.VolumeError {
			t.Fatalf("the copy ended as %+v", v)
		}
		return v.State != origami.VolumeCreating && v.Copy == nil
	})
	return row(t, r, id)
}

// holds compares a range of a volume.
func holds(t *testing.T, r *instancetest.Region, id origami.VolumeID, off int64, want []byte) {
	t.Helper()
	if got := r.Read(region, id, off, len(want)); !bytes.Equal(got, want) {
		t.Errorf("%s at %d is not what its source held", id, off)
	}
}

func refusedWith(t *testing.T, what string, err error, code origami.Code) {
	t.Helper()
	if !errors.Is(err, &origami.Error{Code: code}) {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// TestCopyVolume copies a volume that stands on a snapshot, was written to and
// trimmed, and is written on from the moment that the request returns. Nothing of
// the one is seen in the other.
func TestCopyVolume(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", noise(1, 6*block))
	source := r.NewVolume(alice, 1, img.Snapshots()[0])
	dev, err := r.EBS.Open(t.Context(), region, source.ID) // as a guest has it
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	want := make([]byte, 12*block)
	copy(want, noise(1, 6*block))
	write := func(off int64, p []byte) {
		t.Helper()
		if _, err := dev.WriteAt(p, off); err != nil {
			t.Fatal(err)
		}
	}
	put := func(off int64, p []byte) { t.Helper(); write(off, p); copy(want[off:], p) }
	put(block/2, noise(2, block))
	put(8*block+4096, noise(3, 3*block))
	if err := dev.Trim(4*block, block); err != nil {
		t.Fatal(err)
	}
	clear(want[4*block : 5*block])

	v := duplicate(t, r, source.ID)
	write(0, noise(4, 12*block))
	got := made(t, r, v.ID)
	if got.State != origami.VolumeAvailable || got.Size != 1 || got.Zone != source.Zone || got.Line() == source.Line() {
		t.Errorf("the copy is %+v", got)
	}
	holds(t, r, v.ID, 0, want)
	r.Write(region, v.ID, 0, noise(5, block))
	holds(t, r, source.ID, 0, noise(4, 12*block))
	holds(t, r, v.ID, block, want[block:])

	// The whole disk, and not only where something was written.
	whole := duplicate(t, r, v.ID)
	made(t, r, whole.ID)
	r.With(region, v.ID, func(a *ebs.Volume) error {
		r.With(region, whole.ID, func(b *ebs.Volume) error {
			same(t, a, b, ebs.GiB)
			return nil
		})
		return nil
	})
	r.WaitIdle()
	if layers := dev.Layers(); len(layers) != 0 {
		t.Errorf("layers %v are left of the source", layers)
	}
}

// same compares two disks of a size.
func same(t *testing.T, a, b io.ReaderAt, size int64) {
	t.Helper()
	const piece = 4 << 20
	x, y := make([]byte, piece), make([]byte, piece)
	for off := int64(0); off < size; off += piece {
		for _, d := range []struct {
			r io.ReaderAt
			p []byte
		}{{a, x}, {b, y}} {
			if n, err := d.r.ReadAt(d.p, off); n != piece {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(x, y) {
			t.Fatalf("the disks differ at %d to %d", off, off+piece)
		}
	}
}

// TestCopySharesBlocks copies volumes whose content is in the store: nothing is
// stored again, neither of one that was never written to nor of one that has a
// snapshot of what was.
func TestCopySharesBlocks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", noise(1, 40*block))
	source := r.NewVolume(alice, 3, img.Snapshots()[0])
	before := r.Store.Stats()
	v := made(t, r, duplicate(t, r, source.ID).ID)
	if after := r.Store.Stats(); after.StoredBytes != before.StoredBytes || v.Base != source.Base {
		t.Errorf("copying a volume that was never written to stored %d bytes", after.StoredBytes-before.StoredBytes)
	}
	holds(t, r, v.ID, 0, noise(1, 40*block))
	r.Write(region, source.ID, 0, noise(2, 20*block))
	completed(t, r, take(t, r, alice, source.ID).ID)
	r.WaitIdle()
	before = r.Store.Stats()
	v = made(t, r, duplicate(t, r, source.ID).ID)
	if after := r.Store.Stats(); after.StoredBytes != before.StoredBytes {
		t.Errorf("copying a volume whose content is stored stored %d bytes", after.StoredBytes-before.StoredBytes)
	}
	holds(t, r, v.ID, 0, append(noise(2, 20*block), noise(1, 40*block)[20*block:]...))
	r.Write(region, source.ID, 30*block, noise(3, block))
	before = r.Store.Stats()
	made(t, r, duplicate(t, r, source.ID).ID)
	if n := r.Store.Stats().StoredBytes - before.StoredBytes; n < block || n > 2*block {
		t.Errorf("copying a volume with one block that is not stored stored %d bytes", n)
	}
	empty := r.NewVolume(alice, 1, "")
	v = made(t, r, duplicate(t, r, empty.ID).ID)
	if v.Base != "" {
		t.Errorf("the copy of an empty volume stands on %q", v.Base)
	}
	holds(t, r, v.ID, 5*block, make([]byte, block))
}

// TestCopyLarger copies to a larger volume of another type.
func TestCopyLarger(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	source := r.NewVolume(alice, 1, "")
	end := int64(ebs.GiB - block)
	r.Write(region, source.ID, end, noise(1, block))
	v, err := r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: source.ID, Shape: ebs.Shape{Size: 3, Type: origami.GP3, IOPS: 4000}})
	if err == nil || v != nil {
		t.Errorf("4000 IOPS on 3 GiB: %+v, %v", v, err)
	}
	v, err = r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: source.ID, Shape: ebs.Shape{Size: 3, Type: origami.GP3}})
	if err != nil {
		t.Fatal(err)
	}
	got := made(t, r, v.ID)
	if got.Size != 3 || got.Type != origami.GP3 || got.IOPS != 3000 || got.Throughput != 125 {
		t.Errorf("the copy is %+v", got)
	}
	holds(t, r, v.ID, end, append(noise(1, block), make([]byte, block)...))
	r.Write(region, v.ID, 3*ebs.GiB-block, noise(2, block))
	snap := completed(t, r, take(t, r, alice, v.ID).ID)
	expect(t, r, snap, end, noise(1, block))
	expect(t, r, snap, 3*ebs.GiB-block, noise(2, block))
}

// TestCopyWhileWritten copies a volume again and again while it is written to. The
// writer numbers what it writes, first at one place and then at a distant other,
// so that each instant has the same number at both or one more at the first; and
// what was written before the request is in the copy.
func TestCopyWhileWritten(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	source := r.NewVolume(alice, 1, "")
	const first, second = 0, 700 << 20
	numbered := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	var mu sync.Mutex
	written := uint64(0) // at both places
	stop := make(chan struct{})
	var writer sync.WaitGroup
	dev, err := r.EBS.Open(t.Context(), region, source.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	writer.Go(func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, off := range []int64{first, second} {
				if _, err := dev.WriteAt(numbered(n), off); err != nil {
					t.Error(err)
					return
				}
			}
			mu.Lock()
			written = n
			mu.Unlock()
		}
	})
	for range 5 {
		mu.Lock()
		least := written
		mu.Unlock()
		v := made(t, r, duplicate(t, r, source.ID).ID)
		a := binary.BigEndian.Uint64(r.Read(region, v.ID, first, 8))
		b := binary.BigEndian.Uint64(r.Read(region, v.ID, second, 8))
		if a != b && a != b+1 || b < least {
			t.Errorf("the copy has %d and %d, after %d", a, b, least)
		}
	}
	close(stop)
	writer.Wait()
}

// TestCopyLimits goes to the bounds of how many copies can be under way.
func TestCopyLimits(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true, MaxVolumes: 2})
	source := r.NewVolume(alice, 1, "")
	ask := func(who origami.Caller, req ebs.VolumeCopyRequest) error {
		_, err := r.EBS.CopyVolume(t.Context(), who, req)
		return err
	}
	token := ebs.VolumeCopyRequest{Source: source.ID, ClientToken: "once", Tags: origami.Tags{"k": "v"}}
	v, err := r.EBS.CopyVolume(t.Context(), alice, token)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.EBS.CopyVolume(t.Context(), alice, token); err != nil || again.ID != v.ID {
		t.Errorf("the same request made %+v, %v", again, err)
	}
	other := token
	other.Fingerprint[0]++
	refusedWith(t, "another request with the token", ask(alice, other), origami.CodeIdempotentParameterMismatch)
	refusedWith(t, "a second copy", ask(alice, ebs.VolumeCopyRequest{Source: source.ID}), "ConcurrentCopyVolumeLimitExceeded")
	refusedWith(t, "a copy of a copy under way", ask(alice, ebs.VolumeCopyRequest{Source: v.ID}), origami.CodeIncorrectState)
	refusedWith(t, "another account", ask(bob, ebs.VolumeCopyRequest{Source: source.ID}), origami.CodeInvalidVolumeNotFound)
	refusedWith(t, "nothing", ask(alice, ebs.VolumeCopyRequest{Source: origami.NewVolumeID()}), origami.CodeInvalidVolumeNotFound)
	r.Serve()
	r.WaitIdle()
	for _, v := range allVolumes(t, r) {
		if v.State != origami.VolumeAvailable || v.Copy != nil {
			t.Errorf("at the end %+v", v)
		}
	}
	refusedWith(t, "the third volume", ask(alice, ebs.VolumeCopyRequest{Source: v.ID}), ebs.CodeVolumeLimit)
	drop(t, r, source.ID)
	if err := ask(alice, ebs.VolumeCopyRequest{Source: v.ID}); err != nil {
		t.Errorf("a copy of a copy that is all there: %v", err)
	}
}

// TestFiveCopies has as many copies under way as an account may have.
func TestFiveCopies(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	var err error
	n := 0
	for ; n < 10 && err == nil; n++ {
		_, err = r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: r.NewVolume(alice, 1, "").ID})
	}
	if n != 6 {
		t.Errorf("copy %d is refused, want the sixth", n)
	}
	refusedWith(t, "the sixth copy", err, "CopyVolumesLimitExceeded")
	theirs := r.NewVolume(bob, 1, "")
	if _, err := r.EBS.CopyVolume(t.Context(), bob, ebs.VolumeCopyRequest{Source: theirs.ID}); err != nil {
		t.Errorf("bob's first: %v", err)
	}
	r.Serve()
	r.WaitIdle()
	if _, err := r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: r.NewVolume(alice, 1, "").ID}); err != nil {
		t.Errorf("when the others are there: %v", err)
	}
}

// allVolumes are the volumes of all.
func allVolumes(t *testing.T, r *instancetest.Region) (all []*origami.Volume) {
	t.Helper()
	r.View(func(tx *metadb.Tx) error {
		all = nil
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return nil
	})
	return all
}

// TestCopyAmongSnapshots copies a volume between snapshots of it which complete
// after the copy, and before: each has what the volume held at its instant.
func TestCopyAmongSnapshots(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"snapshots", "copy"} {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			r := instancetest.New(t, instancetest.Config{Idle: true})
			v := r.NewVolume(alice, 1, "")
			r.Write(region, v.ID, 0, noise(1, 2*block))
			before := take(t, r, alice, v.ID)
			r.Write(region, v.ID, 0, noise(2, block))
			dup := duplicate(t, r, v.ID)
			r.Write(region, v.ID, block, noise(3, block))
			after := take(t, r, alice, v.ID)
			r.Write(region, v.ID, 0, noise(4, 2*block))
			held := []string{string(dup.ID)}
			if late == "snapshots" {
				held = []string{string(before.ID), string(after.ID)}
			}
			for _, id := range held {
				later(t, r, id, 1e9)
			}
			r.Serve()
			r.WaitIdle()
			expect(t, r, completed(t, r, before.ID), 0, noise(1, 2*block))
			made(t, r, dup.ID)
			holds(t, r, dup.ID, 0, append(noise(2, block), noise(1, 2*block)[block:]...))
			expect(t, r, completed(t, r, after.ID), 0, append(noise(2, block), noise(3, block)...))
			holds(t, r, v.ID, 0, noise(4, 2*block))
			r.With(region, v.ID, func(v *ebs.Volume) error {
				if layers := v.Layers(); len(layers) != 0 {
					t.Errorf("layers %v are left", layers)
				}
				return nil
			})
		})
	}
}

// TestCopyOutlivesSource deletes the source of a copy that is being created, also
// over the death of the process. Its files stay as long as they are needed, and
// what it stands on is held.
func TestCopyOutlivesSource(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	img := importIdle(t, r, noise(1, 2*block))
	source := r.NewVolume(alice, 1, img)
	r.Write(region, source.ID, block, noise(2, block))
	dup := duplicate(t, r, source.ID)
	r.Write(region, source.ID, block, noise(3, block))
	drop(t, r, source.ID)
	if err := deleteSnapshot(r, alice, img); err != nil {
		t.Fatal(err)
	}
	held, err := r.EBS.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	holders := 0
	for _, h := range held {
		if h.Root.String() == source.Base && slices.ContainsFunc(h.Volumes, func(v *origami.Volume) bool { return v.ID == dup.ID }) {
			holders++
		}
	}
	if holders != 1 {
		t.Errorf("what the deleted source stands on is held %d times by the copy: %+v", holders, held)
	}
	r = r.Kill(instancetest.Config{})
	made(t, r, dup.ID)
	holds(t, r, dup.ID, 0, append(noise(1, 2*block)[:block], noise(2, block)...))
	r.WaitIdle()
	if left := files(t, r, source.ID); len(left) != 0 {
		t.Errorf("the source has left %v", left)
	}
}

// importIdle stores a disk as a snapshot while no task runs.
func importIdle(t *testing.T, r *instancetest.Region, content []byte) origami.SnapshotID {
	t.Helper()
	w, err := r.Store.NewWriter(ebs.GiB, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(content, 0); err != nil {
		t.Fatal(errors.Join(err, w.Abort()))
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	snap := &origami.Snapshot{ID: origami.NewSnapshotID(), Region: region, Owner: alice.Account, Volume: origami.NoVolume,
		State: origami.SnapshotCompleted, VolumeSize: 1, Root: w.Root().String()}
	if err := r.Update(func(tx *metadb.Tx) error { return tx.PutSnapshot(snap) }); err != nil {
		t.Fatal(err)
	}
	return snap.ID
}

// TestKillDuringCopy kills the process while a copy is being stored. The next one
// makes it, with the bytes of the instant of the request.
func TestKillDuringCopy(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: g.wait}})
	source := r.NewVolume(alice, 1, "")
	dev, err := r.EBS.Open(t.Context(), region, source.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	data := noise(1, 5*block)
	if _, err := dev.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	dup := duplicate(t, r, source.ID)
	if _, err := dev.WriteAt(noise(2, block), block); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	next := r.Kill(instancetest.Config{})
	made(t, next, dup.ID)
	holds(t, next, dup.ID, 0, data)
	holds(t, next, source.ID, block, noise(2, block))
	next.WaitIdle()
}

// TestRestartDuringCopy shuts down in an orderly manner while a copy is stored.
func TestRestartDuringCopy(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: g.wait}})
	source := r.NewVolume(alice, 1, "")
	r.Write(region, source.ID, 0, noise(1, block))
	dup := duplicate(t, r, source.ID)
	<-g.reached
	next := r.Restart(instancetest.Config{})
	made(t, next, dup.ID)
	holds(t, next, dup.ID, 0, noise(1, block))
}

// TestCopyFails has the disk of the store fill up: the copy is in error and counts
// no more, the source goes on and can be copied again.
func TestCopyFails(t *testing.T) {
	t.Parallel()
	full := func(context.Context, string) error { return syscall.ENOSPC }
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: full}})
	source := r.NewVolume(alice, 1, "")
	r.Write(region, source.ID, 0, noise(1, block))
	dup := duplicate(t, r, source.ID)
	instancetest.Eventually(t, "the copy fails", func() bool { return row(t, r, dup.ID).State == origami.VolumeError })
	r.WaitIdle()
	if v := row(t, r, dup.ID); v.Copy != nil {
		t.Errorf("a failed copy is under way: %+v", v)
	}
	r.Hook(instancetest.Hooks{})
	r.Write(region, source.ID, block, noise(2, block))
	again := made(t, r, duplicate(t, r, source.ID).ID)
	holds(t, r, again.ID, 0, append(noise(1, block), noise(2, block)...))
	drop(t, r, dup.ID)
	r.WaitIdle()
	if _, err := os.Stat(fmt.Sprintf("%s/volumes/%s", r.Dir, dup.ID)); !os.IsNotExist(err) {
		t.Errorf("the failed copy has left files: %v", err)
	}
}

// TestCopyOfManyLayers copies a volume that can hold hardly another layer, without
// and with writes in between.
func TestCopyOfManyLayers(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	source := r.NewVolume(alice, 1, "")
	dev, err := r.EBS.Open(t.Context(), region, source.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for n := range 63 {
		r.Write(region, source.ID, int64(n)*4096, noise(uint64(n), 4096))
		frozen, err := r.EBS.Freeze(t.Context(), region, source.ID)
		if err != nil {
			t.Fatal(err)
		}
		frozen.Release()
	}
	for n := range 3 {
		off := int64(100+n) * 4096
		if n > 0 {
			r.Write(region, source.ID, off, noise(uint64(100+n), 4096))
		}
		dup := made(t, r, duplicate(t, r, source.ID).ID)
		holds(t, r, dup.ID, 62*4096, noise(62, 4096))
		if n > 0 {
			holds(t, r, dup.ID, off, noise(uint64(100+n), 4096))
		}
	}
}

// TestCopyRace asks for many copies of one volume at once: exactly one is made.
func TestCopyRace(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	source := r.NewVolume(alice, 1, "")
	r.Write(region, source.ID, 0, noise(1, block))
	errs := make([]error, 6)
	var all sync.WaitGroup
	for n := range errs {
		all.Go(func() { _, errs[n] = r.EBS.CopyVolume(t.Context(), alice, ebs.VolumeCopyRequest{Source: source.ID}) })
	}
	all.Wait()
	ok := 0
	for _, err := range errs {
		if err == nil {
			ok++
			continue
		}
		refusedWith(t, "one of many", err, "ConcurrentCopyVolumeLimitExceeded")
	}
	if ok != 1 {
		t.Errorf("%d copies were made, want 1", ok)
	}
	r.Serve()
	r.WaitIdle()
	for _, v := range allVolumes(t, r) {
		holds(t, r, v.ID, 0, noise(1, block))
	}
}
