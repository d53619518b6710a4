package instance_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// ephemeral is a mapping of instance stores, by device name.
func ephemeral(pairs ...string) (out []origami.BlockDevice) {
	for n := 0; n < len(pairs); n += 2 {
		out = append(out, origami.BlockDevice{DeviceName: pairs[n], VirtualName: pairs[n+1]})
	}
	return out
}

// TestStores has which instance stores a machine gets of its type and its
// mapping.
//
//origami:proves RunInstances S51
func TestStores(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind    string
		mapping []origami.BlockDevice
		want    []instance.Store
		names   []origami.BlockDevice // in the machine's metadata
	}{
		{kind: "t3.micro", mapping: ephemeral("/dev/sdb", "ephemeral0")},
		{kind: "m3.medium"},
		{
			kind: "m3.medium", mapping: ephemeral("/dev/sdb", "ephemeral0", "/dev/sdc", "ephemeral1"),
			want: []instance.Store{{Device: "/dev/sdb", Size: 4e9}}, names: ephemeral("/dev/sdb", "ephemeral0"),
		},
		{
			kind: "c3.large", mapping: ephemeral("/dev/sdc", "ephemeral1"),
			want: []instance.Store{{Index: 1, Device: "/dev/sdc", Size: 16e9}}, names: ephemeral("/dev/sdc", "ephemeral1"),
		},
		{
			kind: "c3.large", mapping: ephemeral("/dev/sdc", "ephemeral1", "/dev/sdb", "ephemeral0", "/dev/sdd", "ephemeral0"),
			want:  []instance.Store{{Device: "/dev/sdb", Size: 16e9}, {Index: 1, Device: "/dev/sdc", Size: 16e9}},
			names: ephemeral("/dev/sdb", "ephemeral0", "/dev/sdc", "ephemeral1"),
		},
		{kind: "m5d.large", want: []instance.Store{{Size: 75e9}}},
		{kind: "m5d.4xlarge", mapping: ephemeral("/dev/sdb", "ephemeral0"), want: []instance.Store{{Size: 300e9}, {Index: 1, Size: 300e9}}},
	} {
		kind, err := instance.TypeByName(tt.kind)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, kind.Stores(tt.mapping)); d != "" {
			t.Errorf("%s with %v: %s", tt.kind, tt.mapping, d)
		}
		if d := cmp.Diff(tt.names, instance.StoreMapping(&origami.Instance{Type: tt.kind, InstanceStores: tt.mapping})); d != "" {
			t.Errorf("names of %s with %v: %s", tt.kind, tt.mapping, d)
		}
	}
}

// stores is the bytes of instance stores, as a guest would see them.
type stores struct {
	t *testing.T
	r *instancetest.Region
}

func (s stores) path(id origami.InstanceID, name string) string {
	return filepath.Join(s.r.Dir, "stores", string(id)+"."+name)
}

func (s stores) write(id origami.InstanceID, name, text string) {
	s.t.Helper()
	f, err := os.OpenFile(s.path(id, name), os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), 1e9); err != nil {
		s.t.Fatal(err)
	}
}

// want checks what a store holds where write writes, and its size.
func (s stores) want(when string, id origami.InstanceID, name, text string, size int64) {
	s.t.Helper()
	f, err := os.Open(s.path(id, name))
	if err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		s.t.Errorf("%s: %s has %d bytes (%v), want %d", when, name, info.Size(), err, size)
	}
	got := make([]byte, 16)
	if _, err := f.ReadAt(got, 1e9); err != nil {
		s.t.Fatal(err)
	}
	if got := string(bytes.TrimRight(got, "\x00")); got != text {
		s.t.Errorf("%s: %s holds %q, want %q", when, name, got, text)
	}
}

// gone checks that no store of an instance is left.
func (s stores) gone(when string, id origami.InstanceID) {
	s.t.Helper()
	left, err := filepath.Glob(s.path(id, "*"))
	if err != nil || len(left) > 0 {
		s.t.Errorf("%s: left are %q, %v", when, left, err)
	}
}

