package ebs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// gate is a hook that waits: it tells when it was reached, and goes on when it
// is opened.
type gate struct {
	reached, opened chan struct{}
	once            sync.Once
}

func newGate(t *testing.T) *gate {
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	t.Cleanup(func() { g.open() })
	return g
}

func (g *gate) open() {
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

func (g *gate) wait(ctx context.Context, _ string) error {
	g.once.Do(func() { close(g.reached) })
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// files lists what there is of a volume on the disk.
func files(t *testing.T, r *instancetest.Region, id origami.VolumeID) []os.DirEntry {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(r.Dir, "volumes", string(id)))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

// later has the task of a resource wait.
func later(t *testing.T, r *instancetest.Region, resource string, wait time.Duration) {
	t.Helper()
	err := r.Update(func(tx *metadb.Tx) error {
		for task, err := range tx.UnfinishedTasks() {
			if err != nil {
				return err
			}
			if task.Resource != resource {
				continue
			}
			if err := tx.DeleteTask(task.Region, task.ID); err != nil {
				return err
			}
			return tx.PutTask(task, tx.Now().Add(wait))
		}
		return fmt.Errorf("%s has no task", resource)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVolumesAreLazy makes volumes without touching the disk, and drops one
// that was never opened.
//
//origami:proves S2 S33
func TestVolumesAreLazy(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "lazy", noise(1, 6*block))
	v := r.NewVolume(alice, 4096, img.Snapshots()[0])
	if found := files(t, r, v.ID); len(found) != 0 {
		t.Errorf("a new volume has files: %v", found)
	}
	dev, err := r.EBS.Open(t.Context(), region, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	if _, err := dev.ReadAt(p, 2*block); err != nil {
		t.Fatal(err)
	}
	read, data, ok, err := r.EBS.Touched(t.Context(), v.ID)
	if err != nil || !ok || read != 1 || data != 6 {
		t.Errorf("touched %d of %d blocks (open %v, %v), want 1 of 6", read, data, ok, err)
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
	if _, _, ok, err := r.EBS.Touched(t.Context(), v.ID); ok || err != nil {
		t.Errorf("a closed volume is open: %v, %v", ok, err)
	}
	never := r.NewVolume(alice, 0, img.Snapshots()[0])
	drop(t, r, never.ID)
	drop(t, r, v.ID)
	r.WaitIdle()
	if found := files(t, r, v.ID); len(found) != 0 {
		t.Errorf("a dropped volume has files: %v", found)
	}
	if _, err := r.EBS.Open(t.Context(), region, v.ID); !errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
		t.Errorf("opening a dropped volume: %v", err)
	}
}

// TestSnapshotsCompleteInAnyOrder delays the older of two snapshots of a
// volume until the newer is complete, also over the death of the process.
func TestSnapshotsCompleteInAnyOrder(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	v := r.NewVolume(alice, 1, "")
	var snaps []origami.SnapshotID
	for n := range 4 {
		r.Write(region, v.ID, int64(n)*block, noise(uint64(n), block))
		r.Write(region, v.ID, 10*block, noise(uint64(100+n), block))
		snaps = append(snaps, take(t, r, alice, v.ID).ID)
	}
	later(t, r, string(snaps[1]), 2*time.Second)
	later(t, r, string(snaps[0]), 3*time.Second)
	r = r.Kill(instancetest.Config{})
	for _, n := range []int{3, 2, 1, 0} {
		snap := completed(t, r, snaps[n])
		for k := range 4 {
			want := make([]byte, block)
			if k <= n {
				want = noise(uint64(k), block)
			}
			expect(t, r, snap, int64(k)*block, want)
		}
		expect(t, r, snap, 10*block, noise(uint64(100+n), block))
	}
	r.WaitIdle()
	r.With(region, v.ID, func(v *ebs.Volume) error {
		if layers := v.Layers(); len(layers) != 0 {
			t.Errorf("layers %v are left when all snapshots are complete", layers)
		}
		return nil
	})
}

// TestFreezeWithoutSnapshot leaves more freezes behind than a volume can hold
// layers. Meanwhile the volume goes on to be written.
func TestFreezeWithoutSnapshot(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 1, "")
	for n := range 70 {
		r.Write(region, v.ID, int64(n%8)*block, noise(uint64(n), 4096))
		frozen, err := r.EBS.Freeze(t.Context(), region, v.ID)
		if err != nil {
			t.Fatalf("freeze %d: %v", n, err)
		}
		frozen.Release()
		frozen.Release()
	}
	snap := completed(t, r, take(t, r, alice, v.ID).ID)
	for n := 62; n < 70; n++ {
		expect(t, r, snap, int64(n%8)*block, noise(uint64(n), 4096))
	}
}

// TestTooManyPendingSnapshots refuses what a volume cannot hold, and takes
// snapshots again when the others are complete.
func TestTooManyPendingSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	v := r.NewVolume(alice, 1, "")
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = r.EBS.CreateSnapshot(t.Context(), alice, ebs.SnapshotSpec{Volume: v.ID})
	}
	if !errors.Is(err, &origami.Error{Code: "ConcurrentSnapshotLimitExceeded"}) {
		t.Fatalf("snapshot %d: %v", n, err)
	}
	r.Serve()
	r.WaitIdle()
	completed(t, r, take(t, r, alice, v.ID).ID)
}

// TestKillDuringSnapshot kills the process while a snapshot is being stored.
// The next one completes it with the bytes of the instant it was taken.
func TestKillDuringSnapshot(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: g.wait}})
	v := r.NewVolume(alice, 1, "")
	dev, err := r.EBS.Open(t.Context(), region, v.ID) // a guest has it open
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	data := noise(1, 5*block)
	if _, err := dev.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	snap := take(t, r, alice, v.ID)
	if _, err := dev.WriteAt(noise(2, block), block); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	next := r.Kill(instancetest.Config{})
	expect(t, next, completed(t, next, snap.ID), 0, data)
	if got := next.Read(region, v.ID, block, block); string(got) != string(noise(2, block)) {
		t.Error("the volume lost a write")
	}
	next.WaitIdle()
}

