package ebs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"origami"
	"origami/disk"
	"origami/disk/qcow2"
	"origami/disk/raw"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

func nothing(disk.Progress, blockstore.WriterStats) {}

// TestIngestIsTheSameForAllFormats stores one disk as raw and as qcow2.
//
//origami:proves S41
func TestIngestIsTheSameForAllFormats(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	content := append(make([]byte, 3*block), noise(1, 2*block)...)
	content = append(content, make([]byte, 5*block+512)...)
	flat, err := raw.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.EBS.Ingest(t.Context(), flat, "", nothing)
	if err != nil {
		t.Fatal(err)
	}
	if first.FullSize != 2*block || first.Root.Size != ebs.GiB {
		t.Errorf("stored %+v", first)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "disk.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := qcow2.Create(file, int64(len(content)), qcow2.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Copy(t.Context(), w, flat, func(disk.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	cow, err := qcow2.Open(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer cow.Close()
	second, err := r.EBS.Ingest(t.Context(), cow, "", nothing)
	if err != nil {
		t.Fatal(err)
	}
	if first.Root != second.Root {
		t.Errorf("raw became %v, qcow2 %v", first.Root, second.Root)
	}
}

// failing is a disk that cannot be read to its end.
type failing struct {
	disk.Image
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= 2*block {
		return 0, f.err
	}
	return f.Image.ReadAt(p, off)
}

// TestIngestFails leaves no content when a disk cannot be read or is too large.
func TestIngestFails(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	flat, err := raw.Open(bytes.NewReader(noise(1, 4*block)), 4*block)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := r.EBS.Ingest(t.Context(), failing{flat, broken}, "", nothing); !errors.Is(err, broken) {
		t.Errorf("a disk that cannot be read: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.EBS.Ingest(gone, flat, "", nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	if _, err := r.EBS.Ingest(t.Context(), huge{flat}, "", nothing); err == nil {
		t.Error("a disk of more than 64 TiB was stored")
	}
}

type huge struct{ disk.Image }

func (huge) Size() int64 { return disk.MaxSize + 512 }

// TestPromisedSnapshots gives promised snapshots their end, twice.
func TestPromisedSnapshots(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	flat, err := raw.Open(bytes.NewReader(noise(1, block)), block)
	if err != nil {
		t.Fatal(err)
	}
	content, err := r.EBS.Ingest(t.Context(), flat, "", nothing)
	if err != nil {
		t.Fatal(err)
	}
	var good, bad *origami.Snapshot
	err = r.Update(func(tx *metadb.Tx) (err error) {
		if good, err = r.EBS.NewSnapshot(tx, alice, 1, "good", nil); err == nil {
			bad, err = r.EBS.NewSnapshot(tx, alice, 1, "bad", nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = r.Update(func(tx *metadb.Tx) error {
			return errors.Join(
				r.EBS.CompleteSnapshot(tx, region, good.ID, content), r.EBS.FailSnapshot(tx, region, good.ID, "too late"),
				r.EBS.FailSnapshot(tx, region, bad.ID, "no luck"), r.EBS.CompleteSnapshot(tx, region, bad.ID, content),
				r.EBS.FailSnapshot(tx, region, "snap-0123456789abcdef0", "deleted meanwhile"),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := completed(t, r, good.ID); got.Volume != origami.NoVolume || got.StateMessage != "" {
		t.Errorf("good ended as %+v", got)
	}
	if got := r.Snapshot(region, bad.ID); got.State != origami.SnapshotError || got.StateMessage != "no luck" || got.Root != "" {
		t.Errorf("bad ended as %+v", got)
	}
}
