package metadb_test

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

// fill sets every field of a noun that is zero to something else.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)))
	case v.Type() == reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.MustParseAddr("10.1.2.3")))
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		v.Set(reflect.ValueOf(netip.MustParsePrefix("10.1.0.0/16")))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.String && v.String() == "":
		v.SetString("text")
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	}
}

// filled is a noun whose every field says something, owned by alice.
func filled[T any](t *testing.T, set func(*T)) *T {
	t.Helper()
	v := new(T)
	set(v)
	fill(reflect.ValueOf(v).Elem())
	set(v) // again: what has to be right
	return v
}

// Every field of every noun comes back as it was put.
func TestRoundTrip(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		vpc := filled(t, func(v *origami.VPC) { v.ID, v.Region, v.Owner = origami.NewVPCID(), region, alice })
		sub := filled(t, func(v *origami.Subnet) {
			v.ID, v.Region, v.Owner, v.VPC = origami.NewSubnetID(), region, alice, vpc.ID
		})
		group := filled(t, func(v *origami.SecurityGroup) {
			v.ID, v.Region, v.Owner, v.VPC = origami.NewSecurityGroupID(), region, alice, vpc.ID
		})
		key := filled(t, func(v *origami.KeyPair) { v.ID, v.Region, v.Owner = origami.NewKeyPairID(), region, alice })
		inst := filled(t, func(v *origami.Instance) { v.ID, v.Region, v.Owner = origami.NewInstanceID(), region, alice })
		vol := filled(t, func(v *origami.Volume) {
			v.ID, v.Region, v.Owner, v.Bin = origami.NewVolumeID(), region, alice, nil
			v.Attachments = []origami.Attachment{{Instance: inst.ID, Device: "/dev/sdf", State: origami.Attached, Slot: 3,
				Attached: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), DeleteOnTermination: true}}
		})
		snap := filled(t, func(v *origami.Snapshot) {
			v.ID, v.Region, v.Owner, v.Bin = origami.NewSnapshotID(), region, alice, nil
		})
		gone := filled(t, func(v *origami.Snapshot) { v.ID, v.Region, v.Owner = origami.NewSnapshotID(), region, alice })
		rule := filled(t, func(v *origami.RetentionRule) { v.ID, v.Region, v.Owner = origami.NewRuleID(), region, alice })
		fast := filled(t, func(v *origami.FastRestore) { v.Snapshot, v.Region, v.Owner = snap.ID, region, alice })
		img := filled(t, func(v *origami.Image) {
			v.ID, v.Region, v.Owner = origami.NewImageID(), region, alice
			if len(v.BlockDevices) > 0 {
				v.BlockDevices[0].EBS.Snapshot = snap.ID
			}
		})
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutVPC(vpc), tx.PutSubnet(sub), tx.PutSecurityGroup(group), tx.PutKeyPair(key),
				tx.PutInstance(inst), tx.PutVolume(vol), tx.PutSnapshot(snap), tx.PutImage(img),
				tx.PutSnapshot(gone), tx.PutRetentionRule(rule), tx.PutFastRestore(fast), tx.PutFastRestore(fast))
		})
		view(t, db, func(tx *metadb.Tx) error {
			same(t, vpc)(tx.VPC(region, alice, vpc.ID))
			same(t, sub)(tx.Subnet(region, alice, sub.ID))
			same(t, group)(tx.SecurityGroup(region, alice, group.ID))
			same(t, key)(tx.KeyPair(region, alice, key.ID))
			same(t, inst)(tx.Instance(region, alice, inst.ID))
			same(t, vol)(tx.Volume(region, alice, vol.ID))
			same(t, snap)(tx.Snapshot(region, alice, snap.ID))
			same(t, img)(tx.Image(region, alice, img.ID))
			same(t, gone)(tx.RecycledSnapshot(region, alice, gone.ID))
			same(t, rule)(tx.RetentionRule(region, alice, rule.ID))
			fasts, err := tx.FastRestoresOf(region, snap.ID)
			if err != nil || len(fasts) != 1 {
				t.Fatalf("fast restores: %v, %v", fasts, err)
			}
			same(t, fast)(fasts[0], nil)
			for _, id := range []string{string(vpc.ID), string(sub.ID), string(group.ID), string(key.ID), string(inst.ID), string(vol.ID)} {
				wantCode(t, id+" visible to its owner", tx.Visible(region, alice, id), "")
				if err := tx.Visible(region, bob, id); err == nil || err.Error() != origami.NotFound(id).Error() {
					t.Errorf("%s visible to another account: got %v", id, err)
				}
			}
			return nil
		})
	})
}

