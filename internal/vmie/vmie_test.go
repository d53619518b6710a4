package vmie_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/disk"
	"origami/disk/qcow2"
	"origami/disk/raw"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmie"
)

var (
	alice  = instancetest.Alice
	bob    = instancetest.Bob
	region = alice.Region
)

func wantError(t *testing.T, err error, code origami.Code, text string) {
	t.Helper()
	var e *origami.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("got %v\nwant %s: …%s…", err, code, text)
	}
}

// noise is n bytes that do not compress.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// convert writes a disk as qcow2.
func convert(t *testing.T, content []byte) []byte {
	t.Helper()
	src, err := raw.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "disk.qcow2")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := qcow2.Create(f, int64(len(content)), qcow2.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Copy(t.Context(), w, src, func(disk.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rows counts the images and snapshots of all accounts.
func rows(r *instancetest.Region) (images, snapshots int) {
	r.View(func(tx *metadb.Tx) error {
		for _, err := range tx.AllImages() {
			if err != nil {
				return err
			}
			images++
		}
		for _, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			snapshots++
		}
		return nil
	})
	return images, snapshots
}

// none fails the test if an import left something.
func none(t *testing.T, r *instancetest.Region) {
	t.Helper()
	if images, snapshots := rows(r); images+snapshots != 0 {
		t.Errorf("%d images and %d snapshots are left", images, snapshots)
	}
}

// TestImport imports one disk in two formats.
//
//origami:proves S41 S55
func TestImport(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	content := append(make([]byte, 1<<20), noise(1<<20)...)
	var roots []string
	for _, tt := range []struct {
		name, format string
		file         []byte
	}{{"flat", "raw", content}, {"cow", "qcow2", convert(t, content)}} {
		for _, given := range []string{"", tt.format} {
			if given == "" && tt.format == "raw" {
				continue // noise could be anything
			}
			var seen []vmie.Progress
			img, err := r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{
				Name: tt.name + given, Description: "from outside", Format: given, Tags: origami.Tags{"k": "v"},
			}, bytes.NewReader(tt.file), int64(len(tt.file)), func(p vmie.Progress) { seen = append(seen, p) })
			if err != nil {
				t.Fatal(err)
			}
			snap := r.Snapshot(region, img.Snapshots()[0])
			yes, no := true, false
			want := &origami.Image{
				ID: img.ID, Region: region, Owner: alice.Account, Name: tt.name + given, Description: "from outside", Location: "111111111111/" + tt.name + given,
				State: origami.ImageAvailable, Created: img.Created, ImageType: "machine", Architecture: origami.X8664, VirtualizationType: origami.HVM,
				Hypervisor: "xen", RootDeviceType: "ebs", RootDeviceName: "/dev/sda1", ENASupport: true, PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
				BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{
					Snapshot: snap.ID, VolumeSize: 1, VolumeType: origami.GP2, DeleteOnTermination: &yes, Encrypted: &no,
				}}},
			}
			if d := cmp.Diff(img, want); d != "" {
				t.Error(d)
			}
			if snap.State != origami.SnapshotCompleted || snap.Volume != origami.NoVolume || snap.FullSize != 1<<20 || snap.Progress != 100 ||
				snap.Description != "Created by import for "+string(img.ID) {
				t.Errorf("the snapshot is %+v", snap)
			}
			roots = append(roots, snap.Root)
			for n, p := range seen {
				if p.Image != img.ID || p.Snapshot != snap.ID || p.Format != tt.format || p.Total != 2<<20 || p.Done > p.Total ||
					n > 0 && (p.Done < seen[n-1].Done || p.Data < seen[n-1].Data || p.Stored < seen[n-1].Stored) {
					t.Errorf("progress %d is %+v", n, p)
				}
			}
			if last := seen[len(seen)-1]; last.Done != 2<<20 || last.Data < 1<<20 {
				t.Errorf("the last progress is %+v", last)
			}
		}
	}
	for _, root := range roots {
		if root != roots[0] {
			t.Error("one disk has several roots")
		}
	}
}

