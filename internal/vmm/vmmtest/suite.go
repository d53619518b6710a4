package vmmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"origami/internal/sockettest"
	"origami/internal/vmm"
)

// patience is how long the suite waits for what must happen.
const patience = 5 * time.Minute

// Open opens the driver under test on a state directory, which may hold the
// machines of a driver that was closed. It is not responsible for Close.
type Open func(t *testing.T, dir string) vmm.Driver

// MakeSpec makes the specification of a machine that boots into guest and
// fits the driver under test; it may skip a test whose guest it has not.
type MakeSpec func(t *testing.T, dir, id string, guest Guest) vmm.Spec

// Run tests that a driver keeps the contract of [vmm.Driver].
func Run(t *testing.T, open Open, makeSpec MakeSpec) { run(t, open, makeSpec, "") }

// RunEmpty is [Run] for a driver whose machines execute nothing: whatever the
// guest, they do as an [Obedient] one would, and print banner instead of
// [Ready], with one write. What needs a guest that does more is left out.
func RunEmpty(t *testing.T, open Open, makeSpec MakeSpec, banner string) {
	run(t, open, makeSpec, banner)
}

func run(t *testing.T, open Open, makeSpec MakeSpec, banner string) {
	tests := []struct {
		name  string
		guest bool // needs one that executes
		run   func(*fixture)
	}{
		{"Shutdown", false, testShutdown},
		{"GuestPowersOff", true, testGuestPowersOff},
		{"GuestReboots", true, testGuestReboots},
		{"Kill", false, testKill},
		{"Deaf", true, testDeaf},
		{"Reset", false, testReset},
		{"PauseResume", true, testPauseResume},
		{"PauseIdle", false, testPauseIdle},
		{"Console", true, testConsole},
		{"FollowConsole", false, testFollow},
		{"FollowFlood", true, testFollowFlood},
		{"StartTwice", false, testStartTwice},
		{"StartAgain", false, testStartAgain},
		{"StartRefused", false, testStartRefused},
		{"NotFound", false, testNotFound},
		{"RemoveRunning", false, testRemoveRunning},
		{"Recover", false, testRecover},
		{"RecoverEnded", false, testRecoverEnded},
		{"RecoverKilled", false, testRecoverKilled},
		{"Concurrent", false, testConcurrent},
		{"Close", false, testClose},
		{"HotPlug", false, testHotPlug},
		{"HotPlugRecover", false, testHotPlugRecover},
		{"HotPlugRefused", false, testHotPlugRefused},
		{"HotResize", false, testHotResize},
	}
	for _, test := range tests {
		if test.guest && banner != "" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{T: t, open: open, makeSpec: makeSpec, empty: banner != "", ready: banner, dir: sockettest.Dir(t)}
			if !f.empty {
				f.ready = Ready
			}
			f.reopen()
			t.Cleanup(f.killAll)
			if ids, _, err := f.driver.Recover(t.Context()); err != nil || len(ids) > 0 {
				t.Fatalf("Recover of an empty directory = %q, %v", ids, err)
			}
			test.run(f)
		})
	}
}

// fixture is a driver under test with its machines.
type fixture struct {
	*testing.T
	open     Open
	makeSpec MakeSpec
	empty    bool   // machines execute nothing
	ready    string // what a machine prints when it runs
	dir      string
	driver   vmm.Driver
	started  []string
}

func (f *fixture) reopen() {
	f.Helper()
	if f.driver != nil {
		if err := f.driver.Close(); err != nil {
			f.Fatalf("Close: %v", err)
		}
	}
	f.driver = f.open(f.T, f.dir)
}

func (f *fixture) killAll() {
	// t.Context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, id := range f.started {
		if err := f.driver.Kill(ctx, id); err != nil {
			f.Errorf("Kill(%s) at the end: %v", id, err)
		}
	}
	if err := f.driver.Close(); err != nil {
		f.Errorf("Close at the end: %v", err)
	}
}

