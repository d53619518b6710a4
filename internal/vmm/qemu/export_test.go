package qemu

import (
	"context"
	"path/filepath"
	"time"

	"origami/internal/vmm"
)

// What the tests outside of the package reach in.

// Arguments is the command line of a machine.
func Arguments(spec vmm.Spec, dir, accel string) []string {
	return arguments(spec, machineDir(filepath.Join(dir, spec.ID)), accel)
}

// RunProbe boots the probe under an accelerator.
func RunProbe(ctx context.Context, config Config, accel string) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	return runProbe(ctx, config, accel)
}

// RecordPowerOff writes what a driver does when it hears that the guest of a
// machine powered itself off.
func RecordPowerOff(dir, id string) error {
	e := ending{Reason: guestPoweredOff, ByGuest: true, Time: time.Now()}
	return writeRecord(machineDir(filepath.Join(dir, id)).ended(), e)
}

// ParseRecord reads a file of a machine's directory.
func ParseRecord(b []byte, body any) error { return parseRecord(b, body) }

// Shorten cuts a reason that is too long.
func Shorten(reason string) string { return shorten(reason) }

// LockHolder returns the process that holds the lock of a file.
func LockHolder(path string) (int, error) { return lockHolder(path) }

// MaxConsoleFile is the size at which a console is rotated.
const MaxConsoleFile = maxConsoleFile
