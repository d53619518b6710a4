package ebs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// spots are the units of a disk that the model writes to: some share a block,
// some lie below another leaf of the manifest, one is the last of the disk.
var spots = []int64{
	0, 1 * overlay.UnitSize, 127 * overlay.UnitSize, block, block + 5*overlay.UnitSize,
	300 * block, 300*block + 127*overlay.UnitSize, 301 * block, ebs.GiB - overlay.UnitSize,
}

// content is what the spots of a disk hold: a number, 0 for zeros, torn for
// parts of two, as a write that failed may leave them.
type content [9]uint32

const torn = ^uint32(0)

// unitOf is the unit that a number stands for.
func unitOf(n uint32) []byte {
	p := make([]byte, overlay.UnitSize)
	if n != 0 {
		for i := 0; i < len(p); i += 8 {
			binary.LittleEndian.PutUint32(p[i:], n)
			binary.LittleEndian.PutUint32(p[i+4:], uint32(i))
		}
	}
	return p
}

// readContent reads the spots of a disk.
func readContent(img interface {
	ReadAt([]byte, int64) (int, error)
}) (content, error) {
	var c content
	p := make([]byte, overlay.UnitSize)
	for i, off := range spots {
		if n, err := img.ReadAt(p, off); n != len(p) {
			return c, fmt.Errorf("read at %d: %w", off, err)
		}
		c[i] = binary.LittleEndian.Uint32(p)
		if !bytes.Equal(p, unitOf(c[i])) {
			c[i] = torn
		}
	}
	return c, nil
}

// diskOf is a disk of the content, to ingest.
type diskOf content

func (d diskOf) Size() int64  { return ebs.GiB }
func (d diskOf) Close() error { return nil }
func (d diskOf) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for i, at := range spots {
		from, to := max(at, off), min(at+overlay.UnitSize, off+int64(len(p)))
		if from < to {
			copy(p[from-off:], unitOf(d[i])[from-at:to-at])
		}
	}
	return len(p), nil
}

func (d diskOf) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		for i, at := range spots {
			if d[i] == 0 || at+overlay.UnitSize <= off {
				continue
			}
			if off < at && !yield(disk.Extent{Off: off, Len: at - off, Zero: true}, nil) {
				return
			}
			off = max(off, at)
			if !yield(disk.Extent{Off: off, Len: at + overlay.UnitSize - off}, nil) {
				return
			}
			off = at + overlay.UnitSize
		}
		if off < ebs.GiB {
			yield(disk.Extent{Off: off, Len: ebs.GiB - off, Zero: true}, nil)
		}
	}
}

// volumeModel is what a volume may hold after a crash: of each spot what was
// flushed last and what was written since, of which the last is what it holds
// now.
type volumeModel [9][]uint32

func modelOf(c content) *volumeModel {
	m := new(volumeModel)
	for i, n := range c {
		m[i] = []uint32{n}
	}
	return m
}

func (m *volumeModel) now() content {
	var c content
	for i, may := range m {
		c[i] = may[len(may)-1]
	}
	return c
}

func (m *volumeModel) flushed() { *m = *modelOf(m.now()) }

// client does random things to volumes and snapshots, and knows what was
// acknowledged.
type client struct {
	rng       *rand.Rand
	w         *world
	volumes   map[origami.VolumeID]*volumeModel
	open      map[origami.VolumeID]*ebs.Volume
	snapshots map[origami.SnapshotID]content // acknowledged
	unsure    map[origami.SnapshotID]content // being deleted in a crash: there or not
	keys      []string                       // of alice's
	next      uint32
	history   []string // what was done, for people
}

func newClient(rng *rand.Rand, w *world) *client {
	return &client{
		rng: rng, w: w, volumes: make(map[origami.VolumeID]*volumeModel), open: make(map[origami.VolumeID]*ebs.Volume),
		snapshots: make(map[origami.SnapshotID]content), unsure: make(map[origami.SnapshotID]content),
	}
}

func pick[K ~string, V any](rng *rand.Rand, m map[K]V) K {
	keys := slices.Sorted(maps.Keys(m))
	return keys[rng.IntN(len(keys))]
}

// note adds to the history.
func (c *client) note(format string, args ...any) {
	c.history = append(c.history, fmt.Sprintf(format, args...))
}