// start starts a machine and waits until its guest runs.
func (f *fixture) start(id string, guest Guest) {
	f.Helper()
	f.started = append(f.started, id)
	if err := f.driver.Start(f.Context(), f.makeSpec(f.T, f.dir, id, guest)); err != nil {
		f.Fatalf("Start: %v", err)
	}
	f.await(id, f.ready)
}

// runOff starts a machine that powers itself off, or is asked to if it
// executes nothing, and receives its end.
func (f *fixture) runOff(id string) {
	f.Helper()
	f.start(id, PowersOff)
	if f.empty {
		f.must("Shutdown", f.driver.Shutdown(f.Context(), id))
	}
	f.wantEvents(id, vmm.GuestShutdown, vmm.Stopped)
}

// await waits until the console holds text, and returns the console.
func (f *fixture) await(id, text string) string {
	f.Helper()
	return f.awaitConsole(id, fmt.Sprintf("%q", text), func(console string) bool {
		return strings.Contains(console, text)
	})
}

func (f *fixture) awaitConsole(id, what string, ok func(console string) bool) string {
	f.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		console := f.console(id, 1<<20)
		if ok(console) {
			return console
		}
		select {
		case <-tick.C:
		case <-deadline:
			f.Fatalf("console of %s never held %s; it ends %q", id, what, console[max(0, len(console)-200):])
		}
	}
}

func (f *fixture) console(id string, limit int) string {
	f.Helper()
	b, err := f.driver.Console(f.Context(), id, limit)
	if err != nil {
		f.Fatalf("Console: %v", err)
	}
	return string(b)
}

// must fails the test if an operation did.
func (f *fixture) must(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
}

// wantEvents receives events and compares their kinds, in order.
func (f *fixture) wantEvents(id string, want ...vmm.EventKind) []vmm.Event {
	f.Helper()
	var events []vmm.Event
	deadline := time.After(patience)
	for _, kind := range want {
		select {
		case ev, ok := <-f.driver.Events():
			if !ok || ev.ID != id || ev.Kind != kind {
				f.Fatalf("event = %+v (%t), want %s of %s", ev, ok, kind, id)
			}
			events = append(events, ev)
		case <-deadline:
			f.Fatalf("no event, want %s of %s", kind, id)
		}
	}
	return events
}

// wantSilence checks that no event waits. An event that comes too late for
// that spoils the next wantEvents instead.
func (f *fixture) wantSilence() {
	f.Helper()
	select {
	case ev := <-f.driver.Events():
		f.Errorf("event = %+v, want none", ev)
	default:
	}
}

func testShutdown(f *fixture) {
	f.start("i-1", Obedient)
	f.wantSilence()
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	events := f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
	if events[1].Reason == "" {
		f.Error("Stopped has no reason")
	}
	if console := f.console("i-1", 1<<20); !strings.Contains(console, f.ready) {
		f.Errorf("console after the end = %q, want %q in it", console, f.ready)
	}
	f.must("Remove", f.driver.Remove(f.Context(), "i-1"))
	f.must("second Remove", f.driver.Remove(f.Context(), "i-1"))
	if _, err := f.driver.Console(f.Context(), "i-1", 10); !errors.Is(err, vmm.ErrNotFound) {
		f.Errorf("Console after Remove = %v, want ErrNotFound", err)
	}
	f.wantSilence()
}

func testGuestPowersOff(f *fixture) {
	f.start("i-1", PowersOff)
	f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
}

func testGuestReboots(f *fixture) {
	f.start("i-1", Reboots)
	f.wantEvents("i-1", vmm.GuestReset)
	f.awaitConsole("i-1", "a second Ready", func(c string) bool { return strings.Count(c, f.ready) == 2 })
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
}

