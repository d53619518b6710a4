package instance_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmm/vmmtest"
)

// TestLife takes an instance through its states, and its data with it.
//
//origami:proves StartInstances StopInstances RebootInstances TerminateInstances S34 S37 S38
func TestLife(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	i := runs(t, r, img, func(l *instance.Launch) {
		l.BlockDevices = []origami.BlockDevice{{DeviceName: "/dev/sdf", EBS: &origami.EBSBlockDevice{VolumeSize: 1, DeleteOnTermination: ptr(false)}}}
	})
	vols := r.Volumes(region, i.ID)
	r.Write(region, vols[0].ID, 4096, []byte("root"))
	r.Write(region, vols[1].ID, 4096, []byte("data"))
	one := ids(i)

	changes, err := r.Instances.Stop(t.Context(), alice, one, false)
	if err != nil || len(changes) != 1 || changes[0] != (instance.Change{ID: i.ID, Previous: origami.InstanceRunning, Current: origami.InstanceStopping}) {
		t.Fatalf("stop: %v, %v", changes, err)
	}
	stopped := r.WaitInstance(region, i.ID, origami.InstanceStopped)
	if stopped.PublicIP.IsValid() || stopped.PrivateIP != i.PrivateIP || stopped.MAC != i.MAC {
		t.Errorf("stopped, it has %v, %v, %v", stopped.PublicIP, stopped.PrivateIP, stopped.MAC)
	}
	if why := stopped.StateReason; why == nil || why.Code != "Client.UserInitiatedShutdown" || why.Message != "Client.UserInitiatedShutdown: User initiated shutdown" ||
		!strings.HasPrefix(stopped.TransitionReason, "User initiated (20") || !strings.HasSuffix(stopped.TransitionReason, " GMT)") {
		t.Errorf("stopped because of %+v, %q", why, stopped.TransitionReason)
	}
	if alive(r, i.ID) {
		t.Error("the machine of a stopped instance runs")
	}
	changes, err = r.Instances.Stop(t.Context(), alice, one, false)
	if err != nil || changes[0].Previous != origami.InstanceStopped || changes[0].Current != origami.InstanceStopped {
		t.Errorf("stop again: %v, %v", changes, err)
	}
	wantError(t, r.Instances.Reboot(t.Context(), alice, one), origami.CodeIncorrectInstanceState,
		"The instance '"+string(i.ID)+"' is not in a state from which it can be rebooted.")

	changes, err = r.Instances.Start(t.Context(), alice, one)
	if err != nil || changes[0].Previous != origami.InstanceStopped || changes[0].Current != origami.InstancePending {
		t.Fatalf("start: %v, %v", changes, err)
	}
	again := r.WaitInstance(region, i.ID, origami.InstanceRunning)
	if !again.PublicIP.IsValid() || again.StateReason != nil || again.TransitionReason != "" || again.Launched.Before(i.Launched) {
		t.Errorf("started again as %+v", again)
	}
	if root, data := r.Read(region, vols[0].ID, 4096, 4), r.Read(region, vols[1].ID, 4096, 4); string(root) != "root" || string(data) != "data" {
		t.Errorf("the volumes hold %q and %q", root, data)
	}
	changes, err = r.Instances.Start(t.Context(), alice, one)
	if err != nil || changes[0].Previous != origami.InstanceRunning || changes[0].Current != origami.InstanceRunning {
		t.Errorf("start again: %v, %v", changes, err)
	}

	if err := r.Instances.Reboot(t.Context(), alice, one); err != nil {
		t.Fatal(err)
	}
	r.WaitIdle()
	if got := r.Instance(region, i.ID); got.State != origami.InstanceRunning || got.PublicIP != again.PublicIP || !alive(r, i.ID) {
		t.Errorf("rebooted, it is %+v", got)
	}

	changes, err = r.Instances.Terminate(t.Context(), alice, one, false)
	if err != nil || changes[0].Previous != origami.InstanceRunning || changes[0].Current != origami.InstanceShuttingDown {
		t.Fatalf("terminate: %v, %v", changes, err)
	}
	gone := r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	if gone.PublicIP.IsValid() || gone.PrivateIP.IsValid() || gone.StateReason.Code != "Client.UserInitiatedShutdown" || gone.Terminated.IsZero() {
		t.Errorf("terminated, it is %+v", gone)
	}
	r.WaitIdle()
	r.View(func(tx *metadb.Tx) error {
		if _, err := tx.Volume(region, alice.Account, vols[0].ID); !errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
			t.Errorf("the root volume is left: %v", err)
		}
		data, err := tx.Volume(region, alice.Account, vols[1].ID)
		if err == nil && (data.State != origami.VolumeAvailable || len(data.Attachments) != 0) {
			t.Errorf("the data volume is %+v", data)
		}
		return err
	})
	if got := r.Read(region, vols[1].ID, 4096, 4); string(got) != "data" {
		t.Errorf("the data volume holds %q", got)
	}
	changes, err = r.Instances.Terminate(t.Context(), alice, one, false)
	if err != nil || changes[0].Current != origami.InstanceTerminated {
		t.Errorf("terminate again: %v, %v", changes, err)
	}
	for verb, err := range map[string]error{
		"started":  second(r.Instances.Start(t.Context(), alice, one)),
		"stopped":  second(r.Instances.Stop(t.Context(), alice, one, false)),
		"rebooted": r.Instances.Reboot(t.Context(), alice, one),
	} {
		wantError(t, err, origami.CodeIncorrectInstanceState, "The instance '"+string(i.ID)+"' is not in a state from which it can be "+verb+".")
	}
}

