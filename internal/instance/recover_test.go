package instance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmm"
	"origami/internal/vmm/vmmtest"
)

// TestRecover starts over machines that live, that died and that nobody knows.
//
//origami:proves RunInstances S34
func TestRecover(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		next func(*instancetest.Region, instancetest.Config) *instancetest.Region
	}{
		{"after a restart", (*instancetest.Region).Restart},
		{"after a kill", (*instancetest.Region).Kill},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := instancetest.New(t, instancetest.Config{})
			img := r.Import(alice, "base", []byte("system"))
			lives, dies, stops, restarts := runs(t, r, img, nil), runs(t, r, img, nil), runs(t, r, img, nil), runs(t, r, img, nil)
			r.Write(region, r.Volumes(region, lives.ID)[0].ID, 4096, []byte("kept"))
			if _, err := r.Instances.Stop(t.Context(), alice, ids(stops, restarts), false); err != nil {
				t.Fatal(err)
			}
			r.WaitInstance(region, stops.ID, origami.InstanceStopped)
			r.WaitInstance(region, restarts.ID, origami.InstanceStopped)
			r.WaitIdle()
			spec, err := r.Machines.Spec(string(lives.ID))
			if err != nil {
				t.Fatal(err)
			}
			r = tt.next(r, instancetest.Config{Idle: true}) // a process in between, which dies before it serves
			if err := r.Machines.Crash(string(dies.ID), "killed by the kernel"); err != nil {
				t.Fatal(err)
			}
			r.Close()
			stray := r.Machines.Open()
			spec.ID = "i-00000000000000000"
			if err := stray.Start(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			stray.Close()
			r = tt.next(r, instancetest.Config{})
			if got := r.Instance(region, lives.ID); got.State != origami.InstanceRunning || got.PublicIP != lives.PublicIP || !alive(r, lives.ID) {
				t.Errorf("the one that lives is %+v", got)
			}
			if alive(r, "i-00000000000000000") {
				t.Error("the stray machine runs on")
			}
			got := r.Instance(region, dies.ID)
			if why := got.StateReason; got.State != origami.InstanceStopped || why == nil || why.Code != "Server.InternalError" {
				t.Errorf("the one that died is %s: %+v", got.State, why)
			}
			if _, err := r.Instances.Start(t.Context(), alice, ids(dies, restarts)); err != nil {
				t.Fatal(err)
			}
			r.WaitInstance(region, dies.ID, origami.InstanceRunning)
			r.WaitInstance(region, restarts.ID, origami.InstanceRunning)
			if got := r.Read(region, r.Volumes(region, lives.ID)[0].ID, 4096, 4); string(got) != "kept" {
				t.Errorf("the disk holds %q", got)
			}
			if _, err := r.Instances.Stop(t.Context(), alice, ids(lives, dies, restarts), false); err != nil {
				t.Fatal(err)
			}
			for _, i := range []*origami.Instance{lives, dies, restarts} {
				r.WaitInstance(region, i.ID, origami.InstanceStopped)
			}
			r.WaitIdle()
		})
	}
}

