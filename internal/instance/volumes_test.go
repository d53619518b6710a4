package instance_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

const gib = ebs.GiB

// volume reads a volume; nil if there is none.
func volume(r *instancetest.Region, id origami.VolumeID) *origami.Volume {
	var v *origami.Volume
	r.View(func(tx *metadb.Tx) (err error) {
		v, err = tx.Volume(region, metadb.System, id)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
			return nil
		}
		return err
	})
	return v
}

func waitVolume(t *testing.T, r *instancetest.Region, id origami.VolumeID, what string, ok func(*origami.Volume) bool) {
	t.Helper()
	instancetest.Eventually(t, string(id)+" is "+what, func() bool {
		v := volume(r, id)
		return v != nil && ok(v)
	})
}

func in(state origami.AttachmentState) func(*origami.Volume) bool {
	return func(v *origami.Volume) bool { return len(v.Attachments) == 1 && v.Attachments[0].State == state }
}

func isAvailable(v *origami.Volume) bool {
	return v.State == origami.VolumeAvailable && len(v.Attachments) == 0
}

func attach(t *testing.T, r *instancetest.Region, v origami.VolumeID, to origami.InstanceID, device string) {
	t.Helper()
	a, err := r.Instances.AttachVolume(t.Context(), alice, v, to, device)
	if err != nil {
		t.Fatal(err)
	}
	if a.State != origami.Attaching || a.DeleteOnTermination {
		t.Errorf("attachment = %+v, want attaching, and kept at termination", a)
	}
	waitVolume(t, r, v, "attached", in(origami.Attached))
}

func detach(t *testing.T, r *instancetest.Region, d instance.Detachment) {
	t.Helper()
	a, err := r.Instances.DetachVolume(t.Context(), alice, d)
	if err != nil {
		t.Fatal(err)
	}
	if a.State != origami.Detaching && a.State != origami.Busy {
		t.Errorf("attachment = %+v, want detaching", a)
	}
	waitVolume(t, r, d.Volume, "available", isAvailable)
}

// disks are the serials of the disks that a machine has, by slot.
func disks(t *testing.T, r *instancetest.Region, id origami.InstanceID) map[int]string {
	t.Helper()
	spec, err := r.Machines.Spec(string(id))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[int]string)
	for _, d := range spec.Disks {
		out[d.Slot] = d.Serial
	}
	return out
}

func serialOf(id origami.VolumeID) string { return "vol" + strings.TrimPrefix(string(id), "vol-") }

// write puts text at the beginning of a volume, as its guest would.
func write(t *testing.T, r *instancetest.Region, id origami.VolumeID, text string) {
	t.Helper()
	v, err := r.EBS.Open(t.Context(), region, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.WriteAt([]byte(text), 0); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, r *instancetest.Region, id origami.VolumeID, n int) string {
	t.Helper()
	v, err := r.EBS.Open(t.Context(), region, id)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := v.ReadAt(b, 0); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestAttachRunning attaches a volume to a running machine, detaches it and
// attaches it to another one, with what was written.
//
//origami:proves AttachVolume DetachVolume S38
func TestAttachRunning(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "disk", []byte("boot"))
	one, two := runs(t, r, img, nil), runs(t, r, img, nil)
	v := r.NewVolume(alice, 1, "")
	attach(t, r, v.ID, one.ID, "/dev/sdf")
	if got, want := disks(t, r, one.ID)[1], serialOf(v.ID); got != want {
		t.Errorf("disk in slot 1 = %q, want %q", got, want)
	}
	write(t, r, v.ID, "kept")
	detach(t, r, instance.Detachment{Volume: v.ID, Instance: one.ID, Device: "/dev/sdf"})
	if got := disks(t, r, one.ID); len(got) != 1 {
		t.Errorf("disks after the detachment = %v, want the root", got)
	}
	attach(t, r, v.ID, two.ID, "/dev/sdf")
	if got := read(t, r, v.ID, 4); got != "kept" {
		t.Errorf("the volume holds %q, want what was written before", got)
	}
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(two), true); err != nil {
		t.Fatal(err)
	}
	waitVolume(t, r, v.ID, "available after the termination", isAvailable)
}

