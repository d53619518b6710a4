// Package vmm is the contract with a virtual machine monitor: start a machine
// from a [Spec], ask it to stop, and hear of everything that happens to it as
// an [Event]. Machines outlive the process that started them; [Driver.Recover]
// finds them again.
package vmm

import (
	"context"
	"errors"
	"io"
)

// ErrNotFound is wrapped by errors about a machine that does not exist or no
// longer runs.
var ErrNotFound = errors.New("no such machine")

// Spec says everything about a machine before it starts.
type Spec struct {
	ID        string // unique name, used for its directory: an instance ID
	UUID      string // SMBIOS system UUID and serial: "ec2xxxxx-…"
	Product   string // SMBIOS product name: the instance type
	VCPUs     int
	MemoryMiB int
	Disks     []Disk // the machine boots from the first one only
	Stores    []Disk // come and go with the machine, in slots of their own
	NICs      []NIC
}

// Disk is a disk that the monitor reaches over NBD, always as raw bytes.
type Disk struct {
	Socket string // path of the UNIX socket of the NBD server
	Export string // name of the export
	Serial string // at most 20 bytes: "vol0123456789abcdef0"
	Bus    Bus
	Slot   int // stable position on the bus, from 0
}

// Bus is how the guest sees a disk.
type Bus string

// The buses.
const (
	VirtIO Bus = "virtio"
	NVMe   Bus = "nvme"
)

// NIC is a network card whose frames travel over a UNIX socket on which the
// monitor listens: each frame is a 4-byte big-endian length and an Ethernet
// frame. The network dials it, and dials again after a restart.
type NIC struct {
	MAC    string // "0a:…"
	Socket string // path of the UNIX socket that the monitor creates
}

// Driver runs machines. All methods may be called concurrently.
type Driver interface {
	// Start creates the machine and lets its processors run. It returns when
	// the machine executes, or with the reason why it does not; then nothing
	// is left of it. What was kept about a machine of this ID that has ended
	// is replaced; a machine of this ID that runs is an error.
	Start(ctx context.Context, spec Spec) error

	// Shutdown asks the guest to power off, as its power button would. It
	// returns at once; Stopped follows if the guest obeys.
	Shutdown(ctx context.Context, id string) error

	// Kill ends the machine at once and returns when it is gone, with its
	// disks closed. Killing what does not run succeeds.
	Kill(ctx context.Context, id string) error

	// Reset restarts the guest as its reset button would.
	Reset(ctx context.Context, id string) error

	// Pause stops the machine's processors and Resume lets them go on.
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error

	// Console returns the last max bytes that the machine's serial console
	// printed, also after it ended, until Remove.
	Console(ctx context.Context, id string, max int) ([]byte, error)

	// Remove deletes everything kept about a machine that has ended.
	Remove(ctx context.Context, id string) error

	// Recover reconnects to the machines that still run and returns their
	// IDs, and the ends of those that have ended and were not removed; no
	// event says these again. Remove is what acknowledges an end, so that one
	// which nobody acted on is never lost. Recover is called once, before
	// anything else.
	//
	// That a guest powered itself off while no driver was open is not lost
	// either: its machine counts as running, and GuestShutdown and Stopped
	// follow, or its end is ByGuest.
	Recover(ctx context.Context) (running []string, ended []Ending, err error)

	// Events is the stream of what happens to machines. It is closed by
	// Close. The receiver must keep up: events are never dropped.
	Events() <-chan Event

	// Close disconnects from the machines and leaves them running.
	Close() error
}

// ConsoleFollower is a [Driver] whose consoles can be read as they grow. All
// drivers of this module are.
type ConsoleFollower interface {
	// FollowConsole opens the serial console of a machine, which may have
	// ended. Reading gives what is kept of its output, the oldest first, and
	// every byte once; io.EOF means that there is no more now, and a later
	// Read may give more. A reader that is slower than what is kept misses
	// the oldest bytes. It follows a machine that is started again under
	// the same ID, and ends with Close. It is for one goroutine.
	FollowConsole(ctx context.Context, id string) (io.ReadCloser, error)
}

// Ending is the end of a machine that [Driver.Recover] found.
type Ending struct {
	ID      string
	ByGuest bool   // the guest powered itself off
	Reason  string // for people
}

// Event is one thing that happened to a machine.
type Event struct {
	ID   string
	Kind EventKind
	// Reason is for people: how the process ended, what it last said.
	Reason string
}

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	// GuestShutdown: the guest powered itself off, asked or not. Stopped follows.
	GuestShutdown EventKind = "guest-shutdown"
	// GuestReset: the guest rebooted itself. Reboots that the receiver has
	// not taken yet are one event, so that a guest cannot pile them up.
	GuestReset EventKind = "guest-reset"
	// Stopped: the machine is gone, however it ended. Exactly one for each
	// machine that was started or recovered, and the last of its events.
	Stopped EventKind = "stopped"
)
