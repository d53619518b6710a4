package ebs_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// newKey makes a KMS key of Alice's.
func newKey(t *testing.T, r *instancetest.Region) string {
	t.Helper()
	k, err := r.KMS.CreateKey(t.Context(), kms.Access{Caller: alice}, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	return k.ARN()
}

// sealedVolumes makes volumes of a snapshot with a key, in one transaction.
func sealedVolumes(t *testing.T, r *instancetest.Region, snap *origami.Snapshot, key string, n int) []*origami.Volume {
	t.Helper()
	var all []*origami.Volume
	err := r.Update(func(tx *metadb.Tx) error {
		all = nil
		yes := true
		for range n {
			secrecy, err := r.EBS.Restore(tx, alice, snap, ebs.Encryption{Encrypted: &yes, Key: key})
			if err != nil {
				return err
			}
			v, err := r.EBS.NewVolume(tx, alice, ebs.VolumeSpec{Zone: string(region) + "a", Snapshot: snap, Secrecy: secrecy})
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// read is how many blocks of noise f has read of the store. Nodes of trees are
// small beside them.
func read(r *instancetest.Region, f func()) int64 {
	before := r.Store.Stats().BytesRead
	f()
	return (r.Store.Stats().BytesRead - before) / block
}

// scattered is a snapshot with one block in each of n leaves of its tree.
func scattered(t *testing.T, r *instancetest.Region, n int) *origami.Snapshot {
	t.Helper()
	v := r.NewVolume(alice, 1, "")
	for i := range n {
		r.Write(region, v.ID, int64(i)*leaf, noise(uint64(i), block))
	}
	return completed(t, r, take(t, r, alice, v.ID).ID)
}

// leaf is what a leaf of the tree of a disk spans.
const leaf = 256 * block

// TestEqualVolumesAreEncryptedOnce makes many volumes of one snapshot with one key:
// its blocks are read and encrypted once, and every volume stands on the result.
//
//origami:proves CreateVolume RunInstances S84
func TestEqualVolumesAreEncryptedOnce(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	const leaves = 6
	snap := scattered(t, r, leaves)
	key := newKey(t, r)
	var all []*origami.Volume
	if n := read(r, func() {
		all = sealedVolumes(t, r, snap, key, 10)
		r.WaitIdle()
	}); n != leaves {
		t.Errorf("ten volumes at once read %d blocks, want %d", n, leaves)
	}
	if n := read(r, func() {
		all = append(all, sealedVolumes(t, r, snap, key, 1)...)
		r.WaitIdle()
	}); n != 0 {
		t.Errorf("one more read %d blocks", n)
	}
	first := row(t, r, all[0].ID).Rekeyed
	for _, v := range all {
		now := row(t, r, v.ID)
		if now.Rekey != nil || now.Rekeyed == nil || *now.Rekeyed != *first || first.From != snap.Root {
			t.Errorf("%s: %+v, %+v, want %+v", v.ID, now.Rekey, now.Rekeyed, first)
		}
		if got := r.Read(region, v.ID, 2*leaf, block); !slices.Equal(got, noise(2, block)) {
			t.Errorf("%s holds something else", v.ID)
		}
	}
	// They are volumes of their own.
	r.Write(region, all[1].ID, 0, noise(77, block))
	if got := r.Read(region, all[0].ID, 0, block); !slices.Equal(got, noise(0, block)) {
		t.Error("what was written to one volume is in another")
	}
}

// TestOnlyWhatLivesIsShared makes volumes that no living volume with the same
// beginning and key stands beside: each is encrypted by itself.
func TestOnlyWhatLivesIsShared(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	const leaves = 3
	snap, other := scattered(t, r, leaves), scattered(t, r, leaves+1)
	key := newKey(t, r)
	want := func(what string, blocks int64, snap *origami.Snapshot, key string) *origami.Volume {
		t.Helper()
		var v *origami.Volume
		if n := read(r, func() {
			v = sealedVolumes(t, r, snap, key, 1)[0]
			r.WaitIdle()
		}); n != blocks {
			t.Errorf("%s: %d blocks were read, want %d", what, n, blocks)
		}
		return v
	}
	first := want("the first", leaves, snap, key)
	want("another snapshot", leaves+1, other, key)
	want("another key", leaves, snap, newKey(t, r))

	// One that goes on to the disk of a snapshot of its own keeps its first one no longer.
	r.Write(region, first.ID, 0, noise(50, block))
	completed(t, r, take(t, r, alice, first.ID).ID)
	r.WaitIdle()
	second := want("after the first went on", leaves, snap, key)
	want("beside the second", 0, snap, key)
	third := row(t, r, want("beside both", 0, snap, key).ID)

	// Holdings are what nobody may delete.
	held, err := r.EBS.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(held, func(h ebs.Holding) bool {
		return h.Root.String() == third.Rekeyed.Root && slices.ContainsFunc(h.Volumes, func(v *origami.Volume) bool { return v.ID == third.ID })
	}) {
		t.Errorf("%s does not hold %s", third.ID, third.Rekeyed.Root)
	}

	// With all of them deleted nothing vouches for the disk.
	var all []origami.VolumeID
	r.View(func(tx *metadb.Tx) error {
		found, err := tx.VolumesRekeyed(snap.Root, key, 100)
		for _, v := range found {
			all = append(all, v.ID)
		}
		return err
	})
	if !slices.Contains(all, second.ID) || len(all) != 4 {
		t.Errorf("rekeyed: %v", all)
	}
	for _, id := range all {
		drop(t, r, id)
	}
	want("after all were deleted", leaves, snap, key)

	// One that was made before its key was disabled waits for the key, whoever it
	// stands beside.
	r = r.Restart(instancetest.Config{Idle: true})
	v := sealedVolumes(t, r, snap, key, 1)[0]
	if err := r.KMS.DisableKey(t.Context(), kms.Access{Caller: alice}, key); err != nil {
		t.Fatal(err)
	}
	r.Serve()
	instancetest.Eventually(t, "the encryption is tried", func() bool {
		tried := false
		r.View(func(tx *metadb.Tx) error {
			for task, err := range tx.UnfinishedTasks() {
				if err != nil {
					return err
				}
				tried = tried || task.Resource == string(v.ID) && task.Attempts > 0 && task.State == origami.TaskQueued
			}
			return nil
		})
		return tried
	})
	if now := row(t, r, v.ID); now.Rekey == nil || now.Rekeyed != nil {
		t.Errorf("with its key disabled: %+v, %+v", now.Rekey, now.Rekeyed)
	}
}

// halt is a hook that waits, once a condition is true, until the test ends.
type halt struct {
	when    func() bool
	reached chan struct{}
	once    sync.Once
}

func newHalt(when func() bool) *halt { return &halt{when: when, reached: make(chan struct{})} }

func (h *halt) wait(ctx context.Context, _ string) error {
	if !h.when() {
		return nil
	}
	h.once.Do(func() { close(h.reached) })
	<-ctx.Done()
	return ctx.Err()
}

// TestRekeyOfDeletedVolume kills the service while a volume is encrypted, deletes
// the volume while a snapshot of it is pending, kills it again, and counts the
// blocks that are left to encrypt each time.
//
//origami:proves CreateSnapshot DeleteVolume
func TestRekeyOfDeletedVolume(t *testing.T) {
	t.Parallel()
	const leaves, once, twice = 8, 3, 5
	idle, serving := instancetest.Config{CopyEvery: 1, Idle: true}, instancetest.Config{CopyEvery: 1}
	r := instancetest.New(t, serving)
	snap := scattered(t, r, leaves)
	r.WaitIdle()
	r = r.Restart(idle)

	// The task of the volume comes to some leaves.
	v := sealedVolumes(t, r, snap, newKey(t, r), 1)[0]
	begun := r // not the one after the kill
	h := newHalt(func() bool {
		v := row(t, begun, v.ID)
		return v.Rekey != nil && v.Rekey.Block >= once*256
	})
	r.Hook(instancetest.Hooks{Commit: h.wait})
	r.Serve()
	<-h.reached
	r = r.Kill(idle)

	// A snapshot is promised, and the volume goes.
	r.Write(region, v.ID, leaf+block, noise(60, block))
	pending := take(t, r, alice, v.ID)
	part := row(t, r, v.ID).Rekey
	drop(t, r, v.ID)
	if got := r.Snapshot(region, pending.ID).Rekey; part.Block != once*256 || got == nil || *got != *part {
		t.Fatalf("the snapshot remembers %+v, the volume did %+v", got, part)
	}
	held, err := r.EBS.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{part.From, part.Part} {
		if !slices.ContainsFunc(held, func(h ebs.Holding) bool {
			return h.Root.String() == label && slices.ContainsFunc(h.Snapshots, func(s *origami.Snapshot) bool { return s.ID == pending.ID })
		}) {
			t.Errorf("the pending snapshot does not hold %s", label)
		}
	}

	// The task of the snapshot goes on from there, and remembers as well.
	deleted := r
	h = newHalt(func() bool {
		r := deleted.Snapshot(region, pending.ID).Rekey
		return r != nil && r.Block >= twice*256
	})
	r.Hook(instancetest.Hooks{Commit: h.wait})
	if n := read(r, func() {
		r.Serve()
		<-h.reached
	}); n < twice-once || n > leaves-once {
		t.Errorf("after the first kill %d blocks were read", n)
	}
	r = r.Kill(serving)
	if n := read(r, func() { snap = completed(t, r, pending.ID) }); n > leaves-twice {
		t.Errorf("after the second kill %d blocks were read, want %d at most", n, leaves-twice)
	}
	if snap.Rekey != nil {
		t.Errorf("the completed snapshot remembers %+v", snap.Rekey)
	}
	for i := range leaves {
		expect(t, r, snap, int64(i)*leaf, noise(uint64(i), block))
	}
	expect(t, r, snap, leaf+block, noise(60, block))
}