// TestAttachStopped attaches and detaches while there is no machine.
//
//origami:proves AttachVolume DetachVolume S34
func TestAttachStopped(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	if _, err := r.Instances.Stop(t.Context(), alice, ids(i), true); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	v := r.NewVolume(alice, 1, "")
	attach(t, r, v.ID, i.ID, "/dev/sdf")
	start := func() {
		t.Helper()
		if _, err := r.Instances.Start(t.Context(), alice, ids(i)); err != nil {
			t.Fatal(err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceRunning)
	}
	start()
	if got, want := disks(t, r, i.ID)[1], serialOf(v.ID); got != want {
		t.Errorf("disk in slot 1 = %q, want %q", got, want)
	}
	if _, err := r.Instances.Stop(t.Context(), alice, ids(i), true); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	root := r.Volumes(region, i.ID)[0].ID
	detach(t, r, instance.Detachment{Volume: v.ID})
	detach(t, r, instance.Detachment{Volume: root})
	_, err := r.Instances.Start(t.Context(), alice, ids(i))
	wantError(t, err, origami.CodeInvalidParameterValue, "")
	attach(t, r, root, i.ID, i.RootDeviceName)
	start()
	if got, want := disks(t, r, i.ID), map[int]string{0: serialOf(root)}; got[0] != want[0] || len(got) != 1 {
		t.Errorf("disks = %v, want %v", got, want)
	}
}

func TestAttachRefused(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	v, used := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")
	attach(t, r, used.ID, i.ID, "/dev/sdf")
	elsewhere := r.NewVolume(alice, 1, "")
	if err := r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(region, elsewhere.ID, func(v *origami.Volume) error { v.Zone = "us-east-1b"; return nil })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		who      origami.Caller
		volume   origami.VolumeID
		instance origami.InstanceID
		device   string
		code     origami.Code
	}{
		{"no volume", alice, "vol-0123456789abcdef0", i.ID, "/dev/sdg", origami.CodeInvalidVolumeNotFound},
		{"foreign", bob, v.ID, i.ID, "/dev/sdg", origami.CodeInvalidVolumeNotFound},
		{"no instance", alice, v.ID, "i-0123456789abcdef0", "/dev/sdg", origami.CodeInvalidInstanceIDNotFound},
		{"no device", alice, v.ID, i.ID, "", origami.CodeMissingParameter},
		{"bad device", alice, v.ID, i.ID, "/dev/../etc", origami.CodeInvalidParameterValue},
		{"device taken", alice, v.ID, i.ID, "/dev/sdf", origami.CodeInvalidParameterValue},
		{"device taken by its short name", alice, v.ID, i.ID, "sdf", origami.CodeInvalidParameterValue},
		{"root taken", alice, v.ID, i.ID, i.RootDeviceName, origami.CodeInvalidParameterValue},
		{"attached", alice, used.ID, i.ID, "/dev/sdg", origami.CodeVolumeInUse},
		{"zone", alice, elsewhere.ID, i.ID, "/dev/sdg", "InvalidVolume.ZoneMismatch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := r.Instances.AttachVolume(t.Context(), test.who, test.volume, test.instance, test.device)
			wantError(t, err, test.code, "")
		})
	}
	if got := volume(r, v.ID); !isAvailable(got) {
		t.Errorf("the volume that nobody attached = %+v", got)
	}
	root := r.Volumes(region, i.ID)[0].ID
	detachments := []struct {
		name string
		who  origami.Caller
		d    instance.Detachment
		code origami.Code
	}{
		{"foreign", bob, instance.Detachment{Volume: used.ID}, origami.CodeInvalidVolumeNotFound},
		{"available", alice, instance.Detachment{Volume: v.ID}, origami.CodeIncorrectState},
		{"other device", alice, instance.Detachment{Volume: used.ID, Device: "/dev/sdg"}, "InvalidAttachment.NotFound"},
		{"other instance", alice, instance.Detachment{Volume: used.ID, Instance: "i-0123456789abcdef0"}, origami.CodeInvalidInstanceIDNotFound},
		{"root", alice, instance.Detachment{Volume: root}, origami.CodeOperationNotPermitted},
		{"root with force", alice, instance.Detachment{Volume: root, Force: true}, origami.CodeOperationNotPermitted},
	}
	for _, test := range detachments {
		t.Run("detach "+test.name, func(t *testing.T) {
			_, err := r.Instances.DetachVolume(t.Context(), test.who, test.d)
			wantError(t, err, test.code, "")
		})
	}
}

