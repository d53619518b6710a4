package ebs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/vmie"
)

// TestFullDisk fills a real file system of 64 MiB while a disk is imported, a
// snapshot is stored and a guest writes. Each says so: the import returns an
// error, the snapshot ends in error with a reason, the write returns ENOSPC.
// What was acknowledged before stays readable all the time, and when there is
// space again everything works.
//
//origami:proves CreateSnapshot
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Run("full", func(t *testing.T) { // ends, and closes the region, before the unmount
		t.Setenv("TMPDIR", mount)
		fullDisk(t, mount)
	})
}

func fullDisk(t *testing.T, mount string) {
	r := instancetest.New(t, instancetest.Config{})
	old := r.Import(alice, "old", noise(1, 4<<20))
	v := r.NewVolume(alice, 1, "")
	written := noise(2, 4<<20)
	r.Write(region, v.ID, 0, written)
	dev, err := r.EBS.Open(t.Context(), region, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := dev.Flush(); err != nil {
		t.Fatal(err)
	}

	big := noise(3, 100<<20)
	request := vmie.Request{Name: "big", Format: "raw"}
	if img, err := r.VMIE.ImportDisk(t.Context(), alice, request, bytes.NewReader(big), int64(len(big)), nil); err == nil {
		t.Fatalf("a disk of 100 MiB went into 64 MiB as %s", img.ID)
	}
	expect(t, r, r.Snapshot(region, old.Snapshots()[0]), 0, noise(1, 4<<20))

	fill := fillUp(t, mount, 2<<20) // room for rows, not for blocks
	snap := take(t, r, alice, v.ID)
	if failed := r.WaitSnapshot(region, snap.ID); failed.State != origami.SnapshotError || failed.StateMessage == "" {
		t.Errorf("the snapshot on a full disk is %+v", failed)
	}
	var writeErr error
	for off := int64(64 << 20); writeErr == nil && off < 128<<20; off += 1 << 20 {
		_, writeErr = dev.WriteAt(noise(uint64(off), 1<<20), off)
	}
	if !errors.Is(writeErr, syscall.ENOSPC) {
		t.Errorf("writes on a full disk: %v, want %v", writeErr, syscall.ENOSPC)
	}
	got := make([]byte, len(written))
	if _, err := dev.ReadAt(got, 0); err != nil || !bytes.Equal(got, written) {
		t.Errorf("what was flushed cannot be read from the full disk: %v", err)
	}
	expect(t, r, r.Snapshot(region, old.Snapshots()[0]), 0, noise(1, 4<<20))

	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := dev.Trim(64<<20, 64<<20); err != nil {
		t.Errorf("give back space: %v", err)
	}
	after := completed(t, r, take(t, r, alice, v.ID).ID)
	expect(t, r, after, 0, written)
	again := r.Import(alice, "again", noise(4, 4<<20))
	expect(t, r, r.Snapshot(region, again.Snapshots()[0]), 0, noise(4, 4<<20))
	back := r.NewVolume(alice, 0, after.ID)
	r.With(region, back.ID, func(v *ebs.Volume) error { return v.Flush() })
}

// fillUp leaves n bytes free on the file system.
func fillUp(t *testing.T, mount string, n int64) string {
	t.Helper()
	var stat unix.Statfs_t
	if err := unix.Statfs(mount, &stat); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(mount, "fill")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize-n); err != nil {
		t.Fatal(err)
	}
	return name
}