// TestRestartDuringSnapshot shuts down in an orderly manner while a snapshot is
// being stored.
func TestRestartDuringSnapshot(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: g.wait}})
	v := r.NewVolume(alice, 1, "")
	r.Write(region, v.ID, 0, noise(1, block))
	snap := take(t, r, alice, v.ID)
	<-g.reached
	next := r.Restart(instancetest.Config{})
	expect(t, next, completed(t, next, snap.ID), 0, noise(1, block))
}

// TestSnapshotFails has the disk of the store fill up: the snapshot says that
// it failed, the volume goes on, and the next snapshot has everything.
func TestSnapshotFails(t *testing.T) {
	t.Parallel()
	full := func(context.Context, string) error { return syscall.ENOSPC }
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: full}})
	v := r.NewVolume(alice, 1, "")
	r.Write(region, v.ID, 0, noise(1, block))
	snap := r.WaitSnapshot(region, take(t, r, alice, v.ID).ID)
	if snap.State != origami.SnapshotError || !strings.Contains(snap.StateMessage, "no space") || snap.Root != "" {
		t.Errorf("the snapshot ended as %+v", snap)
	}
	r.Hook(instancetest.Hooks{})
	r.Write(region, v.ID, block, noise(2, block))
	again := completed(t, r, take(t, r, alice, v.ID).ID)
	expect(t, r, again, 0, noise(1, block))
	expect(t, r, again, block, noise(2, block))
	if err := deleteSnapshot(r, alice, snap.ID); err != nil {
		t.Errorf("delete a failed snapshot: %v", err)
	}
}

