package none_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"origami/internal/vmm"
	"origami/internal/vmm/none"
	"origami/internal/vmm/vmmtest"
)

func open(t *testing.T, dir string) vmm.Driver {
	d, err := none.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func spec(id string) vmm.Spec {
	return vmm.Spec{
		ID: id, UUID: "ec2aaaaa-1111-4222-8333-000000000005", Product: "t3.micro", VCPUs: 2, MemoryMiB: 1024,
		Disks: []vmm.Disk{{Socket: "/run/i-1.nbd", Export: "vol-1", Serial: "vol1", Bus: vmm.NVMe}},
	}
}

func TestDriver(t *testing.T) {
	t.Parallel()
	vmmtest.RunEmpty(t, open, func(_ *testing.T, _, id string, _ vmmtest.Guest) vmm.Spec { return spec(id) }, none.Banner)
}

// TestOpenAfterCrash opens a directory that a process left in the middle of
// making, changing and removing machines.
func TestOpenAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir)
	for _, id := range []string{"i-1", "i-2"} {
		if err := d.Start(t.Context(), spec(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"i-2~/console", "i-3~/console", "i-4~/console~"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "i-1", "ended~"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	defer d.Close()
	ids, _, err := d.Recover(t.Context())
	if got := strings.Join(ids, " "); err != nil || got != "i-1 i-2" {
		t.Errorf("Recover = %q, %v, want i-1 and i-2 running", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*~")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestConsoleBounded resets a machine until its console is full.
func TestConsoleBounded(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	defer d.Close()
	if err := d.Start(t.Context(), spec("i-1")); err != nil {
		t.Fatal(err)
	}
	for range 64<<10/len(none.Banner) + 10 {
		if err := d.Reset(t.Context(), "i-1"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := d.Console(t.Context(), "i-1", 1<<20)
	if got, want := len(b), 64<<10; got != want || err != nil {
		t.Errorf("Console = %d bytes, %v, want %d", got, err, want)
	}
}