// TestAttachLimit fills every slot.
func TestAttachLimit(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	for n := range 23 {
		attach(t, r, r.NewVolume(alice, 1, "").ID, i.ID, "/dev/xvdb"+string(rune('a'+n)))
	}
	_, err := r.Instances.AttachVolume(t.Context(), alice, r.NewVolume(alice, 1, "").ID, i.ID, "/dev/sdf")
	wantError(t, err, "AttachmentLimitExceeded", "")
	if got := len(disks(t, r, i.ID)); got != 24 {
		t.Errorf("the machine has %d disks, want 24", got)
	}
}

// TestAttachOneDevice has 50 clients attach their volumes as one device, and
// 50 clients attach one volume.
//
//origami:proves AttachVolume
func TestAttachOneDevice(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	race := func(what string, f func(n int) error) {
		t.Helper()
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				err := f(n)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%s: %d of 50 clients won, want 1", what, won)
		}
	}
	var vols []origami.VolumeID
	for range 50 {
		vols = append(vols, r.NewVolume(alice, 1, "").ID)
	}
	race("one device", func(n int) error {
		_, err := r.Instances.AttachVolume(context.Background(), alice, vols[n], i.ID, "/dev/sdf")
		return err
	})
	one := r.NewVolume(alice, 1, "").ID
	race("one volume", func(n int) error {
		_, err := r.Instances.AttachVolume(context.Background(), alice, one, i.ID, "/dev/sd"+string(rune('g'+n%16)))
		return err
	})
	r.WaitIdle()
	if got := len(disks(t, r, i.ID)); got != 3 {
		t.Errorf("the machine has %d disks, want the root and two more", got)
	}
}

// TestDetachBusy has a guest that does not let go of its disks.
func TestDetachBusy(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	cling := func(on bool) {
		t.Helper()
		if err := r.Machines.Cling(string(i.ID), on); err != nil {
			t.Fatal(err)
		}
	}
	v, w := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 1, "")
	attach(t, r, v.ID, i.ID, "/dev/sdf")
	r.WaitIdle() // its task ends after it
	cling(true)
	ask := func(force bool) {
		t.Helper()
		if _, err := r.Instances.DetachVolume(t.Context(), alice, instance.Detachment{Volume: v.ID, Force: force}); err != nil {
			t.Fatal(err)
		}
	}
	ask(false)
	waitVolume(t, r, v.ID, "busy", in(origami.Busy))
	ask(false)
	if got := r.Unfinished(); got != 1 {
		t.Errorf("%d tasks after asking twice, want 1", got)
	}
	_, err := r.Instances.AttachVolume(t.Context(), alice, v.ID, i.ID, "/dev/sdg")
	wantError(t, err, origami.CodeVolumeInUse, "")
	cling(false)
	waitVolume(t, r, v.ID, "available once the guest lets go", isAvailable)

	attach(t, r, v.ID, i.ID, "/dev/sdf")
	cling(true)
	ask(false)
	waitVolume(t, r, v.ID, "busy", in(origami.Busy))
	ask(true)
	waitVolume(t, r, v.ID, "available by force", isAvailable)
	// The guest still holds on to the slot; another one is found.
	attach(t, r, w.ID, i.ID, "/dev/sdf")
	if got, want := disks(t, r, i.ID)[2], serialOf(w.ID); got != want {
		t.Errorf("disk in slot 2 = %q, want %q", got, want)
	}
}