// TestInstanceStores follows the disks of the host through the life of an
// instance: its mapping and type make them, a reboot and a restart of the
// service keep them, an image has them in its mapping and not their bytes, and
// every end of a run takes them.
//
//origami:proves RunInstances RebootInstances StopInstances StartInstances TerminateInstances CreateImage S36 S51 S52
func TestInstanceStores(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	i := runs(t, r, img, func(l *instance.Launch) {
		l.Type, l.BlockDevices = "c3.large", ephemeral("/dev/sdb", "ephemeral0", "/dev/sdc", "ephemeral1", "/dev/sdd", "ephemeral2")
	})
	s := stores{t, r}
	one := ids(i)
	first, err := r.Machines.Spec(string(i.ID))
	if err != nil || len(first.Stores) != 2 || len(first.Disks) != 1 {
		t.Fatalf("the machine is %+v, %v, want a disk and two stores", first, err)
	}
	for n, d := range first.Stores {
		if d.Bus != vmm.VirtIO || d.Slot != n || !strings.HasPrefix(d.Serial, "AWS") || len(d.Serial) != 20 || d.Export != []string{"ephemeral0", "ephemeral1"}[n] {
			t.Errorf("store %d is %+v", n, d)
		}
	}
	if err := first.Validate(); err != nil {
		t.Error(err)
	}
	s.want("at first", i.ID, "ephemeral0", "", 16e9)
	s.write(i.ID, "ephemeral0", "scratch")
	s.write(i.ID, "ephemeral1", "swap")
	if err := r.Instances.Reboot(t.Context(), alice, one); err != nil {
		t.Fatal(err)
	}
	r.WaitIdle()
	s.want("rebooted", i.ID, "ephemeral0", "scratch", 16e9)
	if again, err := r.Machines.Spec(string(i.ID)); err != nil || !cmp.Equal(again, first) {
		t.Errorf("the rebooted machine is %+v, %v", again, err)
	}
	r = r.Restart(instancetest.Config{})
	s.r = r
	s.want("after a restart of the service", i.ID, "ephemeral1", "swap", 16e9)

	baked, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "baked"})
	if err != nil {
		t.Fatal(err)
	}
	got := finished(t, r, baked.ID)
	r.WaitIdle()
	s.want("after a bake", i.ID, "ephemeral0", "scratch", 16e9)
	if len(got.Snapshots()) != 1 || !cmp.Equal(got.BlockDevices[1:], ephemeral("/dev/sdb", "ephemeral0", "/dev/sdc", "ephemeral1", "/dev/sdd", "ephemeral2")) {
		t.Errorf("the image maps %+v", got.BlockDevices)
	}
	clone := runs(t, r, got, func(l *instance.Launch) { l.Type = "c3.large" })
	s.want("in an instance of the image", clone.ID, "ephemeral0", "", 16e9)
	s.want("in an instance of the image", clone.ID, "ephemeral1", "", 16e9)

	if _, err := r.Instances.Stop(t.Context(), alice, one, false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	s.gone("stopped", i.ID)
	if _, err := r.Instances.Start(t.Context(), alice, one); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceRunning)
	s.want("started again", i.ID, "ephemeral0", "", 16e9)
	if again, err := r.Machines.Spec(string(i.ID)); err != nil || len(again.Stores) != 2 || again.Stores[0].Serial == first.Stores[0].Serial {
		t.Errorf("started again, its stores are %+v, %v: want others", again.Stores, err)
	}

	s.write(i.ID, "ephemeral0", "scratch")
	if err := r.Machines.Crash(string(i.ID), "killed by the kernel"); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	s.gone("crashed", i.ID)
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(clone), true); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, clone.ID, origami.InstanceTerminated)
	s.gone("terminated", clone.ID)
}

