package ebs_test

import (
	"errors"
	"testing"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// create makes a volume of 1 GiB by a request.
func create(t *testing.T, r *instancetest.Region) *origami.Volume {
	t.Helper()
	var v *origami.Volume
	err := r.Update(func(tx *metadb.Tx) (err error) {
		v, err = r.EBS.CreateVolume(tx, instancetest.Alice, ebs.VolumeRequest{Zone: "us-east-1a", Shape: ebs.Shape{Size: 1}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func state(t *testing.T, r *instancetest.Region, id origami.VolumeID, want origami.VolumeState) {
	t.Helper()
	instancetest.Eventually(t, string(id)+" is "+string(want), func() bool {
		var v *origami.Volume
		r.View(func(tx *metadb.Tx) (err error) {
			v, err = tx.Volume("us-east-1", metadb.System, id)
			return err
		})
		return v.State == want
	})
}

func hasCode(err error, code origami.Code) bool {
	return errors.Is(err, &origami.Error{Code: code})
}

// TestCreateVolumeWithoutSpace makes a volume whose files cannot be made: it
// is in error, and can be deleted.
//
//origami:proves CreateVolume DeleteVolume
func TestCreateVolumeWithoutSpace(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true, Hooks: instancetest.Hooks{
		Create: func(string) error { return errors.New("no space") },
	}})
	v := create(t, r)
	drop := func() error {
		return r.Update(func(tx *metadb.Tx) error { return r.EBS.DeleteVolume(tx, instancetest.Alice, v.ID) })
	}
	if err := drop(); !hasCode(err, origami.CodeIncorrectState) {
		t.Errorf("DeleteVolume while it is creating = %v, want IncorrectState", err)
	}
	r.Serve()
	state(t, r, v.ID, origami.VolumeError)
	if err := drop(); err != nil {
		t.Errorf("DeleteVolume in error = %v", err)
	}
}

// TestCreateVolumeKilled kills the process before the files are made.
func TestCreateVolumeKilled(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Idle: true})
	v := create(t, r)
	again := r.Kill(instancetest.Config{})
	state(t, again, v.ID, origami.VolumeAvailable)
}

// TestModificationRate modifies a volume as often as it may be in a day.
//
//origami:proves ModifyVolume
func TestModificationRate(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	v := r.NewVolume(instancetest.Alice, 1, "")
	const most = 4
	modify := func(size int64) error {
		err := r.Update(func(tx *metadb.Tx) error {
			_, err := r.EBS.BeginModification(tx, instancetest.Alice, v.ID, ebs.Shape{Size: size}, most)
			return err
		})
		if err != nil {
			return err
		}
		if ok, err := r.EBS.Grow(t.Context(), "us-east-1", v.ID); err != nil || !ok {
			t.Errorf("Grow = %t, %v", ok, err)
		}
		return r.EBS.EndModification(t.Context(), "us-east-1", v.ID, "")
	}
	for n := range int64(most) {
		if err := modify(n + 2); err != nil {
			t.Fatalf("modification %d: %v", n+1, err)
		}
	}
	if err := modify(9); !hasCode(err, "VolumeModificationRateExceeded") {
		t.Errorf("modification 5 = %v, want VolumeModificationRateExceeded", err)
	}
	if err := r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume("us-east-1", v.ID, func(v *origami.Volume) error {
			v.Modified[0] = v.Modified[0].Add(-24 * time.Hour)
			return nil
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := modify(9); err != nil {
		t.Errorf("modification after a day = %v", err)
	}
	if ok, err := r.EBS.Grow(t.Context(), "us-east-1", v.ID); ok || err != nil {
		t.Errorf("Grow without a modification = %t, %v, want nothing to do", ok, err)
	}
}
