package ami_test

import (
	"context"
	"strings"
	"testing"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// copyImage copies an image inside its region under the key of EBS.
func copyImage(t *testing.T, r *instancetest.Region, source origami.ImageID, name string) (img *origami.Image) {
	t.Helper()
	yes := true
	err := r.Update(func(tx *metadb.Tx) (err error) {
		img, err = r.AMI.Copy(tx, alice, ami.CopyRequest{
			Source: source, SourceRegion: region, Name: name, Encryption: ebs.Encryption{Encrypted: &yes},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// halted are hooks that hold back every pack of the store until the gate opens.
func halted() (h instancetest.Hooks, reached chan struct{}, gate chan struct{}) {
	reached, gate = make(chan struct{}, 100), make(chan struct{})
	h.Commit = func(ctx context.Context, _ string) error {
		reached <- struct{}{}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h, reached, gate
}

// TestCopySurvivesDeath kills the process while a copy is encrypted anew. The
// next one completes it.
//
//origami:proves CopyImage S80
func TestCopySurvivesDeath(t *testing.T) {
	t.Parallel()
	first := instancetest.New(t, instancetest.Config{})
	source := first.Import(alice, "source", []byte(strings.Repeat("content ", 1<<17)))
	first.Close()
	hooks, reached, gate := halted()
	r := first.Restart(instancetest.Config{Hooks: hooks})
	defer close(gate)
	img := copyImage(t, r, source.ID, "copy")
	if img.State != origami.ImagePending {
		t.Errorf("the copy begins as %s", img.State)
	}
	<-reached
	next := r.Kill(instancetest.Config{})
	got := next.WaitImage(region, img.ID)
	if got.State != origami.ImageAvailable {
		t.Fatalf("the copy is %s: %v", got.State, got.StateReason)
	}
	snap := next.Snapshot(region, got.Snapshots()[0])
	if !snap.Encrypted || snap.KMSKey == "" || snap.Progress != 100 || snap.Copy.Root != "" || snap.Copy.Part != "" {
		t.Errorf("the copied snapshot is %+v, %+v", snap, snap.Copy)
	}
	disk, err := next.EBS.OpenSnapshot(t.Context(), alice, snap.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	b := make([]byte, 8)
	if _, err := disk.ReadAt(b, 512<<10); err != nil || string(b) != "content " {
		t.Errorf("the copy holds %q, %v", b, err)
	}
}

// TestCopyIsCancelled deregisters an image while its snapshot is copied: the
// snapshot goes with it, and the name is free.
//
//origami:proves CopyImage DeregisterImage
func TestCopyIsCancelled(t *testing.T) {
	t.Parallel()
	first := instancetest.New(t, instancetest.Config{})
	source := first.Import(alice, "source", []byte(strings.Repeat("content ", 1<<17)))
	first.Close()
	hooks, reached, gate := halted()
	r := first.Restart(instancetest.Config{Hooks: hooks})
	img := copyImage(t, r, source.ID, "copy")
	<-reached
	if _, err := deregister(r, alice, img.ID, false); err != nil {
		t.Fatal(err)
	}
	close(gate)
	r.WaitIdle()
	if got := r.Image(region, img.ID); got.State != origami.ImageDeregistered {
		t.Errorf("the cancelled copy is %s", got.State)
	}
	r.View(func(tx *metadb.Tx) error {
		_, err := tx.Snapshot(region, metadb.System, img.Snapshots()[0])
		wantError(t, err, origami.CodeInvalidSnapshotNotFound, "")
		return nil
	})
	again := copyImage(t, r, source.ID, "copy")
	if got := r.WaitImage(region, again.ID); got.State != origami.ImageAvailable {
		t.Errorf("the next copy is %s", got.State)
	}
}