func second[T any](_ T, err error) error { return err }

// TestStateCodes has the numbers of the states.
func TestStateCodes(t *testing.T) {
	t.Parallel()
	for state, want := range map[origami.InstanceState]int{
		origami.InstancePending: 0, origami.InstanceRunning: 16, origami.InstanceShuttingDown: 32,
		origami.InstanceTerminated: 48, origami.InstanceStopping: 64, origami.InstanceStopped: 80,
	} {
		if got := state.Code(); got != want {
			t.Errorf("%s is %d, want %d", state, got, want)
		}
	}
}

// TestAllOrNothing names a bad instance among good ones.
//
//origami:proves StartInstances StopInstances RebootInstances TerminateInstances
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	good := runs(t, r, img, nil)
	guarded := runs(t, r, img, func(l *instance.Launch) { l.DisableTermination, l.DisableStop = true, true })
	theirs, err := r.Instances.Run(t.Context(), bob, instance.Launch{Image: r.Import(bob, "web", []byte("system")).ID, Type: "t3.nano", Min: 1, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	unknown, foreign := origami.NewInstanceID(), theirs[0].ID
	ctx := t.Context()
	missing := "The instance ID '" + string(unknown) + "' does not exist"
	for _, tt := range []struct {
		name string
		err  error
		code origami.Code
		text string
	}{
		{"stop", second(r.Instances.Stop(ctx, alice, []origami.InstanceID{good.ID, unknown}, false)), origami.CodeInvalidInstanceIDNotFound, missing},
		{"stop two", second(r.Instances.Stop(ctx, alice, []origami.InstanceID{good.ID, unknown, foreign}, false)), origami.CodeInvalidInstanceIDNotFound,
			"The instance IDs '" + string(unknown) + ", " + string(foreign) + "' do not exist"},
		{"start", second(r.Instances.Start(ctx, alice, []origami.InstanceID{unknown, good.ID})), origami.CodeInvalidInstanceIDNotFound, missing},
		{"reboot", r.Instances.Reboot(ctx, alice, []origami.InstanceID{good.ID, unknown}), origami.CodeInvalidInstanceIDNotFound, missing},
		{"terminate", second(r.Instances.Terminate(ctx, alice, []origami.InstanceID{good.ID, unknown}, false)), origami.CodeInvalidInstanceIDNotFound, missing},
		{"none", second(r.Instances.Terminate(ctx, alice, nil, false)), origami.CodeMissingParameter, "The request must contain the parameter InstanceId"},
		{"in another region", second(r.Instances.Stop(ctx, instancetest.Abroad, ids(good), false)), origami.CodeInvalidInstanceIDNotFound, ""},
		{"terminate a protected one", second(r.Instances.Terminate(ctx, alice, ids(good, guarded), false)), origami.CodeOperationNotPermitted,
			"The instance '" + string(guarded.ID) + "' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."},
		{"stop a protected one", second(r.Instances.Stop(ctx, alice, ids(good, guarded), true)), origami.CodeOperationNotPermitted, ""},
	} {
		wantError(t, tt.err, tt.code, tt.text)
	}
	r.WaitIdle()
	for _, i := range []*origami.Instance{good, guarded} {
		if got := r.Instance(region, i.ID); got.State != origami.InstanceRunning || !alive(r, i.ID) {
			t.Errorf("%s is %s", i.ID, got.State)
		}
	}
}

// TestDeafGuest stops guests that do not obey.
//
//origami:proves StopInstances RebootInstances
func TestDeafGuest(t *testing.T) {
	t.Parallel()
	t.Run("power off after the grace", func(t *testing.T) {
		t.Parallel()
		r := instancetest.New(t, instancetest.Config{Grace: 50 * time.Millisecond})
		r.Machines.Play(vmmtest.Deaf)
		i := runs(t, r, r.Import(alice, "deaf", []byte("system")), nil)
		if err := r.Instances.Reboot(t.Context(), alice, ids(i)); err != nil {
			t.Fatal(err)
		}
		r.WaitIdle()
		if got := r.Instance(region, i.ID).State; got != origami.InstanceRunning || !alive(r, i.ID) {
			t.Errorf("rebooted, it is %s", got)
		}
		if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
			t.Fatal(err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceStopped)
		if alive(r, i.ID) {
			t.Error("the machine runs on")
		}
	})
	// asked is a region whose guest was asked to shut down and does not.
	asked := func(t *testing.T) (*instancetest.Region, *origami.Instance) {
		pressed := make(chan struct{}, 1)
		r := instancetest.New(t, instancetest.Config{Grace: time.Hour, Hooks: instancetest.Hooks{
			Shutdown: func(context.Context, string) error { pressed <- struct{}{}; return nil },
		}})
		r.Machines.Play(vmmtest.Deaf)
		i := runs(t, r, r.Import(alice, "deaf", []byte("system")), nil)
		if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
			t.Fatal(err)
		}
		<-pressed
		return r, i
	}
	t.Run("force cuts the grace short", func(t *testing.T) {
		t.Parallel()
		r, i := asked(t)
		if got := r.Instance(region, i.ID).State; got != origami.InstanceStopping {
			t.Errorf("it is %s", got)
		}
		changes, err := r.Instances.Stop(t.Context(), alice, ids(i), true)
		if err != nil || changes[0].Previous != origami.InstanceStopping || changes[0].Current != origami.InstanceStopping {
			t.Errorf("force: %v, %v", changes, err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceStopped)
	})
	t.Run("so does terminate", func(t *testing.T) {
		t.Parallel()
		r, i := asked(t)
		if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), false); err != nil {
			t.Fatal(err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceTerminated)
		r.WaitIdle()
	})
}