// TestDeleteWhilePending deletes a snapshot that is being stored, then the
// volume of another one. That one completes, and only then do the files go.
//
//origami:proves DeleteSnapshot S38
func TestDeleteWhilePending(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Commit: g.wait}})
	v := r.NewVolume(alice, 1, "")
	r.Write(region, v.ID, 0, noise(1, block))
	first := take(t, r, alice, v.ID)
	<-g.reached
	r.Write(region, v.ID, block, noise(2, block))
	second := take(t, r, alice, v.ID)
	if err := deleteSnapshot(r, alice, first.ID); err != nil {
		t.Fatal(err)
	}
	drop(t, r, v.ID)
	// The task has tried once, and found the files in use.
	instancetest.Eventually(t, "the files are tried to be removed", func() bool {
		tried := false
		r.View(func(tx *metadb.Tx) error {
			for task, err := range tx.UnfinishedTasks() {
				if err != nil {
					return err
				}
				tried = tried || task.Resource == string(v.ID) && task.Attempts > 0 && task.State == origami.TaskQueued
			}
			return nil
		})
		return tried
	})
	if len(files(t, r, v.ID)) == 0 {
		t.Error("the files went before the snapshot was complete")
	}
	g.open()
	snap := completed(t, r, second.ID)
	expect(t, r, snap, 0, noise(1, block))
	expect(t, r, snap, block, noise(2, block))
	r.WaitIdle()
	if found := files(t, r, v.ID); len(found) != 0 {
		t.Errorf("files are left: %v", found)
	}
	if err := r.DB.View(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.Snapshot(region, metadb.System, first.ID)
		return err
	}); !errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
		t.Errorf("the deleted snapshot came back: %v", err)
	}
}

// TestRecoverRemovesOrphans starts over the files of a volume that has no row
// and no task, and leaves all other files alone.
func TestRecoverRemovesOrphans(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	kept, orphan, read := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")
	for _, v := range []*origami.Volume{kept, orphan, read} {
		r.Write(region, v.ID, 0, noise(1, 4096))
	}
	take(t, r, alice, read.ID)
	err := r.Update(func(tx *metadb.Tx) error {
		return errors.Join(tx.DeleteVolume(region, orphan.ID), tx.DeleteVolume(region, read.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	next := r.Restart(instancetest.Config{Idle: true})
	if found := files(t, next, orphan.ID); len(found) != 0 {
		t.Errorf("files of the orphan are left: %v", found)
	}
	for _, v := range []*origami.Volume{kept, read} {
		if found := files(t, next, v.ID); len(found) == 0 {
			t.Errorf("the files of %s are gone", v.ID)
		}
	}
}

// TestOpenAndClose opens, writes, snapshots, closes and drops volumes from many
// goroutines.
func TestOpenAndClose(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	vols := []*origami.Volume{r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")}
	var wg sync.WaitGroup
	for g := range 8 {
		v := vols[g%2].ID
		wg.Go(func() {
			for n := range 10 {
				dev, err := r.EBS.Open(t.Context(), region, v)
				if err != nil {
					t.Error(err)
					return
				}
				want := noise(uint64(100*g+n), 4096)
				if _, err := dev.WriteAt(want, int64(g)*block); err != nil {
					t.Error(err)
				}
				if err := dev.Close(); err != nil {
					t.Error(err)
				}
				if got := r.Read(region, v, int64(g)*block, 4096); string(got) != string(want) {
					t.Error("a write is gone after the volume was closed and opened")
				}
				if g == n {
					take(t, r, alice, v)
				}
			}
		})
	}
	wg.Wait()
	for _, v := range vols {
		wg.Go(func() { drop(t, r, v.ID) })
		wg.Go(func() {
			snap, err := r.EBS.CreateSnapshot(t.Context(), alice, ebs.SnapshotSpec{Volume: v.ID})
			if err == nil {
				completed(t, r, snap.ID)
			} else if !errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.WaitIdle()
	for _, v := range vols {
		if found := files(t, r, v.ID); len(found) != 0 {
			t.Errorf("files of %s are left: %v", v.ID, found)
		}
	}
}

// TestOpenWaitsForNobody gives up waiting when its context ends, and shares no
// other caller's context.
func TestOpenWaitsForNobody(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(alice, 1, "")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	dev, err := r.EBS.Open(gone, region, v.ID)
	if err == nil {
		err = dev.Close()
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("open after the end of the context: %v", err)
	}
	r.Write(region, v.ID, 0, []byte("fine"))
}