// TestDetachReboot has a guest hold on to its disks until it is started anew.
func TestDetachReboot(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	v := r.NewVolume(alice, 1, "")
	attach(t, r, v.ID, i.ID, "/dev/sdf")
	if err := r.Machines.Cling(string(i.ID), true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Instances.DetachVolume(t.Context(), alice, instance.Detachment{Volume: v.ID}); err != nil {
		t.Fatal(err)
	}
	waitVolume(t, r, v.ID, "busy", in(origami.Busy))
	if err := r.Instances.Reboot(t.Context(), alice, ids(i)); err != nil {
		t.Fatal(err)
	}
	waitVolume(t, r, v.ID, "available after the reboot", isAvailable)
	r.WaitIdle()
	if got := disks(t, r, i.ID); len(got) != 1 {
		t.Errorf("disks after the reboot = %v, want the root", got)
	}
}

// TestAttachKilled kills the process while it attaches, and while it detaches.
func TestAttachKilled(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		g := newGate(t)
		hooks := instancetest.Hooks{Attach: g.wait}
		if late {
			hooks = instancetest.Hooks{Detach: g.wait}
		}
		r := instancetest.New(t, instancetest.Config{Hooks: hooks})
		i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
		v := r.NewVolume(alice, 1, "")
		if late {
			attach(t, r, v.ID, i.ID, "/dev/sdf")
			write(t, r, v.ID, "kept")
			if _, err := r.Instances.DetachVolume(t.Context(), alice, instance.Detachment{Volume: v.ID}); err != nil {
				t.Fatal(err)
			}
		} else if _, err := r.Instances.AttachVolume(t.Context(), alice, v.ID, i.ID, "/dev/sdf"); err != nil {
			t.Fatal(err)
		}
		<-g.reached
		again := r.Kill(instancetest.Config{})
		g.open()
		if late {
			waitVolume(t, again, v.ID, "available", isAvailable)
			if got := read(t, again, v.ID, 4); got != "kept" {
				t.Errorf("the volume holds %q, want what was written", got)
			}
			continue
		}
		waitVolume(t, again, v.ID, "attached", in(origami.Attached))
		if got, want := disks(t, again, i.ID)[1], serialOf(v.ID); got != want {
			t.Errorf("disk in slot 1 = %q, want %q", got, want)
		}
	}
}

// TestAttachRefusedByMonitor has a monitor that refuses the disk for good: the
// volume is available again.
func TestAttachRefusedByMonitor(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{
		Attach: func(context.Context, string) error { return errors.New("no more wires") },
	}})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	v := r.NewVolume(alice, 1, "")
	if _, err := r.Instances.AttachVolume(t.Context(), alice, v.ID, i.ID, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	waitVolume(t, r, v.ID, "available again", isAvailable)
	if got := disks(t, r, i.ID); len(got) != 1 {
		t.Errorf("disks = %v, want the root", got)
	}
}

// TestAttachEnded has a machine that ends while it is given a volume: it will
// have it at its next start.
func TestAttachEnded(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), func(l *instance.Launch) { l.Type = "t2.nano" })
	v := r.NewVolume(alice, 1, "")
	g := newGate(t)
	r.Hook(instancetest.Hooks{Attach: func(ctx context.Context, id string) error {
		if err := g.wait(ctx, id); err != nil {
			return err
		}
		return vmm.ErrNotFound // as of a machine that ended a moment ago
	}})
	if _, err := r.Instances.AttachVolume(t.Context(), alice, v.ID, i.ID, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	if got := volume(r, v.ID); got.State != origami.VolumeInUse || !in(origami.Attaching)(got) {
		t.Errorf("the volume while it is attached = %+v", got)
	}
	g.open()
	waitVolume(t, r, v.ID, "attached for the next start", in(origami.Attached))
}

