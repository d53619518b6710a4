package qemu_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"origami/internal/sockettest"
	"origami/internal/vmm"
	"origami/internal/vmm/qemu"
	"origami/internal/vmm/vmmtest"
)

// markDisk boots into a guest that reads its second MiB and sleeps. The
// server of the disk sees when.
func markDisk() *device {
	data := make([]byte, 2*vmmtest.BootDiskSize)
	copy(data, []byte{
		0xfa,       // cli
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0x8e, 0xd0, // mov ss, ax
		0xbc, 0x00, 0x7c, // mov sp, 0x7c00
		0xbe, 0x20, 0x7c, // mov si, packet
		0xb4, 0x42, // mov ah, 0x42: extended read
		0xb2, 0x80, // mov dl, 0x80
		0xcd, 0x13, // int 0x13
		0xfb, 0xf4, // sti; hlt
		0xeb, 0xfc, // jmp to the sti
	})
	copy(data[0x20:], []byte{
		16, 0, 1, 0, // size of the packet, one sector
		0x00, 0x80, 0, 0, // to 0:8000
		0x00, 0x08, 0, 0, 0, 0, 0, 0, // from sector 2048
	})
	data[510], data[511] = 0x55, 0xaa
	return &device{data: data, mark: make(chan struct{})}
}

// BenchmarkStart measures the time from the wish to run a machine to the end
// of its boot sector, in turns through the driver and by the same command
// alone, and reports the medians. Their difference is what the driver costs.
func BenchmarkStart(b *testing.B) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		b.Skip("needs qemu-system-x86_64")
	}
	d, err := qemu.Open(b.Context(), qemu.Config{Dir: sockettest.Dir(b), Accel: qemu.AccelTCG})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	go func() {
		for range d.Events() {
		}
	}()
	bareDir := sockettest.Dir(b)
	if err := os.Mkdir(filepath.Join(bareDir, "i-1"), 0o700); err != nil {
		b.Fatal(err)
	}
	var driver, bare []time.Duration
	for b.Loop() {
		driver = append(driver, timeDriver(b, d))
		bare = append(bare, timeBare(b, bareDir))
	}
	slices.Sort(driver)
	slices.Sort(bare)
	through, alone := driver[len(driver)/2], bare[len(bare)/2]
	b.ReportMetric(through.Seconds()*1000, "driver-ms")
	b.ReportMetric(alone.Seconds()*1000, "bare-ms")
	b.ReportMetric((through-alone).Seconds()*1000, "added-ms")
}

func timeDriver(b *testing.B, d *qemu.Driver) time.Duration {
	disk := markDisk()
	spec := bootSpec("i-1", serve(b, disk))
	begin := time.Now()
	if err := d.Start(b.Context(), spec); err != nil {
		b.Fatal(err)
	}
	<-disk.mark
	took := time.Since(begin)
	if err := d.Kill(b.Context(), "i-1"); err != nil {
		b.Fatal(err)
	}
	return took
}

func timeBare(b *testing.B, dir string) time.Duration {
	disk := markDisk()
	cmd := bareCommand(dir, bootSpec("i-1", serve(b, disk)))
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	<-disk.mark
	took := time.Since(begin)
	if err := cmd.Process.Kill(); err != nil {
		b.Fatal(err)
	}
	cmd.Wait() // killed, as it says
	return took
}

// bareCommand is the command that the driver would run, with a monitor that
// leads nowhere in the place of the inherited socket.
func bareCommand(dir string, spec vmm.Spec) *exec.Cmd {
	args := qemu.Arguments(spec, dir, qemu.AccelTCG)
	for i, arg := range args {
		if arg == "socket,id=monitor,fd=3,server=on,wait=off" {
			args[i] = "null,id=monitor"
		}
	}
	cmd := exec.Command("qemu-system-x86_64", args...)
	// Linux shares a busy machine out by sessions, so it makes a difference.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