// TestImportChecks refuses requests and disks, and leaves nothing of them.
//
//origami:proves S41
func TestImportChecks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	good := noise(1 << 20)
	cow := convert(t, good)
	backed := bytes.Clone(cow)
	copy(backed[8:], []byte{0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 11}) // a backing file
	mapped := bytes.Clone(cow)
	clear(mapped[40:48]) // the L1 table lies in the header
	for _, tt := range []struct {
		name string
		r    vmie.Request
		file []byte
		code origami.Code
		text string
	}{
		{"no name", vmie.Request{}, good, origami.CodeMissingParameter, "Name"},
		{"bad name", vmie.Request{Name: "a:b"}, good, origami.CodeInvalidAMINameMalformed, ""},
		{"long description", vmie.Request{Name: "disk", Description: strings.Repeat("d", 256)}, good, origami.CodeInvalidParameterValue, "description"},
		{"architecture", vmie.Request{Name: "disk", Architecture: "vax"}, good, origami.CodeInvalidParameterValue, "vax"},
		{"tag", vmie.Request{Name: "disk", Tags: origami.Tags{"aws:x": ""}}, good, origami.CodeInvalidParameterValue, ""},
		{"empty file", vmie.Request{Name: "disk", Format: "raw"}, nil, "InvalidFormat", ""},
		{"unknown format", vmie.Request{Name: "disk", Format: "floppy"}, good, "InvalidFormat", "floppy"},
		{"not what it says", vmie.Request{Name: "disk", Format: "qcow2"}, good, "InvalidFormat", ""},
		{"backing file", vmie.Request{Name: "disk"}, backed, "InvalidFormat", "backing"},
		{"truncated header", vmie.Request{Name: "disk"}, cow[:60], "InvalidFormat", ""},
		{"truncated data", vmie.Request{Name: "disk"}, cow[:len(cow)-300_000], "InvalidFormat", ""},
		{"table in the header", vmie.Request{Name: "disk"}, mapped, "InvalidFormat", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.VMIE.ImportDisk(t.Context(), alice, tt.r, bytes.NewReader(tt.file), int64(len(tt.file)), nil)
			wantError(t, err, tt.code, tt.text)
			none(t, r)
		})
	}
	if _, err := r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{Name: "disk", Format: "raw"}, bytes.NewReader(good), 1<<20, nil); err != nil {
		t.Fatalf("the name after failures: %v", err)
	}
	_, err := r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{Name: "disk", Format: "raw"}, bytes.NewReader(good), 1<<20, nil)
	wantError(t, err, origami.CodeInvalidAMINameDuplicate, "AMI name disk is already in use by AMI ami-")
	if _, err := r.VMIE.ImportDisk(t.Context(), bob, vmie.Request{Name: "disk", Format: "raw"}, bytes.NewReader(good), 1<<20, nil); err != nil {
		t.Errorf("the name in another account: %v", err)
	}
	r.WaitIdle()
}

// failing is a file whose end cannot be read.
type failing struct{ io.ReaderAt }

var errBroken = errors.New("medium error")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= 1<<20 && off < 2<<20 { // not where formats are told by
		return 0, errBroken
	}
	return f.ReaderAt.ReadAt(p, off)
}

// panicking is a file whose reader has a mistake.
type panicking struct{ io.ReaderAt }

func (f panicking) ReadAt(p []byte, off int64) (int, error) {
	if off >= 1<<20 && off < 2<<20 { // not where formats are told by
		panic("index out of range")
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestUnreadable imports files that cannot be read to their end.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	file := bytes.NewReader(noise(4 << 20))
	_, err := r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{Name: "broken", Format: "raw"}, failing{file}, 4<<20, nil)
	if !errors.Is(err, errBroken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
	r.WaitIdle()
	none(t, r)

	_, err = r.VMIE.ImportDisk(t.Context(), alice, vmie.Request{Name: "mistaken", Format: "raw"}, panicking{file}, 4<<20, nil)
	if err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("a reader that panics: %v", err)
	}
	r.WaitIdle()
	none(t, r)
}