// step does one thing. An error says that it was not acknowledged.
func (c *client) step() error {
	const volumes, snapshots = 3, 6
	if len(c.volumes) == 0 {
		return c.newVolume()
	}
	switch k := c.rng.IntN(100); {
	case k < 45:
		return c.write()
	case k < 60:
		return c.flush()
	case k < 75 && len(c.snapshots) < snapshots:
		return c.snapshot()
	case k < 83 && len(c.snapshots) > 0:
		return c.deleteSnapshot()
	case k < 89 && len(c.snapshots) < snapshots:
		return c.ingest()
	case k < 91 && len(c.volumes) < volumes:
		return c.newVolume()
	case k < 94 && len(c.volumes) < volumes:
		return c.copyVolume()
	case k < 95:
		return c.dropVolume()
	case k < 97:
		return c.closeVolume(pick(c.rng, c.volumes))
	}
	return c.w.settle()
}

// volume is an open volume.
func (c *client) volume(id origami.VolumeID) (*ebs.Volume, error) {
	if v := c.open[id]; v != nil {
		return v, nil
	}
	v, err := c.w.ebs.Open(context.Background(), region, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeIncorrectState}) { // a copy that is being made
		if err := c.w.settle(); err != nil {
			return nil, err
		}
		v, err = c.w.ebs.Open(context.Background(), region, id)
	}
	if err == nil {
		c.open[id] = v
	}
	return v, err
}

func (c *client) write() error {
	id := pick(c.rng, c.volumes)
	v, err := c.volume(id)
	if err != nil {
		return err
	}
	c.next++
	spot, n := c.rng.IntN(len(spots)), c.next
	if c.rng.IntN(4) == 0 {
		n = 0
	}
	m := c.volumes[id]
	was := m[spot][len(m[spot])-1]
	m[spot] = append(m[spot], n)
	if n == 0 && c.rng.IntN(2) == 0 {
		err = v.WriteZeroes(spots[spot], overlay.UnitSize)
	} else {
		_, err = v.WriteAt(unitOf(n), spots[spot])
	}
	if err != nil {
		m[spot] = append(m[spot], was) // it may hold either
	}
	c.note("write %d to spot %d of %s: %v", n, spot, id, err)
	return err
}

func (c *client) flush() error {
	id := pick(c.rng, c.volumes)
	v, err := c.volume(id)
	if err == nil {
		err = v.Flush()
	}
	if err == nil {
		c.volumes[id].flushed()
	}
	c.note("flush %s: %v", id, err)
	return err
}

func (c *client) closeVolume(id origami.VolumeID) error {
	v := c.open[id]
	if v == nil {
		return nil
	}
	delete(c.open, id)
	// Nothing is flushed if the task of a snapshot has it open too.
	err := v.Close()
	c.note("close %s: %v", id, err)
	return err
}

func (c *client) snapshot() error {
	id := pick(c.rng, c.volumes)
	snap, err := c.w.ebs.CreateSnapshot(context.Background(), alice, ebs.SnapshotSpec{Volume: id})
	c.note("snapshot of %s: %+v, %v", id, snap, err)
	if errors.Is(err, &origami.Error{Code: origami.CodeIncorrectState}) { // of a copy that is being made
		return nil
	}
	if err != nil {
		return err
	}
	c.volumes[id].flushed()
	c.snapshots[snap.ID] = c.volumes[id].now()
	return nil
}

func (c *client) deleteSnapshot() error {
	id := pick(c.rng, c.snapshots)
	c.unsure[id] = c.snapshots[id]
	delete(c.snapshots, id)
	err := c.w.db.Update(context.Background(), func(tx *metadb.Tx) error { return c.w.ebs.DeleteSnapshot(tx, alice, id) })
	if err == nil {
		delete(c.unsure, id)
	}
	return err
}

func (c *client) ingest() error {
	var want content
	for i := range want {
		if c.rng.IntN(2) == 0 {
			c.next++
			want[i] = c.next
		}
	}
	got, err := c.w.ebs.Ingest(context.Background(), diskOf(want), "", func(disk.Progress, blockstore.WriterStats) {})
	if err != nil {
		return err
	}
	var snap *origami.Snapshot
	err = c.w.db.Update(context.Background(), func(tx *metadb.Tx) (err error) {
		if snap, err = c.w.ebs.NewSnapshot(tx, alice, 1, "", nil); err != nil {
			return err
		}
		return c.w.ebs.CompleteSnapshot(tx, region, snap.ID, got)
	})
	c.note("ingest %v: %v, %v", want, got.Root, err)
	if err == nil {
		c.snapshots[snap.ID] = want
	}
	return err
}

