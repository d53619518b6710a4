package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills the file system below a service: while a guest writes to
// its disks over NBD, while a snapshot is stored, and while a disk is imported.
// The guest sees ENOSPC and goes on; the snapshot and the import end with a
// reason; the service lives, answers, and lost nothing that it acknowledged.
// With space again the same requests succeed, and another service finds
// everything.
//
//origami:proves CreateSnapshot DescribeSnapshots DescribeImages
func TestFullDisk(t *testing.T) {
	mount, err := os.MkdirTemp("/tmp", "origami") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(mount) })
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Run("full", func(t *testing.T) { // ends, and closes the service, before the unmount
		fullDisk(t, installIn(t, mount))
	})
}

func fullDisk(t *testing.T, n *installation) {
	base := random(1, 4<<20)
	image, _ := n.importDisk("base", base)
	answer := n.must("RunInstances", "ImageId", image, "MinCount", "1", "MaxCount", "1", "InstanceType", "m5d.large")
	id := regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`).FindStringSubmatch(answer)[1]
	n.await(id, "running")
	volume := regexp.MustCompile(`<volumeId>(vol-[0-9a-f]+)</volumeId>`).FindStringSubmatch(n.must("DescribeVolumes"))[1]
	guest := dialDisk(t, n, id, volume)
	early := random(2, 12<<20)
	guest.must(nbdWrite, 8<<20, early)
	guest.must(nbdFlush, 0, nil)

	// Room for rows, and not for what is asked for.
	free := n.fill(6 << 20)
	answer = n.must("CreateSnapshot", "VolumeId", volume)
	snapshot := regexp.MustCompile(`<snapshotId>(snap-[0-9a-f]+)</snapshotId>`).FindStringSubmatch(answer)[1]
	n.awaitText("the snapshot fails", "<status>error</status>", "DescribeSnapshots", "SnapshotId.1", snapshot)
	if text := n.must("DescribeSnapshots", "SnapshotId.1", snapshot); !regexp.MustCompile(`<statusMessage>There is no space left on the disk of the service\. [^<]*</statusMessage>`).MatchString(text) {
		t.Errorf("the snapshot does not say why it failed: %s", text)
	}
	file := filepath.Join(t.TempDir(), "disk.raw")
	late := random(3, 24<<20)
	if err := os.WriteFile(file, late, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	err := n.try(t.Context(), &said, "import", file, "--name", "late", "--format", "raw")
	if err == nil || !strings.Contains(err.Error(), "There is no space left on the disk of the service.") {
		t.Errorf("import on a full disk: %v (%s), want an error that names the space", err, said.String())
	}
	if text := n.must("DescribeImages", "Owner.1", "self", "Filter.1.Name", "name", "Filter.1.Value.1", "late"); strings.Contains(text, "<imageState>available</imageState>") {
		t.Errorf("half of an import is available: %s", text)
	}

	// Not even that. The guest writes until it is told.
	free()
	free = n.fill(2 << 20)
	var told error
	acknowledged := 0
	for ; acknowledged < 64 && told == nil; acknowledged++ {
		off := int64(64+acknowledged) << 20
		if told = guest.do(nbdWrite, off, random(uint64(64+acknowledged), 1<<20)); told == nil {
			told = guest.do(nbdFlush, 0, nil)
		}
	}
	acknowledged-- // the last one was not
	if !errors.Is(told, syscall.ENOSPC) {
		t.Errorf("writes on a full disk: %v, want %v", told, syscall.ENOSPC)
	}
	store := dialDisk(t, n, id, "ephemeral0")
	told = nil
	for off := int64(0); off < 64<<20 && told == nil; off += 1 << 20 {
		told = store.do(nbdWrite, off, random(7, 1<<20))
	}
	if !errors.Is(told, syscall.ENOSPC) {
		t.Errorf("writes to an instance store on a full disk: %v, want %v", told, syscall.ENOSPC)
	}
	intact := func(when string) {
		t.Helper()
		guest.want(when, 0, base)
		guest.want(when, 8<<20, early)
		for k := range acknowledged {
			guest.want(when, int64(64+k)<<20, random(uint64(64+k), 1<<20))
		}
	}
	intact("on a full disk")
	n.must("DescribeInstances", "InstanceId.1", id)
	n.must("DescribeImages", "ImageId.1", image)
	// What changes something may fail; it must not take the service along.
	if status, text := n.call("CreateTags", "ResourceId.1", image, "Tag.1.Key", "k", "Tag.1.Value", strings.Repeat("v", 200)); status != http.StatusOK &&
		(status != http.StatusInternalServerError || !strings.Contains(text, "InsufficientVolumeCapacity") || !strings.Contains(text, "There is no space left")) {
		t.Errorf("CreateTags on a full disk: got %d %s, want it done or InsufficientVolumeCapacity", status, text)
	}

	free()
	guest.must(nbdWrite, 256<<20, early)
	guest.must(nbdFlush, 0, nil)
	intact("with space again")
	n.run("import", file, "--name", "late", "--format", "raw")
	answer = n.must("CreateSnapshot", "VolumeId", volume)
	snapshot = regexp.MustCompile(`<snapshotId>(snap-[0-9a-f]+)</snapshotId>`).FindStringSubmatch(answer)[1]
	n.awaitText("the snapshot completes", "<status>completed</status>", "DescribeSnapshots", "SnapshotId.1", snapshot)

	n.end()
	n.start()
	guest = dialDisk(t, n, id, volume)
	intact("after a restart")
	guest.want("after a restart", 256<<20, early)
}

// installIn starts a service in a directory that exists.
func installIn(t *testing.T, dir string) *installation {
	t.Helper()
	n := newInstallation(t, dir)
	n.start()
	t.Cleanup(func() { n.end() })
	return n
}

// fill leaves free bytes on the file system of the service, until the function
// that it returns is called.
func (n *installation) fill(free int64) func() {
	n.t.Helper()
	var stat unix.Statfs_t
	if err := unix.Statfs(n.dir, &stat); err != nil {
		n.t.Fatal(err)
	}
	name := filepath.Join(n.dir, "fill")
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize-free), f.Close())
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return func() {
		n.t.Helper()
		if err := os.Remove(name); err != nil {
			n.t.Fatal(err)
		}
	}
}

// awaitText waits until an answer contains a text.
func (n *installation) awaitText(what, text, action string, params ...string) {
	n.t.Helper()
	pluggable{n}.eventually(what, func() bool { return strings.Contains(n.must(action, params...), text) })
}

// guestDisk is a disk as the guest's machine has it: a connection to the NBD
// server, in the plainest form of the protocol.
type guestDisk struct {
	t *testing.T
	net.Conn
}

// The commands of the NBD protocol that are used here.
const (
	nbdRead = iota
	nbdWrite
	_
	nbdFlush
)

// dialDisk connects to a disk of an instance.
func dialDisk(t *testing.T, n *installation, instance, export string) *guestDisk {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", filepath.Join(n.dir, "run", instance+".nbd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ask := binary.BigEndian.AppendUint32(nil, 3) // fixed newstyle, no zeroes
	ask = append(ask, "IHAVEOPT"...)
	ask = binary.BigEndian.AppendUint32(ask, 1) // NBD_OPT_EXPORT_NAME
	ask = binary.BigEndian.AppendUint32(ask, uint32(len(export)))
	_, err = io.ReadFull(conn, make([]byte, 8+8+2))
	if err == nil {
		_, err = conn.Write(append(ask, export...))
	}
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 8+2)) // size and flags
	}
	if err != nil {
		t.Fatalf("connect to %s: %v", export, err)
	}
	return &guestDisk{t, conn}
}

// do makes one request. p is written, or read into.
func (g *guestDisk) do(command uint16, off int64, p []byte) error {
	req := binary.BigEndian.AppendUint32(nil, 0x25609513)
	req = binary.BigEndian.AppendUint32(req, uint32(command))
	req = binary.BigEndian.AppendUint64(req, 1)
	req = binary.BigEndian.AppendUint64(req, uint64(off))
	req = binary.BigEndian.AppendUint32(req, uint32(len(p)))
	if command == nbdWrite {
		req = append(req, p...)
	}
	if _, err := g.Write(req); err != nil {
		return err
	}
	head := make([]byte, 4+4+8)
	if _, err := io.ReadFull(g, head); err != nil {
		return err
	}
	if e := binary.BigEndian.Uint32(head[4:]); e != 0 {
		return fmt.Errorf("NBD request %d: %w", command, syscall.Errno(e))
	}
	if command == nbdRead {
		_, err := io.ReadFull(g, p)
		return err
	}
	return nil
}

func (g *guestDisk) must(command uint16, off int64, p []byte) {
	g.t.Helper()
	if err := g.do(command, off, p); err != nil {
		g.t.Fatal(err)
	}
}

// want checks what is on the disk.
func (g *guestDisk) want(when string, off int64, want []byte) {
	g.t.Helper()
	got := make([]byte, len(want))
	g.must(nbdRead, off, got)
	if !bytes.Equal(got, want) {
		g.t.Errorf("%s the disk has other bytes at %d than were written", when, off)
	}
}