func same[T any](t *testing.T, want *T) func(*T, error) {
	return func(got *T, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%T changed in the database (-want +got):\n%s", want, diff)
		}
	}
}

// A snapshot in the Recycle Bin is found there by its owner and nowhere by
// anybody, whatever it was shared with; an archived one by its owner only.
func TestHiddenSnapshots(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		binned, archived, blocked := snapshot(alice), snapshot(alice), snapshot(alice)
		for _, s := range []*origami.Snapshot{binned, archived, blocked} {
			s.Public = true
		}
		binned.SharedWith, archived.SharedWith = []origami.AccountID{bob}, []origami.AccountID{bob}
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutSnapshot(binned), tx.PutSnapshot(archived), tx.PutSnapshot(blocked))
		})
		see := func(who origami.AccountID, s *origami.Snapshot) (seen bool) {
			view(t, db, func(tx *metadb.Tx) error {
				_, err := tx.Snapshot(region, who, s.ID)
				listed := false
				for found, err := range tx.Snapshots(metadb.Query{Region: region, Viewer: who}) {
					if err != nil {
						return err
					}
					listed = listed || found.ID == s.ID
				}
				if seen = err == nil; listed != seen {
					t.Errorf("%s sees %s by ID: %v, in the list: %v", who, s.ID, seen, listed)
				}
				// Tags of its own can its owner change in the bin too.
				_, err = tx.RecycledSnapshot(region, who, s.ID)
				if tagged := tx.Visible(region, who, string(s.ID)) == nil; tagged != (seen || err == nil) {
					t.Errorf("%s tags %s: %v, and sees it: %v", who, s.ID, tagged, seen)
				}
				return nil
			})
			return seen
		}
		for _, s := range []*origami.Snapshot{binned, archived, blocked} {
			if !see(alice, s) || !see(bob, s) {
				t.Errorf("%s is not seen while it is public", s.ID)
			}
		}
		set := func(s *origami.Snapshot, f func(*origami.Snapshot)) {
			update(t, db, func(tx *metadb.Tx) error {
				_, err := tx.UpdateSnapshot(region, s.ID, func(s *origami.Snapshot) error { f(s); return nil })
				return err
			})
		}
		set(binned, func(s *origami.Snapshot) { s.Bin = &origami.BinStay{} })
		set(archived, func(s *origami.Snapshot) { s.Tiering = &origami.Tiering{Archived: true} })
		set(blocked, func(s *origami.Snapshot) { s.PublicBlocked = true })
		got := []bool{see(alice, binned), see(bob, binned), see(alice, archived), see(bob, archived), see(alice, blocked), see(bob, blocked)}
		if want := []bool{false, false, true, false, true, false}; !slices.Equal(got, want) {
			t.Errorf("seen by owner and friend = %v, want %v", got, want)
		}
		view(t, db, func(tx *metadb.Tx) error {
			if in := drain(t, tx.RecycledSnapshots(metadb.Query{Region: region, Viewer: alice})); len(in) != 1 || in[0].ID != binned.ID {
				t.Errorf("in the bin: %v", in)
			}
			if _, err := tx.RecycledSnapshot(region, bob, binned.ID); err == nil {
				t.Error("bob finds alice's snapshot in the bin")
			}
			if in := drain(t, tx.RecycledSnapshots(metadb.Query{Region: region, Viewer: bob})); len(in) != 0 {
				t.Errorf("in bob's bin: %v", in)
			}
			return nil
		})
		set(binned, func(s *origami.Snapshot) { s.Bin = nil })
		set(archived, func(s *origami.Snapshot) { s.Tiering.Restored = true })
		set(blocked, func(s *origami.Snapshot) { s.PublicBlocked = false })
		for _, s := range []*origami.Snapshot{binned, archived, blocked} {
			if !see(bob, s) {
				t.Errorf("%s is not seen again", s.ID)
			}
		}
	})
}