// TestModify grows a volume under a running machine.
//
//origami:proves ModifyVolume
func TestModify(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "disk", []byte("boot"))
	for _, test := range []struct {
		kind    string
		told    bool
		message bool
	}{{"t2.nano", true, false}, {"t3.nano", false, true}} {
		i := runs(t, r, img, func(l *instance.Launch) { l.Type = test.kind })
		v := r.NewVolume(alice, 1, "")
		write(t, r, v.ID, "kept")
		attach(t, r, v.ID, i.ID, "/dev/sdf")
		got, err := r.Instances.ModifyVolume(t.Context(), alice, v.ID, ebs.Shape{Size: 3})
		if err != nil {
			t.Fatal(err)
		}
		if m := got.Modification; m.State != origami.Modifying || m.Target.Size != 3 || m.Original.Size != 1 || m.Target.IOPS != 100 {
			t.Errorf("modification = %+v, want modifying from 1 to 3 GiB", m)
		}
		waitVolume(t, r, v.ID, "modified", func(v *origami.Volume) bool { return v.Modification.State == origami.ModificationCompleted })
		after := volume(r, v.ID)
		if after.Size != 3 || after.Modification.Progress != 100 || after.Modification.Ended.IsZero() {
			t.Errorf("volume = %+v, %+v, want 3 GiB and completed", after, after.Modification)
		}
		if got := after.Modification.StatusMessage != ""; got != test.message {
			t.Errorf("%s: message %q, want one: %t", test.kind, after.Modification.StatusMessage, test.message)
		}
		sizes, err := r.Machines.Sizes(string(i.ID))
		if err != nil {
			t.Fatal(err)
		}
		if got := sizes[serialOf(v.ID)] == 3*gib; got != test.told {
			t.Errorf("%s: the machine was told %v, want 3 GiB: %t", test.kind, sizes, test.told)
		}
		open, err := r.EBS.Open(t.Context(), region, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := open.Size(); got != 3*gib {
			t.Errorf("the volume has %d bytes, want 3 GiB", got)
		}
		if err := open.Close(); err != nil {
			t.Error(err)
		}
		if got := read(t, r, v.ID, 4); got != "kept" {
			t.Errorf("the volume holds %q, want what was written", got)
		}
	}
}

// TestModifyKilled kills the process while the machine is told of a volume's
// size, and takes a snapshot of the volume in between.
func TestModifyKilled(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Resize: g.wait}})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), func(l *instance.Launch) { l.Type = "t2.nano" })
	v := r.NewVolume(alice, 1, "")
	attach(t, r, v.ID, i.ID, "/dev/sdf")
	if _, err := r.Instances.ModifyVolume(t.Context(), alice, v.ID, ebs.Shape{Size: 2}); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	if got := volume(r, v.ID).Modification.State; got != origami.Optimizing {
		t.Errorf("state while the machine is told = %s, want optimizing", got)
	}
	_, err := r.Instances.ModifyVolume(t.Context(), alice, v.ID, ebs.Shape{Size: 4})
	wantError(t, err, "IncorrectModificationState", "")
	snap, err := r.EBS.CreateSnapshot(t.Context(), alice, ebs.SnapshotSpec{Volume: v.ID})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.WaitSnapshot(region, snap.ID); got.State != origami.SnapshotCompleted || got.VolumeSize != 2 {
		t.Errorf("snapshot = %+v, want completed and of 2 GiB", got)
	}
	// A snapshot that is complete still has to let go of the volume's files.
	instancetest.Eventually(t, "the modification alone is under way", func() bool { return r.Unfinished() == 1 })
	again := r.Kill(instancetest.Config{})
	g.open()
	waitVolume(t, again, v.ID, "modified", func(v *origami.Volume) bool { return v.Modification.State == origami.ModificationCompleted })
	sizes, err := again.Machines.Sizes(string(i.ID))
	if err != nil || sizes[serialOf(v.ID)] != 2*gib {
		t.Errorf("the machine was told %v, %v, want 2 GiB", sizes, err)
	}
	other := again.NewVolume(alice, 2, snap.ID)
	if got := read(t, again, other.ID, 4); got != "\x00\x00\x00\x00" {
		t.Errorf("a volume of the snapshot holds %q", got)
	}
}

