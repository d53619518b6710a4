package instance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// finished waits for an image that must not fail.
func finished(t *testing.T, r *instancetest.Region, id origami.ImageID) *origami.Image {
	t.Helper()
	img := r.WaitImage(region, id)
	if img.State != origami.ImageAvailable {
		t.Fatalf("the image is %s: %+v", img.State, img.StateReason)
	}
	return img
}

// TestCreateImage bakes images of a machine with two volumes: with a reboot, in
// flight, and of a stopped machine. Machines launched from them have the data
// of both.
//
//origami:proves CreateImage RunInstances S45 S46 S47 S48 S49 S51 S52 S117
func TestCreateImage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		noReboot  bool
		stopped   bool
		shutdowns int32
	}{
		{"reboot", false, false, 1},
		{"no reboot", true, false, 0},
		{"stopped", false, true, 0},
		{"stopped, no reboot", true, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var shutdowns, starts atomic.Int32
			r := instancetest.New(t, instancetest.Config{})
			i := runs(t, r, r.Import(alice, "base", []byte("system")), func(l *instance.Launch) {
				l.BlockDevices = []origami.BlockDevice{
					{DeviceName: "/dev/sdf", EBS: &origami.EBSBlockDevice{VolumeSize: 8, VolumeType: origami.GP3, IOPS: 3500, Throughput: 200, DeleteOnTermination: ptr(false)}},
					{DeviceName: "/dev/sdg", VirtualName: "ephemeral0"},
				}
			})
			vols := r.Volumes(region, i.ID)
			r.Write(region, vols[0].ID, 1<<20, []byte("baked"))
			r.Write(region, vols[1].ID, 1<<20, []byte("data"))
			if tt.stopped {
				if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
					t.Fatal(err)
				}
				r.WaitInstance(region, i.ID, origami.InstanceStopped)
			}
			r.Hook(instancetest.Hooks{
				Shutdown: func(context.Context, string) error { shutdowns.Add(1); return nil },
				Start:    func(context.Context, string) error { starts.Add(1); return nil },
			})
			img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{
				Instance: i.ID, Name: "baked", Description: "fresh", NoReboot: tt.noReboot,
				ImageTags: origami.Tags{"kind": "image"}, SnapshotTags: origami.Tags{"kind": "snapshot"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if img.State != origami.ImagePending {
				t.Errorf("the answer is %s", img.State)
			}
			got := finished(t, r, img.ID)
			r.WaitIdle()
			r.Hook(instancetest.Hooks{})
			if shutdowns.Load() != tt.shutdowns || starts.Load() != tt.shutdowns {
				t.Errorf("%d shutdowns and %d starts, want %d", shutdowns.Load(), starts.Load(), tt.shutdowns)
			}
			want := origami.InstanceRunning
			if tt.stopped {
				want = origami.InstanceStopped
			}
			if state := r.Instance(region, i.ID).State; state != want || alive(r, i.ID) == tt.stopped {
				t.Errorf("the instance is %s afterwards", state)
			}
			snaps := got.Snapshots()
			if d := cmp.Diff(got.BlockDevices, []origami.BlockDevice{
				{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: snaps[0], VolumeSize: 1, VolumeType: origami.GP2, DeleteOnTermination: ptr(true), Encrypted: ptr(false)}},
				{DeviceName: "/dev/sdf", EBS: &origami.EBSBlockDevice{Snapshot: snaps[1], VolumeSize: 8, VolumeType: origami.GP3, IOPS: 3500, Throughput: 200, DeleteOnTermination: ptr(false), Encrypted: ptr(false)}},
				{DeviceName: "/dev/sdg", VirtualName: "ephemeral0"},
			}); d != "" {
				t.Error(d)
			}
			if got.SourceInstance != i.ID || got.SourceImage != i.Image || got.Architecture != i.Architecture || got.VirtualizationType != i.VirtualizationType ||
				!got.ENASupport || got.RootDeviceName != i.RootDeviceName || got.Description != "fresh" {
				t.Errorf("the image is %+v", got)
			}
			r.View(func(tx *metadb.Tx) error {
				tags, err := tx.Tags(region, alice.Account, string(img.ID), string(snaps[0]), string(snaps[1]))
				if tags[string(img.ID)]["kind"] != "image" || tags[string(snaps[0])]["kind"] != "snapshot" || tags[string(snaps[1])]["kind"] != "snapshot" {
					t.Errorf("tags are %v", tags)
				}
				return err
			})
			for n, id := range snaps {
				snap := r.Snapshot(region, id)
				if snap.Description != fmt.Sprintf("Created by CreateImage(%s) for %s", i.ID, img.ID) || snap.Volume != vols[n].ID {
					t.Errorf("snapshot %d is %+v", n, snap)
				}
			}
			clone := runs(t, r, got, nil)
			made := r.Volumes(region, clone.ID)
			if len(made) != 2 {
				t.Fatalf("%d volumes", len(made))
			}
			if root, data := r.Read(region, made[0].ID, 1<<20, 5), r.Read(region, made[1].ID, 1<<20, 4); string(root) != "baked" || string(data) != "data" {
				t.Errorf("the clone has %q and %q", root, data)
			}
		})
	}
}

