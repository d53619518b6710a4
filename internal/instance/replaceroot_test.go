package instance_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"origami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// replacement reads the only replacement of a root volume of an instance.
func replacement(r *instancetest.Region, id origami.ReplaceRootTaskID) (out *origami.RootReplacement) {
	r.View(func(tx *metadb.Tx) (err error) {
		out, err = tx.RootReplacement(region, alice.Account, id)
		return err
	})
	return out
}

// TestReplaceRootData shows that the guest gets the bytes of the snapshot, and
// that what was written before is on the old volume.
func TestReplaceRootData(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", bytes.Repeat([]byte("base"), 1024)), nil)
	old := r.Volumes(region, i.ID)[0].ID
	r.Write(region, old, 0, []byte("dirt"))
	made, err := r.Instances.ReplaceRoot(t.Context(), alice, instance.ReplaceRootRequest{Instance: i.ID})
	if err != nil {
		t.Fatal(err)
	}
	r.WaitIdle()
	if got := replacement(r, made.ID); got.State != origami.ReplacementSucceeded || got.OldVolume != old || got.NewVolume == old {
		t.Errorf("got %+v, want it succeeded with a volume other than %s", got, old)
	}
	root := r.Volumes(region, i.ID)[0].ID
	if got := string(r.Read(region, root, 0, 4)); got != "base" {
		t.Errorf("the new root volume begins with %q, want base", got)
	}
	if got := string(r.Read(region, old, 0, 4)); got != "dirt" {
		t.Errorf("the old root volume begins with %q, want dirt", got)
	}
	if !alive(r, i.ID) {
		t.Error("the machine does not run")
	}
}

// TestReplaceRootFails shows that a machine which does not start with its new
// root volume starts with the old one again.
func TestReplaceRootFails(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", bytes.Repeat([]byte("base"), 1024)), nil)
	old := r.Volumes(region, i.ID)[0].ID
	var starts atomic.Int32
	r.Hook(instancetest.Hooks{Start: func(context.Context, string) error {
		if starts.Add(1) == 1 {
			return errors.New("no such luck")
		}
		return nil
	}})
	made, err := r.Instances.ReplaceRoot(t.Context(), alice, instance.ReplaceRootRequest{Instance: i.ID, DeleteOld: true})
	if err != nil {
		t.Fatal(err)
	}
	r.WaitIdle()
	if got := replacement(r, made.ID); got.State != origami.ReplacementFailed || got.Completed.IsZero() || got.Reason == "" {
		t.Errorf("got %+v, want it failed, with a reason", got)
	}
	vols := r.Volumes(region, i.ID)
	if len(vols) != 1 || vols[0].ID != old {
		t.Errorf("got volumes %+v, want the old root volume %s", vols, old)
	}
	if got := r.Instance(region, i.ID); got.State != origami.InstanceRunning || !alive(r, i.ID) {
		t.Errorf("the instance is %s, want it running", got.State)
	}
}

// TestReplaceRootKilled shows that a replacement goes on when the process dies
// while the machine starts again.
func TestReplaceRootKilled(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	i := runs(t, r, r.Import(alice, "base", bytes.Repeat([]byte("base"), 1024)), nil)
	old := r.Volumes(region, i.ID)[0].ID
	reached := make(chan struct{}, 1)
	r.Hook(instancetest.Hooks{Start: func(ctx context.Context, _ string) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}})
	made, err := r.Instances.ReplaceRoot(t.Context(), alice, instance.ReplaceRootRequest{Instance: i.ID})
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	r = r.Kill(instancetest.Config{})
	r.WaitIdle()
	if got := replacement(r, made.ID); got.State != origami.ReplacementSucceeded {
		t.Errorf("got %+v, want it succeeded", got)
	}
	if vols := r.Volumes(region, i.ID); len(vols) != 1 || vols[0].ID == old {
		t.Errorf("got volumes %+v, want one, other than %s", vols, old)
	}
	if got := r.Instance(region, i.ID); got.State != origami.InstanceRunning || !alive(r, i.ID) {
		t.Errorf("the instance is %s, want it running", got.State)
	}
}