// TestInstanceStoresAreSwept has processes die around the end and the start of
// machines: nobody reads what another run wrote.
//
//origami:proves StopInstances StartInstances S36
func TestInstanceStoresAreSwept(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	nvme := func(l *instance.Launch) { l.Type = "m5d.large" }
	lives, dies, stopped := runs(t, r, img, nvme), runs(t, r, img, nvme), runs(t, r, img, nvme)
	s := stores{t, r}
	if spec, err := r.Machines.Spec(string(lives.ID)); err != nil || len(spec.Stores) != 1 || spec.Stores[0].Bus != vmm.NVMe {
		t.Errorf("the machine is %+v, %v, want one NVMe store", spec, err)
	}
	if _, err := r.Instances.Stop(t.Context(), alice, ids(stopped), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, stopped.ID, origami.InstanceStopped)
	r.WaitIdle()
	s.write(lives.ID, "ephemeral0", "scratch")
	s.write(dies.ID, "ephemeral0", "secret")
	r.Close()
	if err := r.Machines.Crash(string(dies.ID), "out of memory"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []origami.InstanceID{stopped.ID, "i-00000000000000000"} {
		if err := os.WriteFile(s.path(id, "ephemeral0"), []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r = r.Restart(instancetest.Config{})
	s.r = r
	s.want("adopted", lives.ID, "ephemeral0", "scratch", 75e9)
	for _, id := range []origami.InstanceID{dies.ID, stopped.ID, "i-00000000000000000"} {
		s.gone("after a restart", id)
	}
	// One that comes to lie there while the service runs, somehow.
	if err := os.WriteFile(s.path(stopped.ID, "ephemeral0"), bytes.Repeat([]byte("left"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Instances.Start(t.Context(), alice, ids(stopped)); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, stopped.ID, origami.InstanceRunning)
	head := make([]byte, 4)
	f, err := os.Open(s.path(stopped.ID, "ephemeral0"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, make([]byte, 4)) {
		t.Errorf("started again, the store begins with %q, %v", head, err)
	}
}

// TestFailedStartLeavesNoStore has a launch fail after its stores were made.
func TestFailedStartLeavesNoStore(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	r.Machines.FailStart(fs.ErrPermission)
	i := launch(t, r, img, func(l *instance.Launch) { l.Type = "m5d.large" })
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	stores{t, r}.gone("never started", i.ID)
}

// TestRootInInstanceStore has an instance whose root disk is the host's: it
// cannot be stopped, rebooting works, and its guest's power-off terminates it.
//
//origami:proves StopInstances RebootInstances TerminateInstances CreateImage S35
func TestRootInInstanceStore(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	rooted := func() *origami.Instance {
		i := runs(t, r, img, nil)
		err := r.Update(func(tx *metadb.Tx) error {
			_, err := tx.UpdateInstance(region, i.ID, func(i *origami.Instance) error { i.RootDeviceType = "instance-store"; return nil })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	i := rooted()
	for _, force := range []bool{false, true} {
		_, err := r.Instances.Stop(t.Context(), alice, ids(i), force)
		wantError(t, err, origami.CodeUnsupportedOperation, "The instance '"+string(i.ID)+"' does not have an 'ebs' root device type and cannot be stopped.")
	}
	_, err := r.Instances.CreateImage(t.Context(), alice, instance.ImageRequest{Instance: i.ID, Name: "baked"})
	if !errors.Is(err, &origami.Error{Code: origami.CodeInvalidParameterValue}) {
		t.Errorf("CreateImage = %v, want InvalidParameterValue", err)
	}
	if err := r.Instances.Reboot(t.Context(), alice, ids(i)); err != nil {
		t.Fatal(err)
	}
	r.WaitIdle()
	if got := r.Instance(region, i.ID); got.State != origami.InstanceRunning || !alive(r, i.ID) {
		t.Errorf("rebooted, it is %s", got.State)
	}
	if err := r.Machines.PowerOff(string(i.ID)); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	other := rooted()
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(other), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, other.ID, origami.InstanceTerminated)
}
