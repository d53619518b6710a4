package vmmtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"origami/internal/vmm"
)

// maxConsole is how much of a console a machine keeps, in bytes.
const maxConsole = 64 << 10

// Host is where the machines of a [Driver] live: they outlive the driver, as
// real ones outlive their process. Tests speak through it for the guests. The
// zero value is an empty host; its methods may be called concurrently.
type Host struct {
	mu       sync.Mutex // guards everything here and in machines
	machines map[string]*machine
	driver   *Driver // the open one, or nil
	startErr error
	part     Guest // of machines that start, or ""
}

// machine is one machine; it may have ended.
type machine struct {
	spec    vmm.Spec
	guest   Guest
	console []byte
	printed int64 // bytes in all, of which console holds the last
	lines   int   // of a guest that floods
	paused  bool
	clings  bool             // does not let go of disks
	cut     map[int]bool     // slots of disks that it held on to
	sizes   map[string]int64 // that it was told, by serial
	ended   bool
	byGuest bool
	reason  string
}

// Open returns a driver of the host's machines. The one before it, if any,
// must have been closed.
func (h *Host) Open() *Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.driver != nil {
		panic("vmmtest: the host has an open driver")
	}
	if h.machines == nil {
		h.machines = make(map[string]*machine)
	}
	h.driver = newDriver(h)
	return h.driver
}

// Spec returns what the running machine was started with.
func (h *Host) Spec(id string) (vmm.Spec, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return vmm.Spec{}, err
	}
	return m.spec, nil
}

// Play gives the guests of machines that start from now on a part; "" lets the
// disk decide again.
func (h *Host) Play(g Guest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.part = g
}

// FailStart makes every Start fail with err, until it is called with nil.
func (h *Host) FailStart(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.startErr = err
}

// Print makes the guest write to its serial console.
func (h *Host) Print(id, text string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return err
	}
	m.print(text)
	return nil
}

// PowerOff makes the guest power itself off.
func (h *Host) PowerOff(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return err
	}
	h.powerOff(m)
	return nil
}

// Reboot makes the guest reboot itself.
func (h *Host) Reboot(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return err
	}
	h.emit(vmm.Event{ID: m.spec.ID, Kind: vmm.GuestReset, Reason: "guest rebooted"})
	m.print(Ready)
	return nil
}

// Crash ends the machine as the death of its process would.
func (h *Host) Crash(id, reason string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.running(id)
	if err != nil {
		return err
	}
	h.end(m, reason)
	return nil
}

// The rest is called with h.mu held.

func (h *Host) running(id string) (*machine, error) {
	m, ok := h.machines[id]
	switch {
	case !ok:
		return nil, fmt.Errorf("machine %s: %w", id, vmm.ErrNotFound)
	case m.ended:
		return nil, fmt.Errorf("machine %s has ended: %w", id, vmm.ErrNotFound)
	}
	return m, nil
}

func (h *Host) start(spec vmm.Spec) error {
	if h.startErr != nil {
		return h.startErr
	}
	if m, ok := h.machines[spec.ID]; ok && !m.ended {
		return fmt.Errorf("machine %s: already running", spec.ID)
	}
	m := &machine{spec: cloneSpec(spec), guest: guestOf(spec)}
	if h.part != "" {
		m.guest = h.part
	}
	h.machines[spec.ID] = m
	m.print(Ready)
	switch m.guest {
	case PowersOff:
		h.powerOff(m)
	case Reboots:
		h.emit(vmm.Event{ID: spec.ID, Kind: vmm.GuestReset, Reason: "guest rebooted"})
		m.print(Ready)
	}
	return nil
}

// guestOf is the part that a machine plays: the one that its root disk's
// export names, or else Obedient.
func guestOf(spec vmm.Spec) Guest {
	if len(spec.Disks) > 0 {
		switch g := Guest(spec.Disks[0].Export); g {
		case Deaf, PowersOff, Reboots, Floods:
			return g
		}
	}
	return Obedient
}

func cloneSpec(s vmm.Spec) vmm.Spec {
	s.Disks, s.Stores, s.NICs = slices.Clone(s.Disks), slices.Clone(s.Stores), slices.Clone(s.NICs)
	return s
}

func (h *Host) powerOff(m *machine) {
	m.byGuest = true
	h.emit(vmm.Event{ID: m.spec.ID, Kind: vmm.GuestShutdown, Reason: "guest powered off"})
	h.end(m, "guest powered off")
}

func (h *Host) end(m *machine, reason string) {
	m.ended, m.reason = true, reason
	h.emit(vmm.Event{ID: m.spec.ID, Kind: vmm.Stopped, Reason: reason})
}

func (h *Host) emit(ev vmm.Event) {
	if h.driver != nil {
		h.driver.queue.put(ev)
	}
}

func (m *machine) print(text string) {
	m.console = append(m.console, text...)
	m.printed += int64(len(text))
	if over := len(m.console) - maxConsole; over > 0 {
		m.console = slices.Delete(m.console, 0, over)
	}
}

var errClosed = errors.New("driver is closed")