// TestImageMapping overrides the mapping of an instance.
//
//origami:proves CreateImage S51
func TestImageMapping(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	other := r.Import(alice, "other", []byte("other")).Snapshots()[0]
	i := runs(t, r, base, func(l *instance.Launch) {
		l.BlockDevices = []origami.BlockDevice{
			{DeviceName: "/dev/sdf", EBS: &origami.EBSBlockDevice{VolumeSize: 2}},
			{DeviceName: "/dev/sdg", VirtualName: "ephemeral0"},
		}
	})
	ebsDevice := func(name string, e origami.EBSBlockDevice) origami.BlockDevice {
		return origami.BlockDevice{DeviceName: name, EBS: &e}
	}
	for n, tt := range []struct {
		name    string
		request origami.BlockDevice
		want    []string // device, whether taken of a volume, size, DeleteOnTermination
		code    origami.Code
	}{
		{"keep the volume", ebsDevice("/dev/sdf", origami.EBSBlockDevice{DeleteOnTermination: ptr(false)}), []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 false", "/dev/sdg ephemeral0"}, ""},
		{"the same again", ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeSize: 2, VolumeType: origami.GP2, Encrypted: ptr(false)}), []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg ephemeral0"}, ""},
		{"leave out", origami.BlockDevice{DeviceName: "/dev/sdf", NoDevice: true}, []string{"/dev/sda1 taken 1 true", "/dev/sdg ephemeral0"}, ""},
		{"leave out the ephemeral", origami.BlockDevice{DeviceName: "/dev/sdg", NoDevice: true}, []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true"}, ""},
		{"leave out what is not there", origami.BlockDevice{DeviceName: "/dev/sdz", NoDevice: true}, []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg ephemeral0"}, ""},
		{"add a snapshot", ebsDevice("/dev/sdh", origami.EBSBlockDevice{Snapshot: other}), []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg ephemeral0", "/dev/sdh given 1 true"}, ""},
		{"add an empty volume", ebsDevice("/dev/sdh", origami.EBSBlockDevice{VolumeSize: 9, Encrypted: ptr(false)}), []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg ephemeral0", "/dev/sdh empty 9 true"}, ""},
		{"add an ephemeral", origami.BlockDevice{DeviceName: "/dev/sdh", VirtualName: "ephemeral1"}, []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg ephemeral0", "/dev/sdh ephemeral1"}, ""},
		{"replace the ephemeral", ebsDevice("/dev/sdg", origami.EBSBlockDevice{VolumeSize: 3}), []string{"/dev/sda1 taken 1 true", "/dev/sdf taken 2 true", "/dev/sdg empty 3 true"}, ""},
		{"leave out the root", origami.BlockDevice{DeviceName: "/dev/sda1", NoDevice: true}, nil, origami.CodeInvalidBlockDeviceMapping},
		{"another size", ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeSize: 4}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"another type", ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeType: origami.GP3}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"another snapshot", ebsDevice("/dev/sdf", origami.EBSBlockDevice{Snapshot: other}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"encrypt", ebsDevice("/dev/sdf", origami.EBSBlockDevice{Encrypted: ptr(true)}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"volume becomes ephemeral", origami.BlockDevice{DeviceName: "/dev/sdf", VirtualName: "ephemeral1"}, nil, origami.CodeInvalidBlockDeviceMapping},
		{"snapshot with the encrypted flag", ebsDevice("/dev/sdh", origami.EBSBlockDevice{Snapshot: other, Encrypted: ptr(false)}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"another spelling", ebsDevice("sdf", origami.EBSBlockDevice{VolumeSize: 1}), nil, origami.CodeInvalidBlockDeviceMapping},
		{"bad device", ebsDevice("/dev/tty", origami.EBSBlockDevice{VolumeSize: 1}), nil, origami.CodeInvalidParameterValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{
				Instance: i.ID, Name: fmt.Sprint("image ", n), NoReboot: true, BlockDevices: []origami.BlockDevice{tt.request},
			})
			if tt.code != "" {
				wantError(t, err, tt.code, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range finished(t, r, img.ID).BlockDevices {
				if d.EBS == nil {
					got = append(got, d.DeviceName+" "+d.VirtualName)
					continue
				}
				from := map[origami.SnapshotID]string{"": "empty", other: "given"}[d.EBS.Snapshot]
				if from == "" {
					from = "taken"
				}
				got = append(got, fmt.Sprint(d.DeviceName, " ", from, " ", d.EBS.VolumeSize, " ", *d.EBS.DeleteOnTermination))
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestCreateImageChecks refuses what cannot be baked, before anything happens
// to the machine.
//
//origami:proves CreateImage
func TestCreateImageChecks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	i := runs(t, r, base, nil)
	gone := runs(t, r, base, nil)
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(gone), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, gone.ID, origami.InstanceTerminated)
	r.Hook(instancetest.Hooks{Shutdown: func(context.Context, string) error { t.Error("the guest was disturbed"); return nil }})
	for _, tt := range []struct {
		name string
		who  origami.Caller
		r    instance.ImageRequest
		code origami.Code
	}{
		{"no name", alice, instance.ImageRequest{Instance: i.ID}, origami.CodeMissingParameter},
		{"bad name", alice, instance.ImageRequest{Instance: i.ID, Name: "a?b"}, origami.CodeInvalidAMINameMalformed},
		{"name taken", alice, instance.ImageRequest{Instance: i.ID, Name: "base"}, origami.CodeInvalidAMINameDuplicate},
		{"name taken, no reboot", alice, instance.ImageRequest{Instance: i.ID, Name: "base", NoReboot: true}, origami.CodeInvalidAMINameDuplicate},
		{"long description", alice, instance.ImageRequest{Instance: i.ID, Name: "fine", Description: strings.Repeat("d", 256)}, origami.CodeInvalidParameterValue},
		{"unknown instance", alice, instance.ImageRequest{Instance: "i-0123456789abcdef0", Name: "fine"}, origami.CodeInvalidInstanceIDNotFound},
		{"instance of another account", bob, instance.ImageRequest{Instance: i.ID, Name: "fine"}, origami.CodeInvalidInstanceIDNotFound},
		{"terminated", alice, instance.ImageRequest{Instance: gone.ID, Name: "fine"}, origami.CodeIncorrectInstanceState},
		{"bad image tag", alice, instance.ImageRequest{Instance: i.ID, Name: "fine", ImageTags: origami.Tags{"aws:x": ""}}, origami.CodeInvalidParameterValue},
		{"bad snapshot tag", alice, instance.ImageRequest{Instance: i.ID, Name: "fine", SnapshotTags: origami.Tags{"aws:x": ""}}, origami.CodeInvalidParameterValue},
	} {
		_, err := r.Instances.CreateImage(t.Context(), tt.who, tt.r)
		if t.Run(tt.name, func(t *testing.T) { wantError(t, err, tt.code, "") }); err == nil {
			t.Fatal("it was not refused")
		}
	}
	r.View(func(tx *metadb.Tx) error {
		for s, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			if s.Volume != origami.NoVolume {
				t.Errorf("%s is left", s.ID)
			}
		}
		return nil
	})
}

// TestTerminatedDuringImage terminates an instance whose image waits for the
// guest to shut down, and one whose image has not begun.
//
//origami:proves CreateImage
func TestTerminatedDuringImage(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	r.Serve()
	i := runs(t, r, r.Import(alice, "base", []byte("system")), nil)
	r = r.Restart(instancetest.Config{Idle: true})
	img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "too late"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), false); err != nil {
		t.Fatal(err)
	}
	r.Serve()
	got := r.WaitImage(region, img.ID)
	if why := got.StateReason; got.State != origami.ImageFailed || why == nil || why.Code != "Client.InstanceTerminated" {
		t.Errorf("the image is %s: %+v", got.State, why)
	}
	if snap := r.Snapshot(region, got.Snapshots()[0]); snap.State != origami.SnapshotError || !strings.Contains(snap.StateMessage, "terminated") {
		t.Errorf("the snapshot is %+v", snap)
	}
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	r.WaitIdle()
}

// TestFreezeFails has the disk fill up at the freeze: the image fails and the
// machine runs again.
//
//origami:proves CreateImage S47
func TestFreezeFails(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", []byte("system")), nil)
	full := func(string) error { return syscall.ENOSPC }
	r.Hook(instancetest.Hooks{Create: full})
	_, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "in flight", NoReboot: true})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("no reboot: %v", err)
	}
	r.Hook(instancetest.Hooks{
		Shutdown: func(context.Context, string) error { r.Hook(instancetest.Hooks{Create: full}); return nil },
		Create:   full,
	})
	img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "at rest"})
	if err != nil {
		t.Fatal(err)
	}
	got := r.WaitImage(region, img.ID)
	if why := got.StateReason; got.State != origami.ImageFailed || why == nil || why.Code != "Server.InternalError" {
		t.Errorf("the image is %s: %+v", got.State, why)
	}
	r.WaitIdle()
	if state := r.Instance(region, i.ID).State; state != origami.InstanceRunning || !alive(r, i.ID) {
		t.Errorf("the instance is %s", state)
	}
	r.Hook(instancetest.Hooks{})
	if err := deregister(r, img.ID); err != nil {
		t.Fatal(err)
	}
	again, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "at rest"})
	if err != nil {
		t.Fatal(err)
	}
	finished(t, r, again.ID)
}