// newVolume makes a volume, of a completed snapshot if there is one.
func (c *client) newVolume() error {
	all, err := c.w.snapshots()
	if err != nil {
		return err
	}
	spec := ebs.VolumeSpec{Zone: "a", Shape: ebs.Shape{Size: 1}}
	var holds content
	if len(c.snapshots) > 0 && c.rng.IntN(3) > 0 {
		id := pick(c.rng, c.snapshots)
		if snap := all[id]; snap != nil && snap.State == origami.SnapshotCompleted {
			spec.Snapshot, holds = snap, c.snapshots[id]
		}
	}
	var wish ebs.Encryption
	if key := c.rng.IntN(4); key < len(c.keys) {
		wish = ebs.Encryption{Encrypted: new(bool), Key: c.keys[key]}
		*wish.Encrypted = true
	}
	var v *origami.Volume
	err = c.w.db.Update(context.Background(), func(tx *metadb.Tx) (err error) {
		if spec.Secrecy, err = c.w.ebs.Restore(tx, alice, spec.Snapshot, wish); err != nil {
			return err
		}
		v, err = c.w.ebs.NewVolume(tx, alice, spec)
		return err
	})
	if err == nil {
		c.note("volume %s with key %q holds %v", v.ID, v.KMSKey, holds)
		c.volumes[v.ID] = modelOf(holds)
	}
	return err
}

// copyVolume copies a volume, to one with its key or another.
func (c *client) copyVolume() error {
	id := pick(c.rng, c.volumes)
	r := ebs.VolumeCopyRequest{Source: id}
	if key := c.rng.IntN(4); key < len(c.keys) {
		r.Encryption.Key = c.keys[key]
	}
	v, err := c.w.ebs.CopyVolume(context.Background(), alice, r)
	c.note("copy of %s: %+v, %v", id, v, err)
	var e *origami.Error
	if errors.As(err, &e) {
		switch e.Code {
		case "ConcurrentCopyVolumeLimitExceeded", origami.CodeIncorrectState: // earlier ones are under way
			return nil
		}
	}
	if err != nil {
		return err
	}
	c.volumes[id].flushed()
	c.volumes[v.ID] = modelOf(c.volumes[id].now())
	return nil
}

func (c *client) dropVolume() error {
	id := pick(c.rng, c.volumes)
	if err := c.closeVolume(id); err != nil {
		return err
	}
	delete(c.volumes, id)
	return c.w.db.Update(context.Background(), func(tx *metadb.Tx) error {
		v, err := tx.Volume(region, alice.Account, id)
		if err != nil {
			return err
		}
		return c.w.ebs.DropVolume(tx, v)
	})
}

// check compares everything with the model, after the work that was promised
// has ended.
func (c *client) check() error {
	all, err := c.w.snapshots()
	if err != nil {
		return err
	}
	for id := range c.snapshots {
		if all[id] == nil {
			return fmt.Errorf("snapshot %s was acknowledged and is gone", id)
		}
	}
	for id, snap := range all {
		want, known := c.snapshots[id]
		if maybe, ok := c.unsure[id]; ok {
			// Its deletion was not acknowledged.
			want, known = maybe, true
			c.snapshots[id] = maybe
		}
		if err := c.checkSnapshot(snap, want, known); err != nil {
			return fmt.Errorf("snapshot %s: %w", id, err)
		}
	}
	clear(c.unsure)
	for id, m := range c.volumes {
		if err := c.checkVolume(id, m); err != nil {
			return fmt.Errorf("volume %s: %w", id, err)
		}
	}
	return c.checkKeys()
}

// checkKeys finds every volume on a disk that is encrypted as it is.
func (c *client) checkKeys() error {
	held, err := c.w.ebs.Holdings(context.Background())
	if err != nil {
		return err
	}
	for _, h := range held {
		for _, v := range h.Volumes {
			if h.Root != (blockstore.Root{}) && string(h.Root.Domain) != v.KMSKey || v.Rekey != nil {
				return fmt.Errorf("volume %s with key %q holds %v and is to be encrypted: %v", v.ID, v.KMSKey, h.Root, v.Rekey != nil)
			}
		}
	}
	return nil
}

// checkSnapshot reads a snapshot. One that was never acknowledged must be whole
// too, if it is completed.
func (c *client) checkSnapshot(snap *origami.Snapshot, want content, known bool) error {
	if snap.State != origami.SnapshotCompleted {
		return fmt.Errorf("is %s: %s", snap.State, snap.StateMessage)
	}
	root, err := blockstore.ParseRoot(snap.Root)
	if err != nil {
		return err
	}
	// Every block that holds data has a spot and is read below. Sometimes the
	// store looks for itself.
	if c.rng.IntN(10) == 0 {
		damage, err := c.w.store.Verify(context.Background(), root)
		if err != nil || len(damage) > 0 {
			return fmt.Errorf("damage %v, %w", damage, err)
		}
	}
	img, err := c.w.store.Image(context.Background(), root)
	if err != nil {
		return err
	}
	got, err := readContent(img)
	if err == nil && known && got != want {
		err = fmt.Errorf("holds %v, want %v", got, want)
	}
	if !known {
		c.snapshots[snap.ID] = got
	}
	return err
}