// TestCreateSnapshots takes snapshots of several volumes at one instant.
//
//origami:proves CreateSnapshots S53
func TestCreateSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "disk", []byte("boot")), nil)
	a, b := r.NewVolume(alice, 1, ""), r.NewVolume(alice, 2, "")
	attach(t, r, a.ID, i.ID, "/dev/sdf")
	attach(t, r, b.ID, i.ID, "/dev/sdg")
	write(t, r, a.ID, "aaaa")
	write(t, r, b.ID, "bbbb")
	root := r.Volumes(region, i.ID)[0].ID
	if err := r.Update(func(tx *metadb.Tx) error {
		return tx.PutTags(region, alice.Account, []string{string(a.ID)}, origami.Tags{"from": "volume", "k": "volume"})
	}); err != nil {
		t.Fatal(err)
	}
	take := func(req instance.SnapshotsRequest, want ...origami.VolumeID) []*origami.Snapshot {
		t.Helper()
		req.Instance = i.ID
		snaps, err := r.Instances.CreateSnapshots(t.Context(), alice, req)
		if err != nil {
			t.Fatal(err)
		}
		var got []origami.VolumeID
		for n, s := range snaps {
			got = append(got, s.Volume)
			if !s.Started.Equal(snaps[0].Started) {
				t.Errorf("%s started at %v, and %s at %v", s.ID, s.Started, snaps[n].ID, snaps[0].Started)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("snapshots of %v, want %v", got, want)
		}
		return snaps
	}
	all := take(instance.SnapshotsRequest{CopyTags: true, Tags: origami.Tags{"k": "request"}}, root, a.ID, b.ID)
	take(instance.SnapshotsRequest{ExcludeBoot: true}, a.ID, b.ID)
	take(instance.SnapshotsRequest{Exclude: []origami.VolumeID{a.ID}}, root, b.ID)
	write(t, r, a.ID, "late")
	for _, s := range all {
		if got := r.WaitSnapshot(region, s.ID); got.State != origami.SnapshotCompleted {
			t.Errorf("%s = %+v, want completed", s.ID, got)
		}
	}
	copied := r.NewVolume(alice, 1, all[1].ID)
	if got := read(t, r, copied.ID, 4); got != "aaaa" {
		t.Errorf("the snapshot holds %q, want what was written before it", got)
	}
	r.View(func(tx *metadb.Tx) error {
		tags, err := tx.Tags(region, alice.Account, string(all[1].ID))
		if got := tags[string(all[1].ID)]; got["from"] != "volume" || got["k"] != "request" {
			t.Errorf("tags = %v, want those of the volume below those of the request", got)
		}
		return err
	})
	for _, test := range []struct {
		name string
		who  origami.Caller
		req  instance.SnapshotsRequest
		code origami.Code
	}{
		{"foreign", bob, instance.SnapshotsRequest{Instance: i.ID}, origami.CodeInvalidInstanceIDNotFound},
		{"root as data", alice, instance.SnapshotsRequest{Instance: i.ID, Exclude: []origami.VolumeID{root}}, origami.CodeInvalidParameterValue},
		{"not attached", alice, instance.SnapshotsRequest{Instance: i.ID, Exclude: []origami.VolumeID{copied.ID}}, origami.CodeInvalidParameterValue},
		{"nothing", alice, instance.SnapshotsRequest{Instance: i.ID, ExcludeBoot: true, Exclude: []origami.VolumeID{a.ID, b.ID}}, origami.CodeInvalidParameterValue},
		{"41 excluded", alice, instance.SnapshotsRequest{Instance: i.ID, Exclude: slices.Repeat([]origami.VolumeID{a.ID}, 41)}, origami.CodeInvalidParameterValue},
	} {
		_, err := r.Instances.CreateSnapshots(t.Context(), test.who, test.req)
		wantError(t, err, test.code, "")
	}
}

// TestVolumeOutlives terminates an instance whose attachment of a data volume
// says that it stays.
//
//origami:proves S37 S38
func TestVolumeOutlives(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "disk", bytes.Repeat([]byte("boot"), 1000))
	i := runs(t, r, img, func(l *instance.Launch) {
		l.BlockDevices = []origami.BlockDevice{
			{DeviceName: "/dev/sdf", EBS: &origami.EBSBlockDevice{VolumeSize: 1, DeleteOnTermination: ptr(false)}},
			{DeviceName: "/dev/sdg", EBS: &origami.EBSBlockDevice{VolumeSize: 1, DeleteOnTermination: ptr(true)}},
		}
	})
	vols := r.Volumes(region, i.ID)
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), true); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	if got := volume(r, vols[1].ID); got == nil || !isAvailable(got) {
		t.Errorf("the volume that stays = %+v, want available", got)
	}
	for _, n := range []int{0, 2} {
		if got := volume(r, vols[n].ID); got != nil {
			t.Errorf("the volume in slot %d = %+v, want none", n, got)
		}
	}
}
