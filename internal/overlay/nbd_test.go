package overlay_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/overlay"
	"origami/nbd"
)

// tool runs a program of somebody else, and skips the test if it is absent.
func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// serve exports a volume over a base of 0x77 bytes, and returns its URI.
func serve(t *testing.T) (*overlay.Device, string) {
	t.Helper()
	fsys, err := durable.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := overlay.Create(fsys, "v", 8<<20, "base"); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", func(string) (disk.Image, error) { return image(bytes.Repeat([]byte{0x77}, 4<<20)), nil })
	var srv nbd.Server
	if _, err := srv.Export("", d, nbd.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "overlay") // short: it is the directory of a socket
	if err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(dir, "s")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(t.Context(), l)
	t.Cleanup(func() {
		srv.Close()
		if err := errors.Join(d.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return d, "nbd+unix:///?socket=" + sock
}

func TestQemuIO(t *testing.T) {
	t.Parallel()
	d, uri := serve(t)
	tool(t, "qemu-io", "-f", "raw", "-d", "unmap",
		"-c", "read -P 0x77 0 4M", "-c", "read -P 0 4M 4M",
		"-c", "write -P 1 1M 1M", "-c", "write -P 2 1234567 8k", "-c", "write -z -u 3M 64k",
		"-c", "write -z 3500000 10000", "-c", "discard 2M 64k", "-c", "flush",
		"-c", "read -P 1 1M 128k", "-c", "read -P 2 1234567 8k", "-c", "read -P 0 3M 64k",
		"-c", "read -P 0 3500000 10000", "-c", "read -P 0x77 3510000 1000", "-c", "read -P 0 2M 64k", uri)
	ids, err := overlay.Freeze(d)
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-io", "-f", "raw", "-c", "write -P 3 1M 1M", "-c", "read -P 3 1M 1M", "-c", "read -P 0x77 0 1M", uri)
	f, err := d.Frozen(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 1)
	if _, err := f.ReadAt(p, 1<<20); err != nil || p[0] != 1 {
		t.Errorf("frozen byte is %d (%v), want 1", p[0], err)
	}
}

// TestNbdcopy copies a disk in and out, the second time by its allocation.
func TestNbdcopy(t *testing.T) {
	t.Parallel()
	_, uri := serve(t)
	want := make([]byte, 8<<20)
	for i := 0; i < len(want); i += 3 << 19 {
		copy(want[i:], bytes.Repeat([]byte{byte(i>>19 + 1)}, 300000))
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, want, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "nbdcopy", "--flush", in, uri)
	tool(t, "nbdcopy", uri, out)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
		t.Errorf("copy differs (%v)", err)
	}
}
