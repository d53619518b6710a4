package ebs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/nbd"
)

// serial collects what a guest prints.
type serial struct {
	mu   sync.Mutex
	text []byte
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

func (s *serial) contains(word string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text, []byte(word))
}

func (s *serial) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text[max(0, len(s.text)-4000):])
}

// TestBlkverify boots a Linux guest from a volume of an imported image through
// QEMU's blkverify driver, which does everything on a raw copy of the disk too
// and ends QEMU when a read of the two differs: over a whole boot, with what
// the guest writes, our NBD export is that disk.
//
//origami:proves CreateVolume
func TestBlkverify(t *testing.T) {
	guest := os.Getenv("ORIGAMI_TEST_GUEST")
	if guest == "" {
		t.Skip("needs a guest: ORIGAMI_TEST_GUEST is not set")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu-system-x86_64")
	}
	t.Parallel()
	content, err := os.ReadFile(guest)
	if err != nil {
		t.Fatal(err)
	}
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "guest", content)
	v, err := r.EBS.Open(t.Context(), region, r.NewVolume(alice, 0, img.Snapshots()[0]).ID)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	dir, err := os.MkdirTemp("/tmp", "o") // short: it is the directory of a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(raw, v.Size()); err != nil {
		t.Fatal(err)
	}
	console := bootBoth(t, v, dir, raw)
	if !console.contains("origami-guest: ready") {
		t.Errorf("the guest did not come up; it said:\n%s", console)
	}
	touched, data, err := v.Touched(t.Context())
	if err != nil || touched == 0 {
		t.Errorf("the guest read %d of %d blocks, %v", touched, data, err)
	}
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	// What blkverify compared as it was read is equal in the end, too.
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off < int64(len(content)); off += int64(len(got)) {
		if _, err := v.ReadAt(got, off); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(want, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the volume differs from the raw disk at %d", off)
		}
	}
}

// bootBoth boots a machine from both disks until somebody could log in.
func bootBoth(t *testing.T, v *ebs.Volume, dir, raw string) *serial {
	t.Helper()
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var server nbd.Server
	if _, err := server.Export("", v, nbd.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	defer func() {
		server.Close()
		<-served
	}()
	type object map[string]any
	disk, err := json.Marshal(object{
		"driver": "blkverify", "node-name": "disk",
		"test": object{"driver": "raw", "file": object{"driver": "nbd", "server": object{"type": "unix", "path": socket}}},
		"raw":  object{"driver": "raw", "file": object{"driver": "file", "filename": raw}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	console := new(serial)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-m", "256", "-nodefaults",
		"-display", "none", "-serial", "stdio", "-no-reboot", "-blockdev", string(disk), "-device", "virtio-blk-pci,drive=disk")
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !console.contains("origami-guest: ready") {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("QEMU ended, which it does when the disks differ: %v\n%s", err, console)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	return console
}