// drain collects a list.
func drain[T any](t *testing.T, list iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// A volume in the Recycle Bin is found there by its owner and nowhere else, and
// counts like any other. Copies that are being made are found by their source.
func TestVolumesInBin(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		volume := func(owner origami.AccountID, source origami.VolumeID, bin *origami.BinStay, c *origami.VolumeCopy) *origami.Volume {
			return &origami.Volume{ID: origami.NewVolumeID(), Region: region, Owner: owner, Size: 1, State: origami.VolumeAvailable, Source: source, Bin: bin, Copy: c}
		}
		plain := volume(alice, "", nil, nil)
		binned := volume(alice, plain.ID, &origami.BinStay{}, &origami.VolumeCopy{Layer: 1})
		copied, another := volume(alice, plain.ID, nil, nil), volume(bob, plain.ID, nil, &origami.VolumeCopy{})
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutVolume(plain), tx.PutVolume(binned), tx.PutVolume(copied), tx.PutVolume(another))
		})
		sorted := func(vols ...*origami.Volume) []origami.VolumeID { return slices.Sorted(slices.Values(ids(vols))) }
		view(t, db, func(tx *metadb.Tx) error {
			all := metadb.Query{Region: region, Viewer: alice}
			for what, test := range map[string]struct{ got, want []origami.VolumeID }{
				"listed":        {ids(drain(t, tx.Volumes(all))), sorted(plain, copied)},
				"in the bin":    {ids(drain(t, tx.RecycledVolumes(all))), sorted(binned)},
				"in bob's bin":  {ids(drain(t, tx.RecycledVolumes(metadb.Query{Region: region, Viewer: bob}))), nil},
				"in bin by ID":  {ids(drain(t, tx.RecycledVolumes(metadb.Query{Region: region, Viewer: alice, IDs: []string{string(plain.ID)}}))), nil},
				"for recovery":  {ids(drain(t, tx.AllVolumes())), sorted(plain, binned, copied, another)},
				"behind itself": {ids(drain(t, tx.RecycledVolumes(metadb.Query{Region: region, Viewer: alice, After: string(binned.ID)}))), nil},
			} {
				if !slices.Equal(test.got, test.want) {
					t.Errorf("%s: got %v, want %v", what, test.got, test.want)
				}
			}
			_, err := tx.Volume(region, alice, binned.ID)
			wantCode(t, "a volume in the bin", err, origami.CodeInvalidVolumeNotFound)
			_, err = tx.RecycledVolume(region, bob, binned.ID)
			wantCode(t, "a volume in alice's bin", err, origami.CodeInvalidVolumeNotFound)
			_, err = tx.RecycledVolume(region, alice, plain.ID)
			wantCode(t, "a volume outside the bin", err, origami.CodeInvalidVolumeNotFound)
			same(t, binned)(tx.RecycledVolume(region, alice, binned.ID))
			wantCode(t, "the tags of its owner", tx.Visible(region, alice, string(binned.ID)), "")
			wantCode(t, "the tags of another", tx.Visible(region, bob, string(binned.ID)), origami.CodeInvalidVolumeNotFound)
			copies, err := tx.VolumeCopies(region, plain.ID)
			if want := sorted(binned, another); err != nil || !slices.Equal(ids(copies), want) {
				t.Errorf("copies: %v, %v, want %v", ids(copies), err, want)
			}
			if none, err := tx.VolumeCopies(region, ""); err != nil || len(none) != 0 {
				t.Errorf("copies of nothing: %v, %v", none, err)
			}
			n, err := tx.CountVolumes(region, alice)
			under, err2 := tx.CountVolumeCopies(region, alice)
			if err != nil || err2 != nil || n != 3 || under != 1 {
				t.Errorf("%d volumes with %d copies under way, want 3 with 1: %v %v", n, under, err, err2)
			}
			return nil
		})
		update(t, db, func(tx *metadb.Tx) error {
			_, err := tx.UpdateVolume(region, binned.ID, func(v *origami.Volume) error { v.Bin, v.Copy = nil, nil; return nil })
			return err
		})
		view(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.Volume(region, alice, binned.ID); err != nil {
				t.Errorf("the restored volume: %v", err)
			}
			return nil
		})
	})
}

