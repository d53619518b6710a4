package instance_test

import (
	"context"
	"testing"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// TestQuotas fills what an account may have in a region: the next one is
// refused, other accounts and regions are not concerned, and what goes makes
// room.
//
//origami:proves RunInstances StartInstances CreateKeyPair ImportKeyPair CreateVolume
func TestQuotas(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Quotas: instance.Quotas{Instances: 3, KeyPairs: 2}, MaxVolumes: 4})
	img := r.Import(alice, "base", []byte("system"))
	key := func(who origami.Caller, name string) error {
		_, _, err := r.Instances.CreateKeyPair(t.Context(), who, name, "ed25519", nil)
		return err
	}
	for _, name := range []string{"one", "two"} {
		if err := key(alice, name); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, key(alice, "three"), "KeyPairLimitExceeded", "The maximum number of key pairs (2) has been reached.")
	for _, who := range []origami.Caller{bob, instancetest.Abroad} {
		if err := key(who, "one"); err != nil {
			t.Errorf("key of %s in %s: %v", who.Account, who.Region, err)
		}
	}

	run := func(least, most int) ([]*origami.Instance, error) {
		return r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: "t3.nano", Min: least, Max: most})
	}
	_, err := run(4, 4)
	wantError(t, err, "InstanceLimitExceeded", "Your quota allows for 3 more running instance(s). You requested at least 4.")
	first, err := run(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	more, err := run(1, 5)
	if err != nil || len(more) != 2 {
		t.Fatalf("1 to 5 instances: got %d, %v, want the 2 that are left", len(more), err)
	}
	all := append(first, more...)
	for _, i := range all {
		r.WaitInstance(region, i.ID, origami.InstanceRunning)
	}
	_, err = run(1, 1)
	wantError(t, err, "InstanceLimitExceeded", "Your quota allows for 0 more running instance(s). You requested at least 1.")

	volume := func() error {
		return r.Update(func(tx *metadb.Tx) error {
			_, err := r.EBS.CreateVolume(tx, alice, ebs.VolumeRequest{Zone: all[0].Zone, Shape: ebs.Shape{Size: 1}})
			return err
		})
	}
	if err := volume(); err != nil {
		t.Fatal(err)
	}
	wantError(t, volume(), "VolumeLimitExceeded", "The maximum number of volumes (4) has been reached.")

	// A stopped instance makes room for another, which has no room for its
	// volume: it is accepted, and ends.
	if _, err := r.Instances.Stop(t.Context(), alice, ids(all[0]), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, all[0].ID, origami.InstanceStopped)
	launched, err := run(1, 1)
	if err != nil || launched[0].State != origami.InstancePending {
		t.Fatalf("a launch over the quota of volumes: %v, want a pending instance", err)
	}
	got := r.WaitInstance(region, launched[0].ID, origami.InstanceTerminated)
	if why := got.StateReason; why == nil || why.Code != "Client.VolumeLimitExceeded" || why.Message != "Client.VolumeLimitExceeded: Volume limit exceeded" ||
		got.TransitionReason != why.Code {
		t.Errorf("it ended with %+v, %q", why, got.TransitionReason)
	}
	if n := len(r.Volumes(region, got.ID)); n != 0 {
		t.Errorf("it has %d volumes", n)
	}
	if _, err := r.Instances.Start(context.Background(), alice, ids(all[0])); err != nil {
		t.Errorf("start the stopped one: %v", err)
	}
	r.WaitInstance(region, all[0].ID, origami.InstanceRunning)
}
