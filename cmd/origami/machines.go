package main

import (
	"context"
	"fmt"
	"log/slog"

	"origami/internal/vmm"
	"origami/internal/vmm/none"
	"origami/internal/vmm/qemu"
)

// What runs machines.
const (
	vmmQEMU = "qemu"
	vmmNone = "none"
)

// openMachines opens what runs machines. Each kind has a directory of its own:
// an instance whose machine is of another kind is found stopped.
func openMachines(ctx context.Context, o options, log *slog.Logger) (vmm.Driver, error) {
	if o.vmm == vmmNone {
		return none.Open(o.dir.path("machines-none"))
	}
	d, err := qemu.Open(ctx, qemu.Config{
		Dir: o.dir.path("machines"), Binary: o.qemu, Accel: o.accel, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%w (virtual machines need QEMU: apt-get install qemu-system-x86; without it there is --vmm none)", err)
	}
	log.Info("machines run under QEMU", "accel", d.Accel())
	return d, nil
}