func TestAccountSettings(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutAccountSetting(region, alice, "x", "1"), tx.PutAccountSetting(region, alice, "x", "2"))
		})
		view(t, db, func(tx *metadb.Tx) error {
			if v, err := tx.AccountSetting(region, alice, "x"); v != "2" || err != nil {
				t.Errorf("setting = %q, %v", v, err)
			}
			if _, err := tx.AccountSetting(region, bob, "x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("bob's setting: %v", err)
			}
			return nil
		})
		update(t, db, func(tx *metadb.Tx) error { return tx.DeleteAccountSetting(region, alice, "x") })
		view(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.AccountSetting(region, alice, "x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("deleted setting: %v", err)
			}
			return nil
		})
	})
}

// What one account owns, another does not find: not by ID, not in a list.
func TestIsolation(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		s := subnet("10.0.0.0/24")
		i, v, snap := instance(alice, s, "10.0.0.9"), volume(alice), snapshot(alice)
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutInstance(i), tx.PutVolume(v), tx.PutSnapshot(snap),
				tx.PutKeyPair(&origami.KeyPair{ID: origami.NewKeyPairID(), Region: region, Owner: alice, Name: "k"}),
				tx.PutTags(region, alice, []string{string(i.ID)}, origami.Tags{"k": "v"}))
		})
		count := func(viewer origami.AccountID) (n int) {
			q := metadb.Query{Region: region, Viewer: viewer}
			view(t, db, func(tx *metadb.Tx) error {
				n = 0
				for range tx.Instances(q) {
					n++
				}
				for range tx.Volumes(q) {
					n++
				}
				for range tx.Snapshots(q) {
					n++
				}
				for range tx.KeyPairs(q) {
					n++
				}
				for range tx.AllTags(metadb.TagQuery{Region: region, Account: viewer}) {
					n++
				}
				return nil
			})
			return n
		}
		if got := count(alice); got != 5 {
			t.Errorf("alice finds %d things, want 5", got)
		}
		if got := count(bob); got != 0 {
			t.Errorf("bob finds %d things of alice, want none", got)
		}
		view(t, db, func(tx *metadb.Tx) error {
			_, err := tx.Instance(region, bob, i.ID)
			wantCode(t, "instance", err, origami.CodeInvalidInstanceIDNotFound)
			_, err = tx.Volume(region, bob, v.ID)
			wantCode(t, "volume", err, origami.CodeInvalidVolumeNotFound)
			_, err = tx.Snapshot(region, bob, snap.ID)
			wantCode(t, "snapshot", err, origami.CodeInvalidSnapshotNotFound)
			_, err = tx.KeyPairByName(region, bob, "k")
			wantCode(t, "key pair", err, origami.CodeInvalidKeyPairNotFound)
			_, err = tx.KeyPairByName(region, alice, "k")
			return err
		})
	})
}

