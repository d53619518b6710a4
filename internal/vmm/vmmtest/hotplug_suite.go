package vmmtest

import (
	"errors"
	"strings"

	"origami/internal/vmm"
)

// spare is a disk for a machine that has the root disk's server: a second
// look at the same bytes.
func (f *fixture) spare(id string, slot int) vmm.Disk {
	f.Helper()
	d := f.makeSpec(f.T, f.dir, id, Obedient).Disks[0]
	d.Serial, d.Slot = "vol0123456789abcdef9", slot
	return d
}

func (f *fixture) plugger() vmm.HotPlugger {
	f.Helper()
	p, ok := f.driver.(vmm.HotPlugger)
	if !ok {
		f.Fatalf("%T is no vmm.HotPlugger", f.driver)
	}
	return p
}

func testHotPlug(f *fixture) {
	f.start("i-1", Obedient)
	p, d := f.plugger(), f.spare("i-1", 5)
	f.must("Attach", p.Attach(f.Context(), "i-1", d))
	f.must("Attach again", p.Attach(f.Context(), "i-1", d))
	other := d
	other.Serial = "vol0123456789abcdef8"
	for _, slot := range []int{0, 5} {
		other.Slot = slot
		if err := p.Attach(f.Context(), "i-1", other); !errors.Is(err, vmm.ErrSlotTaken) {
			f.Errorf("Attach to slot %d, which is taken = %v, want ErrSlotTaken", slot, err)
		}
	}
	// A guest that knows nothing of hot plugging does not answer.
	if err := p.Detach(f.Context(), "i-1", 5, false); err != nil && !errors.Is(err, vmm.ErrBusy) {
		f.Errorf("Detach = %v, want none or ErrBusy", err)
	}
	f.must("Detach with force", p.Detach(f.Context(), "i-1", 5, true))
	f.must("Detach with force again", p.Detach(f.Context(), "i-1", 5, true))
	f.must("Detach of an empty slot", p.Detach(f.Context(), "i-1", 7, false))
	d.Slot = 6
	f.must("Attach elsewhere", p.Attach(f.Context(), "i-1", d))
	f.wantSilence()
}

func testHotPlugRecover(f *fixture) {
	f.start("i-1", Obedient)
	d := f.spare("i-1", 5)
	f.must("Attach", f.plugger().Attach(f.Context(), "i-1", d))
	f.reopen()
	if ids, _, err := f.driver.Recover(f.Context()); err != nil || len(ids) != 1 {
		f.Fatalf("Recover = %q, %v, want i-1", ids, err)
	}
	f.must("Attach again", f.plugger().Attach(f.Context(), "i-1", d))
	f.must("Detach", f.plugger().Detach(f.Context(), "i-1", 5, true))
}

func testHotResize(f *fixture) {
	f.start("i-1", Obedient)
	p, d := f.plugger(), f.spare("i-1", 5)
	d.Bus = vmm.VirtIO
	if err := p.Resize(f.Context(), "i-1", d, BootDiskSize); err == nil {
		f.Error("Resize of an empty slot = nil, want an error")
	}
	f.must("Attach", p.Attach(f.Context(), "i-1", d))
	for range 3 { // as after crashes
		f.must("Resize", p.Resize(f.Context(), "i-1", d, BootDiskSize))
	}
	n := d
	n.Bus, n.Slot, n.Serial = vmm.NVMe, 6, "vol0123456789abcdef8"
	f.must("Attach", p.Attach(f.Context(), "i-1", n))
	if err := p.Resize(f.Context(), "i-1", n, BootDiskSize); !errors.Is(err, vmm.ErrFixedSize) {
		f.Errorf("Resize of an NVMe disk = %v, want ErrFixedSize", err)
	}
}

func testHotPlugRefused(f *fixture) {
	f.start("i-1", Obedient)
	p, d := f.plugger(), f.spare("i-1", 5)
	long := d
	long.Serial = strings.Repeat("v", 21)
	if err := p.Attach(f.Context(), "i-1", long); err == nil {
		f.Error("Attach of a disk with a long serial = nil, want an error")
	}
	for what, err := range map[string]error{
		"Attach": p.Attach(f.Context(), "i-2", d),
		"Detach": p.Detach(f.Context(), "i-2", 5, false),
		"Resize": p.Resize(f.Context(), "i-2", d, BootDiskSize),
	} {
		if !errors.Is(err, vmm.ErrNotFound) {
			f.Errorf("%s of a machine that is not = %v, want ErrNotFound", what, err)
		}
	}
}
