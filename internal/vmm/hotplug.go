package vmm

import (
	"context"
	"errors"
)

var (
	// ErrBusy is wrapped by errors about a disk that the guest has not let go.
	ErrBusy = errors.New("the guest has not let go of the disk")
	// ErrSlotTaken is wrapped by errors about a slot in which there is
	// another disk, or what a forced Detach left of one.
	ErrSlotTaken = errors.New("there is another disk in the slot")
	// ErrFixedSize is wrapped by errors about a disk whose size the guest
	// learns when the machine starts, and not while it runs.
	ErrFixedSize = errors.New("the size of the disk is fixed while the machine runs")
)

// HotPlugger is a [Driver] that changes the disks of running machines. All
// drivers of this module are. What it does to a machine lasts until that ends:
// the next Start has the disks of its own specification. All methods may be
// called concurrently, and again after a crash in the middle of them.
type HotPlugger interface {
	// Attach gives a machine another disk, which is there when it returns,
	// whenever the guest takes notice. If the machine has the disk already, by
	// slot and serial, it succeeds. An error that wraps ErrSlotTaken says that
	// another slot may do.
	Attach(ctx context.Context, id string, d Disk) error

	// Detach asks the guest to let go of the disk in a slot, and returns when
	// the machine has it no longer and has closed its connection. If that
	// takes more than some seconds the error wraps ErrBusy; the disk is as it
	// was, may go later, and is asked for again by another Detach. An empty
	// slot succeeds.
	//
	// With force a guest that does not let go loses the disk: each of its
	// requests fails from then on. Its slot is taken until the guest lets go
	// or the machine ends.
	Detach(ctx context.Context, id string, slot int, force bool) error

	// Resize tells a machine that a disk, known by slot and serial, has grown
	// to size bytes. The disk's server offers them already to those who
	// connect anew. An error that wraps ErrFixedSize says that the guest will
	// know after the next Start.
	Resize(ctx context.Context, id string, d Disk, size int64) error
}

// Validate reports the first thing about a disk that no driver could attach.
func (d Disk) Validate() error { return d.validate() }