// TestGuestShutsDown has guests power themselves off.
//
//origami:proves TerminateInstances S37
func TestGuestShutsDown(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	stops := runs(t, r, img, nil)
	ends := runs(t, r, img, func(l *instance.Launch) { l.ShutdownBehavior = "terminate"; l.DisableTermination = true })
	for _, i := range []*origami.Instance{stops, ends} {
		if err := r.Machines.PowerOff(string(i.ID)); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []*origami.Instance{r.WaitInstance(region, stops.ID, origami.InstanceStopped), r.WaitInstance(region, ends.ID, origami.InstanceTerminated)} {
		if why := i.StateReason; why == nil || why.Code != "Client.InstanceInitiatedShutdown" || why.Message != "Client.InstanceInitiatedShutdown: Instance initiated shutdown" {
			t.Errorf("%s is %s because of %+v", i.ID, i.State, why)
		}
	}
	if vols := r.Volumes(region, ends.ID); len(vols) != 0 {
		t.Errorf("volumes are left: %v", vols)
	}
	if _, err := r.Instances.Start(t.Context(), alice, ids(stops)); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, stops.ID, origami.InstanceRunning)
	r.Machines.Play(vmmtest.PowersOff)
	at := launch(t, r, img, nil)
	if got := r.WaitInstance(region, at.ID, origami.InstanceStopped).StateReason.Code; got != "Client.InstanceInitiatedShutdown" {
		t.Errorf("a guest that powers off at once stopped because of %s", got)
	}
}

// TestMonitorCrashes has the monitor of a machine die.
func TestMonitorCrashes(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "web", []byte("system")), func(l *instance.Launch) { l.ShutdownBehavior = "terminate" })
	if err := r.Machines.Crash(string(i.ID), "signal: segmentation fault"); err != nil {
		t.Fatal(err)
	}
	got := r.WaitInstance(region, i.ID, origami.InstanceStopped)
	if why := got.StateReason; why == nil || why.Code != "Server.InternalError" || !strings.Contains(why.Message, "segmentation fault") || got.PublicIP.IsValid() {
		t.Errorf("stopped as %+v because of %+v", got, why)
	}
	if _, err := r.Instances.Start(t.Context(), alice, ids(i)); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceRunning)
}