func TestKeyPairName(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		pair := func(owner origami.AccountID) *origami.KeyPair {
			return &origami.KeyPair{ID: origami.NewKeyPairID(), Region: region, Owner: owner, Name: "k"}
		}
		put := func(k *origami.KeyPair) error {
			return db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutKeyPair(k) })
		}
		first := pair(alice)
		wantCode(t, "first", put(first), "")
		wantCode(t, "second", put(pair(alice)), origami.CodeInvalidKeyPairDuplicate)
		wantCode(t, "of another account", put(pair(bob)), "")
		update(t, db, func(tx *metadb.Tx) error { return tx.DeleteKeyPair(region, first.ID) })
		wantCode(t, "after deletion", put(pair(alice)), "")
	})
}

func TestVolumeAttachments(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		i := instance(alice, subnet("10.0.0.0/24"), "")
		attached := func(device string, state origami.AttachmentState) *origami.Volume {
			v := volume(alice)
			v.Attachments = []origami.Attachment{{Instance: i.ID, Device: device, State: state}}
			return v
		}
		a, b, gone := attached("/dev/sda1", origami.Attached), attached("/dev/sdf", origami.Attaching), attached("/dev/sdg", origami.Detached)
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutInstance(i), tx.PutVolume(a), tx.PutVolume(b), tx.PutVolume(gone))
		})
		err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutVolume(attached("/dev/sdf", origami.Attached)) })
		wantCode(t, "second volume at /dev/sdf", err, origami.CodeInvalidParameterValue)
		err = db.Update(t.Context(), func(tx *metadb.Tx) error {
			lost := volume(alice)
			lost.Attachments = []origami.Attachment{{Instance: origami.NewInstanceID(), Device: "/dev/sdf"}}
			return tx.PutVolume(lost)
		})
		if err == nil {
			t.Error("a volume was attached to an instance that does not exist")
		}
		if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.DeleteInstance(region, i.ID) }); err == nil {
			t.Error("an instance was deleted that volumes are attached to")
		}
		update(t, db, func(tx *metadb.Tx) error {
			vols, err := tx.VolumesOf(region, i.ID)
			want := []origami.VolumeID{a.ID, b.ID}
			slices.Sort(want)
			if got := ids(vols); !slices.Equal(got, want) {
				t.Errorf("volumes of the instance: got %v, want %v", got, want)
			}
			if err != nil {
				return err
			}
			var filtered []*origami.Volume
			for v := range tx.Volumes(metadb.Query{Region: region, Viewer: alice,
				Filters: []origami.Filter{{Name: "attachment.instance-id", Values: []string{string(i.ID)}}}}) {
				filtered = append(filtered, v)
			}
			if got := ids(filtered); !slices.Equal(got, want) {
				t.Errorf("volumes by filter: got %v, want %v", got, want)
			}
			for _, v := range vols {
				_, err := tx.UpdateVolume(region, v.ID, func(v *origami.Volume) error { v.Attachments = nil; return nil })
				if err != nil {
					return err
				}
			}
			return tx.DeleteInstance(region, i.ID)
		})
	})
}

func ids(vols []*origami.Volume) []origami.VolumeID {
	var out []origami.VolumeID
	for _, v := range vols {
		out = append(out, v.ID)
	}
	return out
}

