package vmmtest_test

import (
	"errors"
	"sync"
	"testing"

	"origami/internal/vmm"
	"origami/internal/vmm/vmmtest"
)

func spec(id string, guest vmmtest.Guest) vmm.Spec {
	return vmm.Spec{
		ID:        id,
		UUID:      "ec2aaaaa-1111-4222-8333-000000000005",
		Product:   "t3.micro",
		VCPUs:     1,
		MemoryMiB: 64,
		Disks:     []vmm.Disk{{Socket: "/nbd.sock", Export: string(guest), Serial: "vol1", Bus: vmm.VirtIO}},
	}
}

func TestDriver(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	hosts := make(map[string]*vmmtest.Host) // by directory
	open := func(t *testing.T, dir string) vmm.Driver {
		mu.Lock()
		defer mu.Unlock()
		if hosts[dir] == nil {
			hosts[dir] = new(vmmtest.Host)
		}
		return hosts[dir].Open()
	}
	vmmtest.Run(t, open, func(_ *testing.T, _, id string, guest vmmtest.Guest) vmm.Spec {
		return spec(id, guest)
	})
}

func TestHost(t *testing.T) {
	t.Parallel()
	d := vmmtest.NewDriver()
	defer d.Close()
	h := d.Host()
	full := errors.New("no memory")
	h.FailStart(full)
	if err := d.Start(t.Context(), spec("i-1", vmmtest.Deaf)); !errors.Is(err, full) {
		t.Errorf("Start = %v, want %v", err, full)
	}
	h.FailStart(nil)
	for _, id := range []string{"i-1", "i-2"} {
		if err := d.Start(t.Context(), spec(id, vmmtest.Deaf)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := h.Spec("i-1"); err != nil || s.Product != "t3.micro" {
		t.Errorf("Spec = %+v, %v", s, err)
	}
	for range 3 {
		if err := h.Reboot("i-1"); err != nil {
			t.Error(err)
		}
	}
	if err := h.Print("i-1", "login: "); err != nil {
		t.Error(err)
	}
	if got, err := d.Console(t.Context(), "i-1", 7); err != nil || string(got) != "login: " {
		t.Errorf("Console = %q, %v", got, err)
	}
	if err := h.PowerOff("i-1"); err != nil {
		t.Error(err)
	}
	if err := h.Crash("i-2", "lost"); err != nil {
		t.Error(err)
	}
	resets := 0
	var rest []vmm.Event
	for len(rest) < 3 {
		if ev := <-d.Events(); ev.Kind == vmm.GuestReset {
			resets++
		} else {
			rest = append(rest, ev)
		}
	}
	// The first may have been on its way before the second came.
	if resets < 1 || resets > 2 {
		t.Errorf("%d resets, want the three in one or two", resets)
	}
	want := []vmm.EventKind{vmm.GuestShutdown, vmm.Stopped, vmm.Stopped}
	for i := range want {
		if rest[i].Kind != want[i] {
			t.Errorf("event %d = %+v, want %s", i, rest[i], want[i])
		}
	}
	if got, want := rest[2].Reason, "lost"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
	for name, err := range map[string]error{
		"Print": h.Print("i-1", "x"), "PowerOff": h.PowerOff("i-1"),
		"Reboot": h.Reboot("i-1"), "Crash": h.Crash("i-1", ""),
	} {
		if !errors.Is(err, vmm.ErrNotFound) {
			t.Errorf("%s after the end = %v, want ErrNotFound", name, err)
		}
	}
}
