package instancetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/vmie"
)

// patience is how long a test waits for what must happen.
const patience = 5 * time.Minute

// Eventually waits until cond holds, and fails the test if it never does.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		case <-tick.C:
		}
	}
}

// View runs f in a read-only transaction.
func (r *Region) View(f func(*metadb.Tx) error) {
	r.t.Helper()
	if err := r.DB.View(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

// Update runs f in a transaction, whose error it returns.
func (r *Region) Update(f func(*metadb.Tx) error) error {
	return r.DB.Update(context.Background(), f)
}

// Instance reads an instance.
func (r *Region) Instance(region origami.Region, id origami.InstanceID) (i *origami.Instance) {
	r.t.Helper()
	r.View(func(tx *metadb.Tx) (err error) { i, err = tx.Instance(region, metadb.System, id); return err })
	return i
}

// Snapshot reads a snapshot.
func (r *Region) Snapshot(region origami.Region, id origami.SnapshotID) (s *origami.Snapshot) {
	r.t.Helper()
	r.View(func(tx *metadb.Tx) (err error) { s, err = tx.Snapshot(region, metadb.System, id); return err })
	return s
}

// Image reads an image.
func (r *Region) Image(region origami.Region, id origami.ImageID) (i *origami.Image) {
	r.t.Helper()
	r.View(func(tx *metadb.Tx) (err error) { i, err = tx.Image(region, metadb.System, id); return err })
	return i
}

// Volumes reads the volumes of an instance, by slot.
func (r *Region) Volumes(region origami.Region, id origami.InstanceID) []*origami.Volume {
	r.t.Helper()
	var found []*origami.Volume
	r.View(func(tx *metadb.Tx) (err error) { found, err = tx.VolumesOf(region, id); return err })
	out := make([]*origami.Volume, len(found))
	for _, v := range found {
		out[v.Attachments[0].Slot] = v
	}
	return out
}

// Unfinished counts the tasks that are queued or run.
func (r *Region) Unfinished() int {
	r.t.Helper()
	n := 0
	r.View(func(tx *metadb.Tx) error {
		n = 0
		for _, err := range tx.UnfinishedTasks() {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n
}

// WaitIdle waits until no task is queued or runs.
func (r *Region) WaitIdle() {
	r.t.Helper()
	Eventually(r.t, "all tasks end", func() bool { return r.Unfinished() == 0 })
}

// WaitInstance waits until an instance is in a state, and returns it.
func (r *Region) WaitInstance(region origami.Region, id origami.InstanceID, state origami.InstanceState) (i *origami.Instance) {
	r.t.Helper()
	Eventually(r.t, string(id)+" is "+string(state), func() bool {
		i = r.Instance(region, id)
		return i.State == state
	})
	return i
}

// WaitSnapshot waits until a snapshot is no longer pending, and returns it.
func (r *Region) WaitSnapshot(region origami.Region, id origami.SnapshotID) (s *origami.Snapshot) {
	r.t.Helper()
	Eventually(r.t, string(id)+" ends", func() bool {
		s = r.Snapshot(region, id)
		return s.State != origami.SnapshotPending
	})
	return s
}

// WaitImage waits until an image is no longer pending, and returns it.
func (r *Region) WaitImage(region origami.Region, id origami.ImageID) (i *origami.Image) {
	r.t.Helper()
	Eventually(r.t, string(id)+" ends", func() bool {
		i = r.Image(region, id)
		return i.State != origami.ImagePending
	})
	return i
}

// Import makes an available image of a disk with the given content.
func (r *Region) Import(who origami.Caller, name string, content []byte) *origami.Image {
	r.t.Helper()
	img, err := r.VMIE.ImportDisk(context.Background(), who, vmie.Request{Name: name, Format: "raw"},
		bytes.NewReader(content), int64(len(content)), nil)
	if err != nil {
		r.t.Fatalf("import %s: %v", name, err)
	}
	return img
}

// NewVolume makes a volume of size GiB, of a snapshot if id is not empty.
func (r *Region) NewVolume(who origami.Caller, size int64, id origami.SnapshotID) (v *origami.Volume) {
	r.t.Helper()
	err := r.Update(func(tx *metadb.Tx) error {
		spec := ebs.VolumeSpec{Zone: string(who.Region) + "a", Shape: ebs.Shape{Size: size}}
		if id != "" {
			snap, err := tx.Snapshot(who.Region, who.Account, id)
			if err != nil {
				return err
			}
			spec.Snapshot = snap
		}
		var err error
		v, err = r.EBS.NewVolume(tx, who, spec)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// Write writes to a volume as a guest would.
func (r *Region) Write(region origami.Region, id origami.VolumeID, off int64, p []byte) {
	r.t.Helper()
	r.With(region, id, func(v *ebs.Volume) error {
		_, err := v.WriteAt(p, off)
		return err
	})
}

// Read reads n bytes of a volume.
func (r *Region) Read(region origami.Region, id origami.VolumeID, off int64, n int) []byte {
	r.t.Helper()
	p := make([]byte, n)
	r.With(region, id, func(v *ebs.Volume) error {
		_, err := v.ReadAt(p, off)
		return err
	})
	return p
}

// With opens a volume for f.
func (r *Region) With(region origami.Region, id origami.VolumeID, f func(*ebs.Volume) error) {
	r.t.Helper()
	v, err := r.EBS.Open(context.Background(), region, id)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := f(v); err != nil {
		r.t.Errorf("volume %s: %v", id, err)
	}
	if err := v.Close(); err != nil {
		r.t.Error(err)
	}
}