func TestAllocatePrivateIP(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		s := subnet("10.0.0.16/28") // .16 to .31: .20 to .30 can be given
		given := map[string]*origami.Instance{}
		launch := func() (string, error) {
			i := instance(alice, s, "")
			err := db.Update(t.Context(), func(tx *metadb.Tx) (err error) {
				if i.PrivateIP, err = tx.AllocatePrivateIP(s); err != nil {
					return err
				}
				return tx.PutInstance(i)
			})
			given[i.PrivateIP.String()] = i
			return i.PrivateIP.String(), err
		}
		for n := 20; n <= 30; n++ {
			got, err := launch()
			if want := fmt.Sprint("10.0.0.", n); got != want || err != nil {
				t.Fatalf("got %s, %v, want %s", got, err, want)
			}
		}
		_, err := launch()
		wantCode(t, "full subnet", err, "InsufficientFreeAddressesInSubnet")
		err = db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutInstance(instance(bob, s, "10.0.0.25")) })
		wantCode(t, "address that is held", err, "InvalidIPAddress.InUse")
		err = db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutInstance(instance(bob, s, "fd00::1")) })
		wantCode(t, "IPv6 address", err, origami.CodeInvalidParameterValue)

		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.InstanceByPrivateIP(region, s.VPC, netip.MustParseAddr("10.0.0.25"))
			if err != nil || got.ID != given["10.0.0.25"].ID {
				t.Errorf("instance at .25: got %v, %v", got, err)
			}
			if _, err := tx.InstanceByPrivateIP(region, "vpc-other", netip.MustParseAddr("10.0.0.25")); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("instance in another VPC: got error %v", err)
			}
			return nil
		})
		update(t, db, func(tx *metadb.Tx) error {
			_, err := tx.UpdateInstance(region, given["10.0.0.25"].ID, func(i *origami.Instance) error {
				i.State = origami.InstanceTerminated
				return nil
			})
			return err
		})
		if got, err := launch(); got != "10.0.0.25" || err != nil {
			t.Errorf("after termination: got %s, %v, want the freed address", got, err)
		}
	})
}

// TestAllocateManyAddresses takes the gaps between addresses first, in one go.
func TestAllocateManyAddresses(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		s := subnet("10.0.0.16/28")
		update(t, db, func(tx *metadb.Tx) error {
			for _, a := range []string{"10.0.0.20", "10.0.0.22", "10.0.0.25"} {
				if err := tx.PutInstance(instance(alice, s, a)); err != nil {
					return err
				}
			}
			return nil
		})
		for n, want := range map[int]string{
			0: "[]", 1: "[10.0.0.21]", 3: "[10.0.0.21 10.0.0.23 10.0.0.24]",
			8: "[10.0.0.21 10.0.0.23 10.0.0.24 10.0.0.26 10.0.0.27 10.0.0.28 10.0.0.29 10.0.0.30]",
			9: "InsufficientFreeAddressesInSubnet",
		} {
			view(t, db, func(tx *metadb.Tx) error {
				got, err := tx.AllocatePrivateIPs(s, n)
				if err != nil {
					wantCode(t, fmt.Sprint(n, " addresses"), err, origami.Code(want))
				} else if fmt.Sprint(got) != want {
					t.Errorf("%d addresses: got %v, want %s", n, got, want)
				}
				return nil
			})
		}
		prefix := netip.MustParsePrefix("127.10.0.0/29")
		view(t, db, func(tx *metadb.Tx) error {
			if got, err := tx.AllocatePublicIPs(prefix, 6); err != nil || fmt.Sprint(got) != "[127.10.0.1 127.10.0.2 127.10.0.3 127.10.0.4 127.10.0.5 127.10.0.6]" {
				t.Errorf("6 public addresses: got %v, %v", got, err)
			}
			_, err := tx.AllocatePublicIPs(prefix, 7)
			wantCode(t, "7 public addresses", err, "InsufficientAddressCapacity")
			return nil
		})
	})
}

func TestAllocatePublicIP(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		prefix := netip.MustParsePrefix("127.10.0.0/30") // .1 and .2
		var wg sync.WaitGroup
		errs := make([]error, 4)
		insts := make([]*origami.Instance, len(errs))
		for n := range errs {
			insts[n] = instance([]origami.AccountID{alice, bob}[n%2], subnet("10.0.0.0/24"), "")
			if n > 1 {
				insts[n].Region = "eu-west-1" // public addresses are unique in the installation
			}
			wg.Go(func() {
				errs[n] = db.Update(t.Context(), func(tx *metadb.Tx) (err error) {
					if insts[n].PublicIP, err = tx.AllocatePublicIP(prefix); err != nil {
						return err
					}
					return tx.PutInstance(insts[n])
				})
			})
		}
		wg.Wait()
		seen := map[netip.Addr]bool{}
		for n, err := range errs {
			if err != nil {
				wantCode(t, "none left", err, "InsufficientAddressCapacity")
				continue
			}
			seen[insts[n].PublicIP] = true
		}
		if len(seen) != 2 || !seen[netip.MustParseAddr("127.10.0.1")] || !seen[netip.MustParseAddr("127.10.0.2")] {
			t.Errorf("addresses given: %v, want .1 and .2 once each", seen)
		}
	})
}

