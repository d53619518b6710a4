package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// The probe's disk must have at least one cylinder for the BIOS to boot it.
const probeDiskSize = 1 << 20

// probeKVM returns nil if KVM runs guests, or the reason why it does not.
//
// That /dev/kvm can be opened proves little: inside another hypervisor, KVM may
// refuse the processor's features, or hang as soon as a guest changes the mode
// of its processor. So a guest is run that does in half a second what a boot
// loader does, with the same processor as every machine.
func probeKVM(ctx context.Context, config Config) error {
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	kvm.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, config.ProbeTimeout,
		fmt.Errorf("the probe did not end within %v", config.ProbeTimeout))
	defer cancel()
	return runProbe(ctx, config, AccelKVM)
}

// probePrefix begins the names of the directories of probes. No machine's ID
// begins like it.
const probePrefix = ".probe"

// runProbe boots the probe under an accelerator.
func runProbe(ctx context.Context, config Config, accel string) error {
	dir, err := os.MkdirTemp(config.Dir, probePrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	disk := filepath.Join(dir, "disk")
	if err := writeProbeDisk(disk); err != nil {
		return err
	}
	stderr, err := os.Create(filepath.Join(dir, "stderr.log"))
	if err != nil {
		return err
	}
	defer stderr.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// A probe that hangs must not outlive us; that is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args := probeArguments(disk, accel)
	proc, err := spawn(config.Binary, args, dir, []*os.File{null, stderr, stderr}, syscall.SIGKILL)
	if err != nil {
		return err
	}
	end, err := proc.wait(ctx)
	if err != nil {
		return errors.Join(err, endProbe(proc))
	}
	if end.known && end.state.Exited() && end.state.ExitStatus() == probeSuccess {
		return nil
	}
	return errors.New(describe(end.String(), machineDir(dir).stderrTail()))
}

// removeProbes deletes what probes left whose process was killed.
func removeProbes(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), probePrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return err
}

// endProbe ends a probe that hangs.
func endProbe(proc *process) error {
	if err := proc.kill(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if _, err := proc.wait(ctx); err != nil {
		proc.release()
		return err
	}
	return nil
}

func writeProbeDisk(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(probeSector())
	return errors.Join(err, f.Truncate(probeDiskSize), f.Close())
}

func probeArguments(disk, accel string) []string {
	args := append(accelArgs(accel), confineArgs()...)
	return append(args,
		"-machine", "pc,graphics=off",
		"-m", "32M",
		"-blockdev", object{"driver": "file", "node-name": "disk", "filename": disk, "read-only": true}.String(),
		"-device", object{"driver": "virtio-blk-pci", "drive": "disk"}.String(),
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", probePort),
	)
}

// probeSector is the probe with its boot signature.
func probeSector() []byte {
	sector := make([]byte, 512)
	copy(sector, probeCode)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}
