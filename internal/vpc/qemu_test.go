package vpc_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"origami/internal/sockettest"
	"origami/internal/vmm"
	"origami/internal/vmm/qemu"
	"origami/internal/vpc"
	"origami/nbd"
)

// diskFile is a file as a disk.
type diskFile struct {
	*os.File
	size int64
}

func (d diskFile) Size() int64  { return d.size }
func (d diskFile) Flush() error { return d.Sync() }

// testGuest copies the disk of the small Linux guest, and serves it on a
// socket.
func testGuest(t *testing.T, socket string) {
	t.Helper()
	name := os.Getenv("ORIGAMI_TEST_GUEST")
	if name == "" {
		t.Skip("ORIGAMI_TEST_GUEST names no disk")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("no qemu-system-x86_64")
	}
	src, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	size, err := io.Copy(dst, src)
	if err != nil {
		t.Fatal(err)
	}
	var server nbd.Server
	if _, err := server.Export("root", diskFile{dst, size}, nbd.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ctx, ln)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		dst.Close()
	})
}

// TestRealGuest authorizes and revokes SSH to a Linux guest under QEMU while
// it runs.
//
//origami:proves AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress S95
func TestRealGuest(t *testing.T) {
	dir := sockettest.Dir(t)
	disk, nic := filepath.Join(dir, "disk"), filepath.Join(dir, "net")
	testGuest(t, disk)
	driver, err := qemu.Open(t.Context(), qemu.Config{Dir: filepath.Join(dir, "machines"), Accel: qemu.AccelTCG})
	if err != nil {
		t.Fatal(err)
	}
	r := newRegion(t)
	ssh := r.group("ssh")
	i := r.launch("", ssh)
	port, err := r.Plug(t.Context(), i, nic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Unplug)
	err = driver.Start(t.Context(), vmm.Spec{
		ID: string(i.ID), UUID: "ec2aaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", Product: "t3.nano", VCPUs: 1, MemoryMiB: 256,
		Disks: []vmm.Disk{{Socket: disk, Export: "root", Serial: "vol1", Bus: vmm.VirtIO}},
		NICs:  []vmm.NIC{{MAC: i.MAC, Socket: nic}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		driver.Kill(context.Background(), string(i.ID))
		driver.Close()
	})

	if _, err := greeting(t, port, patience); err == nil {
		t.Error("a guest is reached that nobody authorized")
	}
	r.authorize(ssh, false, tcpFrom(22, 22, "127.0.0.0/8"))
	var c net.Conn
	for deadline := time.Now().Add(10 * time.Minute); ; {
		if c, err = greeting(t, port, 10*time.Second); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the guest never answered: %v; its card: %+v", err, port.Stats())
		}
		<-time.After(100 * time.Millisecond)
	}
	r.revoke(ssh, false, tcpFrom(22, 22, "127.0.0.0/8"))
	if _, err := greeting(t, port, patience); err == nil {
		t.Error("the guest is reached after the rule was revoked")
	}
	// What was established goes on: the guest answers our version with its
	// offer of algorithms.
	io.WriteString(c, "SSH-2.0-test\r\n")
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 16)); err != nil {
		t.Errorf("the open connection ended with the rule: %v", err)
	}
	r.authorize(ssh, false, tcpFrom(0, 65535, "0.0.0.0/0"))
	if _, err := greeting(t, port, patience); err != nil {
		t.Errorf("the guest is not reached after a rule about all ports: %v", err)
	}
}

// greeting connects to the guest's SSH server and reads its version within a
// time.
func greeting(t *testing.T, port *vpc.Port, wait time.Duration) (net.Conn, error) {
	t.Helper()
	c, err := fromHost(t, port, 22)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(wait))
	// Byte by byte: what follows the line stays on the connection.
	var line []byte
	for b := make([]byte, 1); len(line) < 255 && !bytes.HasSuffix(line, []byte("\n")); line = append(line, b[0]) {
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, err
		}
	}
	if !bytes.HasPrefix(line, []byte("SSH-2.0-")) {
		t.Errorf("got greeting %q", line)
	}
	return c, nil
}