// TestDeregisterDuringImage cancels an image before its volumes are frozen. Its
// snapshots end, and can be deleted.
//
//origami:proves CreateImage DeregisterImage
func TestDeregisterDuringImage(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", []byte("system")), nil)
	r = r.Restart(instancetest.Config{Idle: true})
	img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "cancelled"})
	if err != nil {
		t.Fatal(err)
	}
	if err := deregister(r, img.ID); err != nil {
		t.Fatal(err)
	}
	r.Hook(instancetest.Hooks{Shutdown: func(context.Context, string) error { t.Error("the guest was disturbed"); return nil }})
	r.Serve()
	r.WaitIdle()
	snap := r.Snapshot(region, img.Snapshots()[0])
	if snap.State != origami.SnapshotError || !strings.Contains(snap.StateMessage, "deregistered") {
		t.Errorf("the snapshot is %+v", snap)
	}
	if err := r.Update(func(tx *metadb.Tx) error { return r.EBS.DeleteSnapshot(tx, alice, snap.ID) }); err != nil {
		t.Error(err)
	}
	if state := r.Instance(region, i.ID).State; state != origami.InstanceRunning || !alive(r, i.ID) {
		t.Errorf("the instance is %s", state)
	}
}

// TestEarlierSnapshots has images of one machine after the other store only
// what changed.
//
//origami:proves CreateImage S53
func TestEarlierSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", []byte("system")), nil)
	root := r.Volumes(region, i.ID)[0].ID
	fill := func(n int, b byte) {
		p := make([]byte, n*512<<10)
		rand.NewChaCha8([32]byte{b}).Read(p)
		r.Write(region, root, 1<<20, p)
	}
	bake := func(name string) int64 {
		before := r.Store.Stats().BytesStored
		img, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: name, NoReboot: true})
		if err != nil {
			t.Fatal(err)
		}
		finished(t, r, img.ID)
		return r.Store.Stats().BytesStored - before
	}
	fill(8, 1)
	first := bake("first")
	fill(1, 2)
	second := bake("second")
	third := bake("third")
	if second*2 > first || third > 16<<10 {
		t.Errorf("the images stored %d, %d and %d bytes", first, second, third)
	}
}