func TestAllInstances(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		const n = 1100 // more than two pieces
		update(t, db, func(tx *metadb.Tx) error {
			for k := range n {
				i := instance([]origami.AccountID{alice, bob}[k%2], subnet("10.0.0.0/24"), "")
				i.Region = []origami.Region{region, "eu-west-1", "ap-x"}[k%3]
				if err := tx.PutInstance(i); err != nil {
					return err
				}
			}
			return nil
		})
		seen := map[origami.InstanceID]bool{}
		view(t, db, func(tx *metadb.Tx) error {
			for i, err := range tx.AllInstances() {
				if err != nil {
					return err
				}
				seen[i.ID] = true
			}
			return nil
		})
		if len(seen) != n {
			t.Errorf("got %d instances, want %d", len(seen), n)
		}
	})
}

func TestSecurityGroupName(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		vpc := &origami.VPC{ID: origami.NewVPCID(), Region: region, Owner: alice, CIDR: netip.MustParsePrefix("172.31.0.0/16")}
		group := func() *origami.SecurityGroup {
			return &origami.SecurityGroup{ID: origami.NewSecurityGroupID(), Region: region, Owner: alice, VPC: vpc.ID, Name: "web"}
		}
		update(t, db, func(tx *metadb.Tx) error { return errors.Join(tx.PutVPC(vpc), tx.PutSecurityGroup(group())) })
		err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutSecurityGroup(group()) })
		wantCode(t, "second", err, "InvalidGroup.Duplicate")
	})
}

func TestAccounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		a := origami.Account{ID: alice, Name: "alice", Created: time.Unix(1, 0).UTC()}
		k := origami.AccessKey{ID: "AKIAEXAMPLE", Secret: "s", Account: alice, Created: time.Unix(2, 0).UTC()}
		update(t, db, func(tx *metadb.Tx) error { return errors.Join(tx.PutAccount(&a), tx.PutAccessKey(&k)) })
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			return tx.PutAccount(&origami.Account{ID: bob, Name: "alice"})
		})
		wantCode(t, "second of the name", err, origami.CodeInvalidParameterValue)
		err = db.Update(t.Context(), func(tx *metadb.Tx) error {
			return tx.PutAccessKey(&origami.AccessKey{ID: "AKIAOTHER", Account: bob})
		})
		if err == nil {
			t.Error("an access key was put for an account that does not exist")
		}
		update(t, db, func(tx *metadb.Tx) error {
			same(t, &a)(tx.Account(alice))
			same(t, &a)(tx.AccountByName("alice"))
			same(t, &k)(tx.AccessKey("AKIAEXAMPLE"))
			if _, err := tx.Account(bob); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("unknown account: got error %v", err)
			}
			if err := tx.DeleteAccessKey(bob, "", k.ID); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("delete of another account's key: got error %v", err)
			}
			return tx.DeleteAccessKey(alice, "", k.ID)
		})
		view(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.AccessKey(k.ID); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("deleted key: got error %v", err)
			}
			return nil
		})
	})
}

func TestSettings(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.Setting("x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("unset: got error %v", err)
			}
			return errors.Join(tx.PutSetting("x", []byte("1")), tx.PutSetting("x", []byte{0, 255}), tx.PutSetting("empty", nil))
		})
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Setting("x")
			if !slices.Equal(got, []byte{0, 255}) {
				t.Errorf("got %x, %v", got, err)
			}
			_, err = tx.Setting("empty")
			return err
		})
	})
}