func testKill(f *fixture) {
	f.start("i-1", Deaf)
	f.must("Kill", f.driver.Kill(f.Context(), "i-1"))
	f.must("second Kill", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
	f.must("Kill of what never ran", f.driver.Kill(f.Context(), "i-2"))
	f.wantSilence()
}

func testDeaf(f *fixture) {
	f.start("i-1", Deaf)
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	f.must("Kill", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
	f.wantSilence()
}

func testPauseIdle(f *fixture) {
	f.start("i-1", Obedient)
	for _, op := range []func(context.Context, string) error{f.driver.Pause, f.driver.Pause, f.driver.Resume, f.driver.Resume, f.driver.Pause} {
		f.must("Pause or Resume", op(f.Context(), "i-1"))
	}
	f.wantSilence()
	f.must("Kill of a paused machine", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
}

func testReset(f *fixture) {
	f.start("i-1", Deaf)
	f.must("Reset", f.driver.Reset(f.Context(), "i-1"))
	f.awaitConsole("i-1", "a second Ready", func(c string) bool { return strings.Count(c, f.ready) == 2 })
	f.must("Kill", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped) // and not GuestReset
}

func testPauseResume(f *fixture) {
	f.start("i-1", Floods)
	f.await("i-1", "00000010")
	f.must("Pause", f.driver.Pause(f.Context(), "i-1"))
	before := f.console("i-1", 1<<20)
	select {
	case <-time.After(100 * time.Millisecond): // a running one prints thousands of lines
	case ev := <-f.driver.Events():
		f.Fatalf("event = %+v, want none", ev)
	}
	if after := f.console("i-1", 1<<20); after != before {
		f.Errorf("a paused machine printed %d bytes", len(after)-len(before))
	}
	f.must("second Pause", f.driver.Pause(f.Context(), "i-1"))
	f.must("Resume", f.driver.Resume(f.Context(), "i-1"))
	f.awaitConsole("i-1", "more", func(c string) bool { return c != before })
	f.must("Pause", f.driver.Pause(f.Context(), "i-1"))
	f.must("Kill of a paused machine", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
}

func testConsole(f *fixture) {
	f.start("i-1", Floods)
	f.await("i-1", "00000100\n")
	f.must("Pause", f.driver.Pause(f.Context(), "i-1"))
	all := f.console("i-1", 1<<20)
	for _, limit := range []int{0, -1, 1, 100, len(all), 1 << 30} {
		want := all[len(all)-min(len(all), max(limit, 0)):]
		if got := f.console("i-1", limit); got != want {
			f.Errorf("Console(%d) = %d bytes, want the last %d", limit, len(got), len(want))
		}
	}
	_, numbers, _ := strings.Cut(all, f.ready)
	lines := strings.Split(numbers, "\n")
	for i, line := range lines[:len(lines)-1] {
		if want := fmt.Sprintf("%08x", i); line != want {
			f.Fatalf("line %d = %q, want %q", i, line, want)
		}
	}
}

func testStartTwice(f *fixture) {
	f.start("i-1", Obedient)
	if err := f.driver.Start(f.Context(), f.makeSpec(f.T, f.dir, "i-1", Obedient)); err == nil {
		f.Error("Start of a running machine succeeded")
	}
	f.await("i-1", f.ready)
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
}

// A machine that has ended may be started again under its ID, removed or not,
// and begins with an empty console.
func testStartAgain(f *fixture) {
	f.runOff("i-1")
	f.start("i-1", Deaf)
	if got, want := strings.Count(f.console("i-1", 1<<20), f.ready), 1; got != want {
		f.Errorf("console holds Ready %d times, want %d", got, want)
	}
	f.must("Kill", f.driver.Kill(f.Context(), "i-1"))
	f.must("Remove", f.driver.Remove(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
	f.runOff("i-1")
}

func testStartRefused(f *fixture) {
	tests := []struct {
		name   string
		change func(*vmm.Spec)
	}{
		{"no ID", func(s *vmm.Spec) { s.ID = "" }},
		{"ID leads away", func(s *vmm.Spec) { s.ID = "../i-1" }},
		{"no UUID", func(s *vmm.Spec) { s.UUID = "" }},
		{"option in the product", func(s *vmm.Spec) { s.Product = "t3.micro,sku=x" }},
		{"no processor", func(s *vmm.Spec) { s.VCPUs = 0 }},
		{"no memory", func(s *vmm.Spec) { s.MemoryMiB = 0 }},
		{"unknown bus", func(s *vmm.Spec) { s.Disks[0].Bus = "ide" }},
		{"long serial", func(s *vmm.Spec) { s.Disks[0].Serial = strings.Repeat("v", 21) }},
		{"long socket path", func(s *vmm.Spec) { s.Disks[0].Socket = "/" + strings.Repeat("s", 107) }},
		{"slot taken", func(s *vmm.Spec) { s.Disks = append(s.Disks, s.Disks[0]) }},
		{"MAC", func(s *vmm.Spec) { s.NICs = []vmm.NIC{{MAC: "0a", Socket: "/tmp/nic"}} }},
	}
	for _, test := range tests {
		spec := f.makeSpec(f.T, f.dir, "i-1", Obedient)
		test.change(&spec)
		if err := f.driver.Start(f.Context(), spec); err == nil {
			f.Errorf("%s: Start succeeded", test.name)
		}
	}
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := f.driver.Start(ctx, f.makeSpec(f.T, f.dir, "i-1", Obedient)); !errors.Is(err, context.Canceled) {
		f.Errorf("Start after its context ended = %v", err)
	}
	if _, err := f.driver.Console(f.Context(), "i-1", 10); !errors.Is(err, vmm.ErrNotFound) {
		f.Errorf("Console of what never ran = %v, want ErrNotFound", err)
	}
	f.reopen()
	if ids, _, err := f.driver.Recover(f.Context()); err != nil || len(ids) > 0 {
		f.Errorf("Recover = %q, %v, want none", ids, err)
	}
	f.wantSilence()
}

func testNotFound(f *fixture) {
	f.runOff("i-ended")
	ops := map[string]func(context.Context, string) error{
		"Shutdown": f.driver.Shutdown,
		"Reset":    f.driver.Reset,
		"Pause":    f.driver.Pause,
		"Resume":   f.driver.Resume,
	}
	for name, op := range ops {
		for _, id := range []string{"i-ended", "i-never", "../i-1", ""} {
			if err := op(f.Context(), id); !errors.Is(err, vmm.ErrNotFound) {
				f.Errorf("%s(%q) = %v, want ErrNotFound", name, id, err)
			}
		}
	}
	for _, id := range []string{"i-never", "..", ""} {
		if _, err := f.driver.Console(f.Context(), id, 10); !errors.Is(err, vmm.ErrNotFound) {
			f.Errorf("Console(%q) = %v, want ErrNotFound", id, err)
		}
		f.must("Remove", f.driver.Remove(f.Context(), id))
	}
	f.console("i-ended", 10) // Remove("..") must not have touched it
}

func testRemoveRunning(f *fixture) {
	f.start("i-1", Obedient)
	if err := f.driver.Remove(f.Context(), "i-1"); err == nil {
		f.Error("Remove of a running machine succeeded")
	}
	f.await("i-1", f.ready)
}

func testRecover(f *fixture) {
	f.start("i-1", Obedient)
	f.start("i-2", Deaf)
	before := f.console("i-1", 1<<20)
	f.reopen()
	ids, _, err := f.driver.Recover(f.Context())
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"i-1", "i-2"}) {
		f.Fatalf("Recover = %q, %v, want i-1 and i-2", ids, err)
	}
	if console := f.console("i-1", 1<<20); console != before {
		f.Errorf("console = %q, want %q", console, before)
	}
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
	f.must("Kill", f.driver.Kill(f.Context(), "i-2"))
	f.wantEvents("i-2", vmm.Stopped)
}

// The end of a machine is reported to every driver until somebody removes it.
func testRecoverEnded(f *fixture) {
	f.started = append(f.started, "i-1")
	f.must("Start", f.driver.Start(f.Context(), f.makeSpec(f.T, f.dir, "i-1", PowersOff)))
	if f.empty {
		f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	}
	f.reopen() // while it is about to power off
	running, ended, err := f.driver.Recover(f.Context())
	f.must("Recover", err)
	if len(running) > 0 {
		f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
	} else {
		f.wantEnded(ended, "i-1", true)
	}
	for range 2 {
		f.reopen()
		running, ended, err := f.driver.Recover(f.Context())
		if err != nil || len(running) > 0 {
			f.Errorf("Recover = %q, %v, want none running", running, err)
		}
		f.wantEnded(ended, "i-1", true)
	}
	f.must("Remove", f.driver.Remove(f.Context(), "i-1"))
	f.reopen()
	if running, ended, err := f.driver.Recover(f.Context()); err != nil || len(running)+len(ended) > 0 {
		f.Errorf("Recover after Remove = %q, %v, %v, want none", running, ended, err)
	}
	f.wantSilence()
}

// The end of a machine that was killed is not taken for its guest's doing.
func testRecoverKilled(f *fixture) {
	f.start("i-1", Deaf)
	f.must("Kill", f.driver.Kill(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.Stopped)
	f.reopen()
	_, ended, err := f.driver.Recover(f.Context())
	f.must("Recover", err)
	f.wantEnded(ended, "i-1", false)
}

// wantEnded checks that one machine has ended, and by whom.
func (f *fixture) wantEnded(ended []vmm.Ending, id string, byGuest bool) {
	f.Helper()
	if len(ended) != 1 || ended[0].ID != id || ended[0].ByGuest != byGuest || ended[0].Reason == "" {
		f.Errorf("ended = %+v, want %s, by its guest: %t", ended, id, byGuest)
	}
}

func testConcurrent(f *fixture) {
	const n = 4
	errs := make(chan error, n)
	for i := range n {
		id := fmt.Sprintf("i-%d", i)
		f.started = append(f.started, id)
		spec := f.makeSpec(f.T, f.dir, id, Deaf)
		go func() {
			err := f.driver.Start(f.Context(), spec)
			if err == nil {
				err = f.driver.Pause(f.Context(), id)
			}
			if err == nil {
				err = f.driver.Kill(f.Context(), id)
			}
			errs <- err
		}()
	}
	stopped := make(map[string]int)
	for range n {
		f.must("a machine", <-errs)
	}
	for range n {
		select {
		case ev := <-f.driver.Events():
			if ev.Kind != vmm.Stopped {
				f.Errorf("event = %+v, want Stopped", ev)
			}
			stopped[ev.ID]++
		case <-time.After(patience):
			f.Fatalf("Stopped of %v only", stopped)
		}
	}
	for id, times := range stopped {
		if times != 1 {
			f.Errorf("%s stopped %d times", id, times)
		}
	}
	f.wantSilence()
}

func testClose(f *fixture) {
	f.start("i-1", Deaf)
	f.must("Close", f.driver.Close())
	f.must("second Close", f.driver.Close())
	if ev, ok := <-f.driver.Events(); ok {
		f.Errorf("event after Close = %+v", ev)
	}
	if err := f.driver.Pause(f.Context(), "i-1"); err == nil {
		f.Error("Pause after Close succeeded")
	}
	if err := f.driver.Start(f.Context(), f.makeSpec(f.T, f.dir, "i-2", Deaf)); err == nil {
		f.Error("Start after Close succeeded")
	}
	f.driver = f.open(f.T, f.dir)
	ids, _, err := f.driver.Recover(f.Context())
	if err != nil || !slices.Equal(ids, []string{"i-1"}) {
		f.Fatalf("Recover = %q, %v, want i-1", ids, err)
	}
	console, err := f.driver.Console(f.Context(), "i-1", 1<<20)
	if err != nil || !bytes.Contains(console, []byte(f.ready)) {
		f.Errorf("Console = %q, %v", console, err)
	}
}