// blocked is a region whose store waits, and a channel that tells when it does.
func blocked(t *testing.T) (*instancetest.Region, <-chan struct{}) {
	t.Helper()
	reached := make(chan struct{})
	var once sync.Once
	return instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{
		Commit: func(ctx context.Context, _ string) error {
			once.Do(func() { close(reached) })
			<-ctx.Done()
			return ctx.Err()
		},
	}}), reached
}

// begin begins an import that lasts.
func begin(ctx context.Context, r *instancetest.Region, name string) <-chan error {
	done := make(chan error, 1)
	go func() {
		file := noise(4 << 20)
		_, err := r.VMIE.ImportDisk(ctx, alice, vmie.Request{Name: name, Format: "raw"}, bytes.NewReader(file), int64(len(file)), nil)
		done <- err
	}()
	return done
}

// TestClientLeaves cancels an import under way, and one that waits for its
// turn.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	r, reached := blocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := begin(ctx, r, "one")
	<-reached
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the import ended with %v", err)
	}
	r.WaitIdle()
	none(t, r)

	idle := instancetest.New(t, instancetest.Config{Idle: true})
	ctx, cancel = context.WithCancel(t.Context())
	done = begin(ctx, idle, "two")
	instancetest.Eventually(t, "the import is queued", func() bool { return idle.Unfinished() == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the import ended with %v", err)
	}
	none(t, idle)
	idle.Serve()
	idle.WaitIdle()
}

// TestDeregisterDuringImport cancels an import by deregistering its image.
//
//origami:proves DeregisterImage
func TestDeregisterDuringImport(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	done := begin(t.Context(), r, "one")
	var id origami.ImageID
	instancetest.Eventually(t, "the image is promised", func() bool {
		r.View(func(tx *metadb.Tx) error {
			for img, err := range tx.AllImages() {
				if err != nil {
					return err
				}
				id = img.ID
			}
			return nil
		})
		return id != ""
	})
	if got := r.Image(region, id).State; got != origami.ImagePending {
		t.Errorf("the image is %s", got)
	}
	err := r.Update(func(tx *metadb.Tx) error {
		_, err := r.AMI.Deregister(tx, alice, id, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Serve()
	wantError(t, <-done, origami.CodeInvalidAMIIDUnavailable, string(id))
	if _, snapshots := rows(r); snapshots != 0 {
		t.Error("the snapshot is left")
	}
}

// TestInterrupted ends the process in the middle of an import. After a kill the
// image says why it failed; after a shutdown nothing is left.
//
//origami:proves S16
func TestInterrupted(t *testing.T) {
	t.Parallel()
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		r, reached := blocked(t)
		begin(t.Context(), r, "one")
		<-reached
		next := r.Kill(instancetest.Config{})
		next.WaitIdle()
		var img *origami.Image
		next.View(func(tx *metadb.Tx) error {
			for i, err := range tx.AllImages() {
				if err != nil {
					return err
				}
				img = i
			}
			return nil
		})
		if img == nil || img.State != origami.ImageFailed || img.StateReason == nil || !strings.Contains(img.StateReason.Message, "interrupted because the service stopped") {
			t.Fatalf("the image is %+v", img)
		}
		if snap := next.Snapshot(region, img.Snapshots()[0]); snap.State != origami.SnapshotError || !strings.Contains(snap.StateMessage, "import the disk again") {
			t.Errorf("the snapshot is %+v", snap)
		}
		err := next.Update(func(tx *metadb.Tx) error {
			_, err := next.AMI.Deregister(tx, alice, img.ID, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		next.Import(alice, "one", noise(4<<20))
	})
	t.Run("shutdown", func(t *testing.T) {
		t.Parallel()
		r, reached := blocked(t)
		done := begin(t.Context(), r, "one")
		<-reached
		next := r.Restart(instancetest.Config{})
		if err := <-done; err == nil {
			t.Error("the import succeeded")
		}
		next.WaitIdle()
		none(t, next)
	})
}