// TestStartFails has the monitor refuse machines: a new instance is terminated,
// an old one is stopped.
//
//origami:proves RunInstances StartInstances
func TestStartFails(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	old := runs(t, r, img, nil)
	if _, err := r.Instances.Stop(t.Context(), alice, ids(old), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, old.ID, origami.InstanceStopped)
	r.Machines.FailStart(errors.New("no processors left"))
	fresh := launch(t, r, img, nil)
	gone := r.WaitInstance(region, fresh.ID, origami.InstanceTerminated)
	if why := gone.StateReason; why == nil || why.Code != "Server.InternalError" || !strings.HasPrefix(why.Message, "Server.InternalError: Internal error on launch") {
		t.Errorf("terminated because of %+v", why)
	}
	r.WaitIdle()
	if vols := r.Volumes(region, fresh.ID); len(vols) != 0 {
		t.Errorf("volumes are left: %v", vols)
	}
	if _, err := r.Instances.Start(t.Context(), alice, ids(old)); err != nil {
		t.Fatal(err)
	}
	if got := r.WaitInstance(region, old.ID, origami.InstanceStopped); got.StateReason == nil || got.PublicIP.IsValid() {
		t.Errorf("stopped as %+v", got)
	}
	r.Machines.FailStart(nil)
	if _, err := r.Instances.Start(t.Context(), alice, ids(old)); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, old.ID, origami.InstanceRunning)
	r.Machines.FailStart(errors.New("no processors left"))
	if err := r.Instances.Reboot(t.Context(), alice, ids(old)); err != nil {
		t.Fatal(err)
	}
	if got := r.WaitInstance(region, old.ID, origami.InstanceStopped).StateReason; got == nil || got.Code != "Server.InternalError" {
		t.Errorf("stopped after a reboot because of %+v", got)
	}
}

// TestPublicAddress keeps an instance that was launched without a public
// address without one.
func TestPublicAddress(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "web", []byte("system")), func(l *instance.Launch) { l.PublicIP = ptr(false) })
	if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	if _, err := r.Instances.Start(t.Context(), alice, ids(i)); err != nil {
		t.Fatal(err)
	}
	if got := r.WaitInstance(region, i.ID, origami.InstanceRunning); i.PublicIP.IsValid() || got.PublicIP.IsValid() {
		t.Errorf("it has %v, then %v", i.PublicIP, got.PublicIP)
	}
}

// TestConsole shows what a machine printed, also after its end, until it is
// purged.
//
//origami:proves GetConsoleOutput TerminateInstances
func TestConsole(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "web", []byte("system")), nil)
	if err := r.Machines.Print(string(i.ID), strings.Repeat("x", 70_000)+"login:"); err != nil {
		t.Fatal(err)
	}
	show := func() string {
		out, at, err := r.Instances.Console(t.Context(), alice, i.ID)
		if err != nil || at.IsZero() {
			t.Errorf("console: %v, %v", at, err)
		}
		return string(out)
	}
	if got := show(); len(got) != instance.ConsoleSize || !strings.HasSuffix(got, "xlogin:") {
		t.Errorf("the console shows %d bytes", len(got))
	}
	_, _, err := r.Instances.Console(t.Context(), bob, i.ID)
	wantError(t, err, origami.CodeInvalidInstanceIDNotFound, "")
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceTerminated)
	if got := show(); !strings.HasSuffix(got, "xlogin:") {
		t.Error("the console is gone with the machine")
	}
	purge := func(late time.Duration) error {
		r.Hook(instancetest.Hooks{Now: func() time.Time { return time.Now().Add(late) }})
		return r.Instances.Purge(t.Context())
	}
	if purge(59*time.Minute) != nil || r.Instance(region, i.ID).State != origami.InstanceTerminated {
		t.Error("the instance went before its hour")
	}
	if purge(time.Hour) != nil {
		t.Error("purge failed")
	}
	_, _, err = r.Instances.Console(t.Context(), alice, i.ID)
	wantError(t, err, origami.CodeInvalidInstanceIDNotFound, "")
	if _, err := r.Instances.Terminate(t.Context(), alice, ids(i), false); err == nil {
		t.Error("a purged instance was terminated")
	}
}

// TestStartWithoutRoot starts an instance whose root volume is gone.
func TestStartWithoutRoot(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "web", []byte("system")), nil)
	if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, i.ID, origami.InstanceStopped)
	root := r.Volumes(region, i.ID)[0]
	err := r.Update(func(tx *metadb.Tx) error { return r.EBS.DropVolume(tx, root) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Instances.Start(t.Context(), alice, ids(i))
	wantError(t, err, origami.CodeInvalidParameterValue, "Invalid value '"+string(i.ID)+"' for instanceId. Instance does not have a volume attached at root (/dev/sda1)")
}
