package vmmtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"origami/internal/vmm"
)

// follow opens the console of a machine.
func (f *fixture) follow(id string) io.ReadCloser {
	f.Helper()
	d, ok := f.driver.(vmm.ConsoleFollower)
	if !ok {
		f.Fatalf("%T is no vmm.ConsoleFollower", f.driver)
	}
	r, err := d.FollowConsole(f.Context(), id)
	if err != nil {
		f.Fatalf("FollowConsole: %v", err)
	}
	return r
}

// readMore reads from a followed console until ok says that it is enough.
func (f *fixture) readMore(r io.Reader, into *bytes.Buffer, what string, ok func(all string) bool) {
	f.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	p := make([]byte, 64<<10)
	for !ok(into.String()) {
		n, err := r.Read(p)
		into.Write(p[:n])
		if err == nil && n > 0 {
			continue
		}
		if !errors.Is(err, io.EOF) {
			f.Fatalf("Read = %d, %v", n, err)
		}
		select {
		case <-tick.C:
		case <-deadline:
			f.Fatalf("the followed console never held %s; it is %q", what, into.String())
		}
	}
}

// testFollow follows a console through a reset, past the end of its machine and
// into the next one.
func testFollow(f *fixture) {
	if _, err := f.driver.(vmm.ConsoleFollower).FollowConsole(f.Context(), "i-never"); !errors.Is(err, vmm.ErrNotFound) {
		f.Errorf("FollowConsole of what never ran = %v, want ErrNotFound", err)
	}
	f.start("i-1", Obedient)
	r := f.follow("i-1")
	defer r.Close()
	var all bytes.Buffer
	times := func(n int) func(string) bool {
		return func(s string) bool { return strings.Count(s, f.ready) == n }
	}
	f.readMore(r, &all, "Ready", times(1))
	f.must("Reset", f.driver.Reset(f.Context(), "i-1"))
	f.readMore(r, &all, "a second Ready", times(2))
	f.must("Shutdown", f.driver.Shutdown(f.Context(), "i-1"))
	f.wantEvents("i-1", vmm.GuestShutdown, vmm.Stopped)
	whole := f.console("i-1", 1<<20)
	f.readMore(r, &all, "the end", func(s string) bool { return s == whole })
	late := f.follow("i-1")
	defer late.Close()
	var again bytes.Buffer
	f.readMore(late, &again, "the end", func(s string) bool { return s == whole })
	f.start("i-1", Obedient)
	f.readMore(r, &all, "the next machine", times(3))
}

// testFollowFlood follows a console that floods, and misses nothing and has
// nothing twice.
func testFollowFlood(f *fixture) {
	f.start("i-1", Floods)
	r := f.follow("i-1")
	defer r.Close()
	var all bytes.Buffer
	for _, until := range []int{0x100, 0x200, 0x300} {
		// A guest in memory prints when somebody looks.
		line := fmt.Sprintf("%08x\n", until)
		f.await("i-1", line)
		f.readMore(r, &all, line, func(s string) bool { return strings.Contains(s, line) })
	}
	_, numbers, _ := strings.Cut(all.String(), f.ready)
	lines := strings.Split(numbers, "\n")
	for i, line := range lines[:len(lines)-1] {
		if want := fmt.Sprintf("%08x", i); line != want {
			f.Fatalf("line %d = %q, want %q", i, line, want)
		}
	}
}
