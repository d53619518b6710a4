package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"origami/internal/sockettest"
	"origami/internal/vmm"
	"origami/internal/vmm/qemu"
	"origami/internal/vmm/vmmtest"
	"origami/nbd"
)

// patience is how long a test waits for what must happen.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonEnv); dir != "" {
		if err := daemon(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// requireQEMU skips a test where there is no QEMU.
func requireQEMU(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu-system-x86_64")
	}
}

// device is a disk in memory. It tells when a sector is read that is not of
// the boot sector.
type device struct {
	mu   sync.Mutex // guards data
	data []byte
	mark chan struct{} // closed at the first read beyond the boot sector's MiB; may be nil
	once sync.Once
}

func (d *device) Size() int64  { return int64(len(d.data)) }
func (d *device) Flush() error { return nil }

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	if d.mark != nil && off >= vmmtest.BootDiskSize {
		d.once.Do(func() { close(d.mark) })
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := copy(p, d.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *device) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return copy(d.data[off:], p), nil
}

// serve exports a disk over NBD and returns the socket's path.
func serve(t testing.TB, dev nbd.Device) string {
	t.Helper()
	path := filepath.Join(sockettest.Dir(t), "nbd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := new(nbd.Server)
	if _, err := server.Export("vol", dev, nbd.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != nil {
			t.Errorf("serve NBD: %v", err)
		}
	})
	return path
}

// bootSpec is a machine whose root disk is served on the socket.
func bootSpec(id, socket string) vmm.Spec {
	return vmm.Spec{
		ID:        id,
		UUID:      "ec2aaaaa-1111-4222-8333-000000000005",
		Product:   "t3.micro",
		VCPUs:     1,
		MemoryMiB: 32,
		Disks:     []vmm.Disk{{Socket: socket, Export: "vol", Serial: "vol0123456789abcdef0", Bus: vmm.VirtIO}},
	}
}

// guestSpec is a machine that boots into guest.
func guestSpec(t testing.TB, id string, guest vmmtest.Guest) vmm.Spec {
	t.Helper()
	return bootSpec(id, serve(t, &device{data: vmmtest.BootDisk(guest)}))
}

func open(t testing.TB, dir string) *qemu.Driver {
	t.Helper()
	d, err := qemu.Open(t.Context(), qemu.Config{Dir: dir, Accel: qemu.AccelTCG, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// testLogger shows what the driver logs when the test fails.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// openHere opens a driver on a directory of its own, and ends the machine i-1
// and the driver after the test.
func openHere(t testing.TB) (*qemu.Driver, string) {
	t.Helper()
	requireQEMU(t)
	dir := sockettest.Dir(t)
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	return d, dir
}

// end kills the machine i-1 and closes the driver.
func end(t testing.TB, d *qemu.Driver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Kill(ctx, "i-1"); err != nil {
		t.Errorf("Kill at the end: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close at the end: %v", err)
	}
}

func start(t testing.TB, d *qemu.Driver, spec vmm.Spec) {
	t.Helper()
	if err := d.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never came: %s", what)
		}
	}
}

func awaitConsole(t testing.TB, d *qemu.Driver, id, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q on the console of %s", text, id), func() bool {
		b, err := d.Console(t.Context(), id, 1<<20)
		return err == nil && strings.Contains(string(b), text)
	})
}

// awaitStopped receives events until Stopped, and returns its reason.
func awaitStopped(t testing.TB, d *qemu.Driver, id string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case ev, ok := <-d.Events():
			if !ok || ev.ID != id {
				t.Fatalf("event = %+v (%t), want Stopped of %s", ev, ok, id)
			}
			if ev.Kind == vmm.Stopped {
				return ev.Reason
			}
		case <-deadline:
			t.Fatalf("no event, want Stopped of %s", id)
		}
	}
}

// pidOf is the process of a machine that runs.
func pidOf(t testing.TB, dir, id string) int {
	t.Helper()
	pid, err := qemu.LockHolder(filepath.Join(dir, id, "pid"))
	if err != nil || pid == 0 {
		t.Fatalf("process of %s = %d, %v", id, pid, err)
	}
	return pid
}

func TestDriver(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	vmmtest.Run(t,
		func(t *testing.T, dir string) vmm.Driver { return open(t, dir) },
		func(t *testing.T, _, id string, guest vmmtest.Guest) vmm.Spec { return guestSpec(t, id, guest) })
}

// A driver that is closed while the process starts others, which have its files
// until they become another program, makes room for the next one.
func TestOpenBesideForks(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var forks sync.WaitGroup
	defer forks.Wait()
	defer cancel()
	for range 4 {
		forks.Go(func() {
			for ctx.Err() == nil {
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	dir := sockettest.Dir(t)
	for range 100 {
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefused(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	dir := sockettest.Dir(t)
	d := open(t, dir)
	defer d.Close()
	tests := []struct {
		name   string
		config qemu.Config
		want   string
	}{
		{"no directory", qemu.Config{}, "no directory"},
		{"long directory", qemu.Config{Dir: filepath.Join(dir, strings.Repeat("d", 80))}, "more than the 107"},
		{"no QEMU", qemu.Config{Dir: dir, Binary: "qemu-system-pdp11"}, "not found"},
		{"unknown accelerator", qemu.Config{Dir: dir, Accel: "hvf"}, "accelerator"},
		{"second driver", qemu.Config{Dir: dir}, "another driver"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := qemu.Open(t.Context(), test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q", err, test.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, strings.Repeat("d", 80))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused directory was made: %v", err)
	}
}