// TestKillDuringTasks kills the process in the middle of each kind of task. The
// next one brings the instance where it was going.
//
//origami:proves StartInstances StopInstances RebootInstances TerminateInstances CreateImage S47
func TestKillDuringTasks(t *testing.T) {
	t.Parallel()
	start := func(g *gate) instancetest.Hooks { return instancetest.Hooks{Start: g.wait} }
	started := func(g *gate) instancetest.Hooks { return instancetest.Hooks{Started: g.wait} }
	shutdown := func(g *gate) instancetest.Hooks { return instancetest.Hooks{Shutdown: g.wait} }
	kill := func(g *gate) instancetest.Hooks { return instancetest.Hooks{Kill: g.wait} }
	stop := func(r *instancetest.Region, id origami.InstanceID) error {
		_, err := r.Instances.Stop(context.Background(), alice, []origami.InstanceID{id}, false)
		return err
	}
	force := func(r *instancetest.Region, id origami.InstanceID) error {
		_, err := r.Instances.Stop(context.Background(), alice, []origami.InstanceID{id}, true)
		return err
	}
	reboot := func(r *instancetest.Region, id origami.InstanceID) error {
		return r.Instances.Reboot(context.Background(), alice, []origami.InstanceID{id})
	}
	terminate := func(r *instancetest.Region, id origami.InstanceID) error {
		_, err := r.Instances.Terminate(context.Background(), alice, []origami.InstanceID{id}, false)
		return err
	}
	bake := func(r *instancetest.Region, id origami.InstanceID) error {
		_, err := r.Instances.CreateImage(context.Background(), alice, instance.ImageRequest{Instance: id, Name: "baked"})
		return err
	}
	for _, tt := range []struct {
		name  string
		do    func(*instancetest.Region, origami.InstanceID) error
		hooks func(*gate) instancetest.Hooks
		want  origami.InstanceState
		taken bool // there is a snapshot to be stored
	}{
		{"stop, before the guest is asked", stop, shutdown, origami.InstanceStopped, false},
		{"forced stop, before the end", force, kill, origami.InstanceStopped, false},
		{"terminate, before the end", terminate, kill, origami.InstanceTerminated, false},
		{"reboot, before the guest is asked", reboot, shutdown, origami.InstanceRunning, false},
		{"reboot, while the machine is down", reboot, start, origami.InstanceRunning, false},
		{"reboot, when the machine is up", reboot, started, origami.InstanceRunning, false},
		{"image, before the guest is asked", bake, shutdown, origami.InstanceRunning, false},
		{"image, while the machine is down", bake, start, origami.InstanceRunning, true},
		{"image, when the machine is up", bake, started, origami.InstanceRunning, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := instancetest.New(t, instancetest.Config{Grace: 5 * time.Second})
			i := runs(t, r, r.Import(alice, "base", []byte("system")), nil)
			r.Write(region, r.Volumes(region, i.ID)[0].ID, 4096, []byte("kept"))
			r.WaitIdle()
			g, store := newGate(t), newGate(t)
			hooks := tt.hooks(g)
			hooks.Commit = store.wait
			r.Hook(hooks)
			if err := tt.do(r, i.ID); err != nil {
				t.Fatal(err)
			}
			<-g.reached
			if tt.taken { // it stands still, too, while the process is copied
				<-store.reached
			}
			next := r.Kill(instancetest.Config{Grace: 5 * time.Second})
			next.WaitIdle()
			if got := next.Instance(region, i.ID); got.State != tt.want || alive(next, i.ID) != (tt.want == origami.InstanceRunning) {
				t.Fatalf("the instance is %s (%+v)", got.State, got.StateReason)
			}
			next.View(func(tx *metadb.Tx) error {
				for img, err := range tx.AllImages() {
					if err != nil {
						return err
					}
					if img.State != origami.ImageAvailable {
						t.Errorf("image %s is %s: %+v", img.Name, img.State, img.StateReason)
					}
				}
				return nil
			})
			if tt.want == origami.InstanceTerminated {
				return
			}
			if got := next.Read(region, next.Volumes(region, i.ID)[0].ID, 4096, 4); string(got) != "kept" {
				t.Errorf("the disk holds %q", got)
			}
		})
	}
}

// TestKillDuringStart kills the process in the middle of a start, before and
// after the machine exists.
//
//origami:proves RunInstances
func TestKillDuringStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		hook func(*gate) instancetest.Hooks
	}{
		{"no machine yet", func(g *gate) instancetest.Hooks { return instancetest.Hooks{Start: g.wait} }},
		{"machine runs", func(g *gate) instancetest.Hooks { return instancetest.Hooks{Started: g.wait} }},
	} {
		for _, dies := range []bool{false, true} {
			name := tt.name
			if dies {
				name += ", and dies meanwhile"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := newGate(t)
				r := instancetest.New(t, instancetest.Config{Hooks: tt.hook(g)})
				i := launch(t, r, r.Import(alice, "base", []byte("system")), nil)
				<-g.reached
				if dies {
					// It is not there in one of the cases.
					_ = r.Machines.Crash(string(i.ID), "out of memory")
				}
				next := r.Kill(instancetest.Config{})
				next.WaitInstance(region, i.ID, origami.InstanceRunning)
				next.WaitIdle()
				if !alive(next, i.ID) || next.Instance(region, i.ID).State != origami.InstanceRunning {
					t.Errorf("the instance is %s", next.Instance(region, i.ID).State)
				}
				if _, err := next.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
					t.Fatal(err)
				}
				next.WaitInstance(region, i.ID, origami.InstanceStopped)
			})
		}
	}
}

// TestShutdownDuringStart shuts the service down in the middle of a start: no
// half of a machine is left, and the next process starts it.
func TestShutdownDuringStart(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Start: g.wait}})
	i := launch(t, r, r.Import(alice, "base", []byte("system")), nil)
	<-g.reached
	r.Close()
	if alive(r, i.ID) {
		t.Error("a machine is left")
	}
	next := r.Restart(instancetest.Config{})
	next.WaitInstance(region, i.ID, origami.InstanceRunning)
}

// TestMachineDiesBeforeItsRowRuns has a machine that a start of an earlier
// process left running die before the start is resumed.
func TestMachineDiesBeforeItsRowRuns(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{Started: g.wait}})
	i := launch(t, r, r.Import(alice, "base", []byte("system")), nil)
	<-g.reached
	r = r.Kill(instancetest.Config{Idle: true}) // adopts the machine
	if err := r.Machines.Crash(string(i.ID), "out of memory"); err != nil {
		t.Fatal(err)
	}
	r.Serve()
	r.WaitIdle()
	got := r.Instance(region, i.ID)
	if got.State != origami.InstanceRunning && got.State != origami.InstanceStopped || alive(r, i.ID) != (got.State == origami.InstanceRunning) {
		t.Errorf("the instance is %s and its machine runs: %v", got.State, alive(r, i.ID))
	}
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	r.WaitIdle() // the files of its volume go, so nobody has it open
}

