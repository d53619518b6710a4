package ebs_test

import (
	"bytes"
	"fmt"
	"testing"

	"origami"
	"origami/internal/ebs"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

// TestLargestVolumes makes volumes of the largest sizes on the file system of
// the machine, whose files may end earlier, and takes them through a snapshot.
//
//origami:proves CreateVolume CreateSnapshot
func TestLargestVolumes(t *testing.T) {
	t.Parallel()
	for _, shape := range []ebs.Shape{
		{Type: origami.GP3, Size: 16384},
		{Type: origami.IO2, Size: 65536, IOPS: 3000},
	} {
		t.Run(fmt.Sprintf("%s of %d GiB", shape.Type, shape.Size), func(t *testing.T) {
			t.Parallel()
			r := instancetest.New(t, instancetest.Config{})
			request := func(from origami.SnapshotID) (v *origami.Volume) {
				err := r.Update(func(tx *metadb.Tx) (err error) {
					v, err = r.EBS.CreateVolume(tx, alice, ebs.VolumeRequest{Zone: "us-east-1a", Snapshot: from, Shape: shape})
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				state(t, r, v.ID, origami.VolumeAvailable)
				return v
			}
			v := request("")
			size := shape.Size * ebs.GiB
			places := []int64{0, 1<<40 - 4096, 1 << 40, size / 2, size - 4096}
			page := func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 4096) }
			for i, at := range places {
				r.Write(region, v.ID, at, page(i))
			}
			snap := take(t, r, alice, v.ID)
			for _, at := range places {
				r.Write(region, v.ID, at, []byte("later"))
			}
			completed(t, r, snap.ID)
			again := request(snap.ID)
			for i, at := range places {
				// The last page ends with the volume, and reading it with io.EOF.
				if got := r.Read(region, again.ID, at, 4095); !bytes.Equal(got, page(i)[:4095]) {
					t.Errorf("%d bytes from the start, the snapshot has %.4x…, want %x", at, got, i+1)
				}
				if got := r.Read(region, v.ID, at, 5); string(got) != "later" {
					t.Errorf("%d bytes from the start, the volume has %q", at, got)
				}
			}
		})
	}
}