// checkVolume reads a volume: each spot is one that it may be. From there the
// model goes on.
func (c *client) checkVolume(id origami.VolumeID, m *volumeModel) error {
	v, err := c.volume(id)
	if err != nil {
		return err
	}
	got, err := readContent(v)
	if err != nil {
		return err
	}
	for i, n := range got {
		if !slices.Contains(m[i], n) {
			return fmt.Errorf("spot %d holds %d, want one of %v", i, n, m[i])
		}
		m[i] = append(m[i], n)
	}
	return nil
}

// TestCrash does random things to volumes and snapshots, cuts the power after a
// random number of changes of the file system, in the middle of whatever goes
// on, in calls as in tasks, and sometimes again while the service starts. Then
// every snapshot that was acknowledged completes with the bytes of its instant,
// every completed one is whole, and volumes hold what was flushed, or written
// since. Volumes and snapshots have keys, or none: in the end everything is
// encrypted with its own.
func TestCrash(t *testing.T) {
	t.Parallel()
	const sequences, crashes = 24, 14
	var points atomic.Int64
	var all errgroup.Group
	all.SetLimit(8) // they mostly wait: for tasks that are tried again, and the like
	for seed := range uint64(sequences) {
		database := databaseDir(t)
		all.Go(func() error {
			n, err := crashes1(database, rand.New(rand.NewPCG(seed, 3)), crashes)
			points.Add(int64(n))
			if err != nil {
				return fmt.Errorf("seed %d, crash %d: %w", seed, n, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crash points", points.Load())
}

// newKeys makes keys of alice's.
func newKeys(w *world, n int) (arns []string, err error) {
	for range n {
		k, err := w.kms.CreateKey(context.Background(), kms.Access{Caller: alice}, kms.NewKey{})
		if err != nil {
			return nil, err
		}
		arns = append(arns, k.ARN())
	}
	return arns, nil
}

// crashes1 is one sequence of crashes.
func crashes1(database string, rng *rand.Rand, crashes int) (points int, err error) {
	fs, err := disks()
	if err != nil {
		return 0, err
	}
	w, err := boot(database, fs, newBarrier(fs))
	if err != nil {
		return 0, err
	}
	c := newClient(rng, w)
	if c.keys, err = newKeys(w, 2); err != nil {
		return 0, err
	}
	for points < crashes {
		w.barrier.shutAfter(rng.IntN(100))
		if err := c.untilShut(); err != nil {
			return points, err
		}
		clear(c.open)
		c.note("crash")
		var more int
		w, more, err = reboot(database, rng, w)
		points += more
		if err != nil {
			return points, err
		}
		c.w = w
		if err := c.check(); err != nil {
			return points, fmt.Errorf("%w\n%s", err, strings.Join(c.history, "\n"))
		}
	}
	for _, v := range c.open {
		_ = v.Close()
	}
	return points, w.close()
}

// untilShut does things until the barrier has shut, and ends the process there.
func (c *client) untilShut() error {
	for {
		ended := make(chan error, 1)
		go func() { ended <- c.step() }()
		var err error
		select {
		case <-c.w.barrier.shut:
			c.w.die(func() { <-ended })
			return nil
		case err = <-ended:
		}
		select {
		case <-c.w.barrier.shut:
			c.w.die(func() {})
			return nil
		default:
		}
		if err != nil {
			return err
		}
	}
}

// reboot starts the service on what a crash leaves, perhaps with more crashes
// while it starts, and waits until it has done all that it had promised.
func reboot(database string, rng *rand.Rand, w *world) (*world, int, error) {
	for points := 1; ; points++ {
		fs := w.disk.Crash(rng.Uint64())
		b := newBarrier(fs)
		again := points < 4 && rng.IntN(4) == 0
		if again {
			b.shutAfter(rng.IntN(60))
		}
		after, err := boot(database, fs, b)
		if err == nil {
			if err = after.settle(); err == nil && b.open() {
				return after, points, nil
			}
			after.die(func() {})
		}
		if err != nil && !errors.Is(err, errDied) {
			return nil, points, err
		}
		w = &world{disk: fs}
	}
}