// TestLeftHalfway starts over instances on their way with nothing to take them
// there.
func TestLeftHalfway(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	want := map[origami.InstanceID]origami.InstanceState{}
	for _, s := range [][2]origami.InstanceState{
		{origami.InstanceStopping, origami.InstanceStopped},
		{origami.InstanceShuttingDown, origami.InstanceTerminated},
		{origami.InstancePending, origami.InstanceRunning},
	} {
		i := runs(t, r, img, nil)
		want[i.ID] = s[1]
		err := r.Update(func(tx *metadb.Tx) error {
			_, err := tx.UpdateInstance(region, i.ID, func(i *origami.Instance) error { i.State = s[0]; return nil })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.WaitIdle()
	r = r.Restart(instancetest.Config{})
	for id, state := range want {
		r.WaitInstance(region, id, state)
	}
	r.WaitIdle()
}

// TestStopIsTriedAgain has the monitor fail at the end of a machine.
//
//origami:proves StopInstances TerminateInstances
func TestStopIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Grace: 10 * time.Millisecond})
	r.Machines.Play(vmmtest.Deaf)
	img := r.Import(alice, "base", []byte("system"))
	stops, ends := runs(t, r, img, nil), runs(t, r, img, nil)
	failed := make(chan string, 100)
	r.Hook(instancetest.Hooks{Kill: func(_ context.Context, id string) error {
		failed <- id
		return vmm.ErrNotFound
	}})
	if _, err := r.Instances.Stop(t.Context(), alice, ids(stops), false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(ends), false); err != nil {
		t.Fatal(err)
	}
	for seen := map[string]bool{}; len(seen) < 2; {
		seen[<-failed] = true
	}
	r.Hook(instancetest.Hooks{})
	r.WaitInstance(region, stops.ID, origami.InstanceStopped)
	r.WaitInstance(region, ends.ID, origami.InstanceTerminated)
}

// TestAddressesAreFree gives the addresses of what is gone to others.
func TestAddressesAreFree(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "base", []byte("system"))
	first := runs(t, r, img, nil)
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(first), true); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, first.ID, origami.InstanceTerminated)
	again := runs(t, r, img, nil)
	if again.PrivateIP != first.PrivateIP || again.PublicIP != first.PublicIP || !strings.HasPrefix(again.PrivateIP.String(), "172.31.") {
		t.Errorf("got %v and %v, want %v and %v again", again.PrivateIP, again.PublicIP, first.PrivateIP, first.PublicIP)
	}
}

// TestPowersOffWhileDown has guests end in their own ways while there is no
// service: the next one tells them apart.
//
//origami:proves RunInstances RebootInstances S36
func TestPowersOffWhileDown(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Grace: 5 * time.Second})
	img := r.Import(alice, "base", []byte("system"))
	stops, crashes, reboots := runs(t, r, img, nil), runs(t, r, img, nil), runs(t, r, img, nil)
	ends := runs(t, r, img, func(l *instance.Launch) { l.ShutdownBehavior = "terminate" })
	g := newGate(t)
	r.Hook(instancetest.Hooks{Shutdown: g.wait})
	if err := r.Instances.Reboot(t.Context(), alice, ids(reboots)); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	r = r.Kill(instancetest.Config{Idle: true}) // a process in between, which dies before it serves
	r.Close()
	for _, i := range []*origami.Instance{stops, ends, reboots} {
		if err := r.Machines.PowerOff(string(i.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Machines.Crash(string(crashes.ID), "killed by the kernel"); err != nil {
		t.Fatal(err)
	}
	r = r.Restart(instancetest.Config{})
	for _, want := range []struct {
		id    origami.InstanceID
		state origami.InstanceState
		code  string
		text  string
	}{
		{stops.ID, origami.InstanceStopped, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown"},
		{ends.ID, origami.InstanceTerminated, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown"},
		{crashes.ID, origami.InstanceStopped, "Server.InternalError", "killed by the kernel"},
	} {
		got := r.WaitInstance(region, want.id, want.state)
		if why := got.StateReason; why == nil || why.Code != want.code || !strings.Contains(why.Message, want.text) {
			t.Errorf("%s is %s: %+v, want %s: %s", got.ID, got.State, why, want.code, want.text)
		}
	}
	r.WaitIdle()
	if got := r.Instance(region, reboots.ID); got.State != origami.InstanceRunning || !alive(r, reboots.ID) {
		t.Errorf("the one that was being rebooted is %s: %+v", got.State, got.StateReason)
	}
}
