package ami_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

func deregister(r *instancetest.Region, who origami.Caller, id origami.ImageID, snapshots bool) (out []ami.DeletedSnapshot, err error) {
	err = r.Update(func(tx *metadb.Tx) (err error) {
		out, err = r.AMI.Deregister(tx, who, id, snapshots)
		return err
	})
	return out, err
}

func resolve(r *instancetest.Region, who origami.Caller, id origami.ImageID) error {
	return r.DB.View(context.Background(), func(tx *metadb.Tx) error {
		_, err := r.AMI.Resolve(tx, who, id)
		return err
	})
}

// image registers an image of snapshots, the first of which is the root.
func image(t *testing.T, r *instancetest.Region, who origami.Caller, name string, ids ...origami.SnapshotID) *origami.Image {
	t.Helper()
	reg := ami.Registration{Name: name, RootDeviceName: "/dev/sda"}
	for n, id := range ids {
		reg.BlockDevices = append(reg.BlockDevices, origami.BlockDevice{DeviceName: "/dev/sd" + string(rune('a'+n)), EBS: ebsOf(id)})
	}
	img, err := register(r, who, reg)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// change changes an image.
func change(t *testing.T, r *instancetest.Region, id origami.ImageID, f func(*origami.Image)) {
	t.Helper()
	err := r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateImage(region, id, func(i *origami.Image) error { f(i); return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestResolve decides who may launch which image.
//
//origami:proves S8 S63 S65 S73
func TestResolve(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	private := image(t, r, alice, "private", snapshot(t, r, alice, 1))
	shared := image(t, r, alice, "shared", snapshot(t, r, alice, 1))
	change(t, r, shared.ID, func(i *origami.Image) { i.SharedWith = []origami.AccountID{bob.Account} })
	public := image(t, r, alice, "public", snapshot(t, r, alice, 1))
	change(t, r, public.ID, func(i *origami.Image) { i.Public = true })
	state := func(name string, s origami.ImageState) origami.ImageID {
		img := image(t, r, alice, name, snapshot(t, r, alice, 1))
		change(t, r, img.ID, func(i *origami.Image) { i.State = s })
		return img.ID
	}
	stranger := origami.Caller{Account: "333333333333", Region: region}
	for _, tt := range []struct {
		name string
		who  origami.Caller
		id   origami.ImageID
		code origami.Code
	}{
		{"own", alice, private.ID, ""},
		{"private to others", bob, private.ID, origami.CodeAuthFailure},
		{"shared with the caller", bob, shared.ID, ""},
		{"shared with another", stranger, shared.ID, origami.CodeAuthFailure},
		{"public", stranger, public.ID, ""},
		{"in another region", instancetest.Abroad, private.ID, origami.CodeInvalidAMIIDNotFound},
		{"unknown", alice, "ami-0123456789abcdef0", origami.CodeInvalidAMIIDNotFound},
		{"pending", alice, state("pending", origami.ImagePending), origami.CodeInvalidAMIIDUnavailable},
		{"failed", alice, state("failed", origami.ImageFailed), origami.CodeInvalidAMIIDUnavailable},
		{"disabled", alice, state("disabled", origami.ImageDisabled), origami.CodeInvalidAMIIDUnavailable},
		{"deregistered", alice, state("deregistered", origami.ImageDeregistered), origami.CodeInvalidAMIIDUnavailable},
		{"deregistered by others", bob, state("gone", origami.ImageDeregistered), origami.CodeInvalidAMIIDNotFound},
	} {
		err := resolve(r, tt.who, tt.id)
		if tt.code == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		text := "The image id '[" + string(tt.id) + "]' does not exist"
		switch tt.code {
		case origami.CodeAuthFailure:
			text = "Not authorized for images: [" + string(tt.id) + "]"
		case origami.CodeInvalidAMIIDUnavailable:
			text = "The image id '[" + string(tt.id) + "]' is no longer available"
		}
		wantError(t, err, tt.code, text)
	}
}

// TestDeregister removes an image and keeps its snapshots.
//
//origami:proves DeregisterImage S86 S87 S88
func TestDeregister(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	id := snapshot(t, r, alice, 1)
	img := image(t, r, alice, "short-lived", id)
	change(t, r, img.ID, func(i *origami.Image) { i.SharedWith = []origami.AccountID{bob.Account} })
	remove := func() error {
		return r.Update(func(tx *metadb.Tx) error { return r.EBS.DeleteSnapshot(tx, alice, id) })
	}

	_, err := deregister(r, bob, img.ID, false)
	wantError(t, err, origami.CodeAuthFailure, "Not authorized for image:"+string(img.ID))
	stranger := origami.Caller{Account: "333333333333", Region: region}
	_, err = deregister(r, stranger, img.ID, false)
	wantError(t, err, origami.CodeInvalidAMIIDNotFound, "")
	wantError(t, remove(), origami.CodeInvalidSnapshotInUse, "The snapshot "+string(id)+" is currently in use by "+string(img.ID))

	out, err := deregister(r, alice, img.ID, false)
	if err != nil || len(out) != 0 {
		t.Fatalf("deregister: %v, %v", out, err)
	}
	wantError(t, resolve(r, alice, img.ID), origami.CodeInvalidAMIIDUnavailable, "")
	wantError(t, resolve(r, bob, img.ID), origami.CodeInvalidAMIIDUnavailable, "")
	_, err = deregister(r, alice, img.ID, false)
	wantError(t, err, origami.CodeInvalidAMIIDUnavailable, "The image id '["+string(img.ID)+"]' is no longer available")
	if got := r.Snapshot(region, id); got.State != origami.SnapshotCompleted {
		t.Errorf("the snapshot is %s", got.State)
	}
	if err := remove(); err != nil {
		t.Errorf("delete the snapshot afterwards: %v", err)
	}
}

// TestDeregisterWithSnapshots deletes the snapshots that nothing else maps.
//
//origami:proves DeregisterImage DeleteSnapshot
func TestDeregisterWithSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	own, both, foreign := snapshot(t, r, alice, 1), snapshot(t, r, alice, 1), snapshot(t, r, bob, 1)
	update(t, r, foreign, func(s *origami.Snapshot) { s.SharedWith = []origami.AccountID{alice.Account} })
	first := image(t, r, alice, "first", own, both, foreign)
	second := image(t, r, alice, "second", both)
	out, err := deregister(r, alice, first.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []ami.DeletedSnapshot{{ID: own, Result: "success"}, {ID: both, Result: "skipped"}, {ID: foreign, Result: "missing-permissions"}}
	if d := cmp.Diff(out, want); d != "" {
		t.Error(d)
	}
	if err := resolve(r, alice, second.ID); err != nil {
		t.Errorf("the image that shares a snapshot: %v", err)
	}
	out, err = deregister(r, alice, second.ID, true)
	if err != nil || len(out) != 1 || out[0].Result != "success" {
		t.Errorf("deregister the last image of a snapshot: %v, %v", out, err)
	}
	if got := r.Snapshot(region, foreign); got.ID != foreign {
		t.Error("a snapshot of another account is gone")
	}

	// One that its owner took back meanwhile is not there for the caller.
	gone := snapshot(t, r, bob, 1)
	update(t, r, gone, func(s *origami.Snapshot) { s.SharedWith = []origami.AccountID{alice.Account} })
	third := image(t, r, alice, "third", gone)
	update(t, r, gone, func(s *origami.Snapshot) { s.SharedWith = nil })
	out, err = deregister(r, alice, third.ID, true)
	if err != nil || len(out) != 1 || out[0].Result != "client-error" {
		t.Errorf("deregister an image of a snapshot that was taken back: %v, %v", out, err)
	}
}

// promise makes a pending image over snapshots of a volume that are not
// complete.
func promise(t *testing.T, r *instancetest.Region, name string, vols ...origami.VolumeID) *origami.Image {
	t.Helper()
	img := &origami.Image{ID: origami.NewImageID(), Region: region, Owner: alice.Account, Name: name, RootDeviceName: "/dev/sda"}
	frozen, err := r.EBS.Freeze(t.Context(), region, vols...)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Release()
	err = r.Update(func(tx *metadb.Tx) error {
		img.BlockDevices = nil
		for n, id := range vols {
			v, err := tx.Volume(region, alice.Account, id)
			if err != nil {
				return err
			}
			layer, _ := frozen.Layer(id)
			snap, err := r.EBS.AddSnapshot(tx, alice, v, layer, ebs.SnapshotSpec{Volume: id})
			if err != nil {
				return err
			}
			img.BlockDevices = append(img.BlockDevices, origami.BlockDevice{DeviceName: "/dev/sd" + string(rune('a'+n)), EBS: ebsOf(snap.ID)})
		}
		return r.AMI.Promise(tx, img, origami.Tags{"stage": "pending"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestPendingImages follows images from their promise to their end.
//
//origami:proves S16 S55
func TestPendingImages(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	a, b := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")
	img := promise(t, r, "both", a.ID, b.ID)
	cancelled := promise(t, r, "cancelled", a.ID)
	if got := r.Image(region, img.ID); got.State != origami.ImagePending || got.Location != "111111111111/both" {
		t.Errorf("promised %+v", got)
	}
	wantError(t, resolve(r, alice, img.ID), origami.CodeInvalidAMIIDUnavailable, "")
	id := img.Snapshots()[1]
	wantError(t, r.Update(func(tx *metadb.Tx) error { return r.EBS.DeleteSnapshot(tx, alice, id) }), origami.CodeInvalidSnapshotInUse, "")
	if _, err := deregister(r, alice, cancelled.ID, false); err != nil {
		t.Fatal(err)
	}
	r.Serve()
	if got := r.WaitImage(region, img.ID); got.State != origami.ImageAvailable || got.StateReason != nil {
		t.Errorf("the image ended as %+v", got)
	}
	for _, id := range img.Snapshots() {
		if got := r.Snapshot(region, id).State; got != origami.SnapshotCompleted {
			t.Errorf("the image is available and %s is %s", id, got)
		}
	}
	r.WaitIdle()
	if got := r.Image(region, cancelled.ID).State; got != origami.ImageDeregistered {
		t.Errorf("the cancelled image is %s", got)
	}
}

// TestPendingImageFails has a snapshot of an image fail.
func TestPendingImageFails(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{
		Commit: func(context.Context, string) error { return syscall.EIO },
	}})
	v := r.NewVolume(alice, 1, "")
	r.Write(region, v.ID, 0, []byte("content"))
	img := promise(t, r, "doomed", v.ID)
	got := r.WaitImage(region, img.ID)
	if got.State != origami.ImageFailed || got.StateReason == nil || got.StateReason.Code != "Server.InternalError" {
		t.Fatalf("the image ended as %+v", got)
	}
	wantError(t, resolve(r, alice, img.ID), origami.CodeInvalidAMIIDUnavailable, "")
	out, err := deregister(r, alice, img.ID, true)
	if err != nil || len(out) != 1 || out[0].Result != "success" {
		t.Errorf("clean up after a failure: %v, %v", out, err)
	}
}

// TestFail fails pending images only.
func TestFail(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := image(t, r, alice, "sound", snapshot(t, r, alice, 1))
	err := r.Update(func(tx *metadb.Tx) error {
		return r.AMI.Fail(tx, region, img.ID, origami.StateReason{Code: "Client.InternalError"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Image(region, img.ID); got.State != origami.ImageAvailable || got.StateReason != nil {
		t.Errorf("an available image became %+v", got)
	}
}
