package ec2server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
)

// TestSnapshots takes, describes and deletes snapshots of a volume.
//
//origami:proves CreateSnapshot DescribeSnapshots DeleteSnapshot
func TestSnapshots(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, nil)
	vol := *m.BlockDeviceMappings[0].Ebs.VolumeId
	tags := []types.Tag{{Key: p("by"), Value: p("hand")}}
	made := do(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{
		VolumeId: &vol, Description: p("before the change"), Location: "regional",
		TagSpecifications: []types.TagSpecification{{ResourceType: "snapshot", Tags: tags}},
	})
	same(t, made, &ec2.CreateSnapshotOutput{
		SnapshotId: made.SnapshotId, VolumeId: &vol, VolumeSize: p(int32(1)), State: "pending", Progress: p("0%"), Description: p("before the change"),
		OwnerId: p(string(a.id)), Encrypted: p(false), StorageTier: "standard", StartTime: &clock, Tags: tags,
	})
	id := *made.SnapshotId
	var got types.Snapshot
	await(t, id+" to be completed", func() bool {
		got = do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}).Snapshots[0]
		return got.State == "completed"
	})
	same(t, got, types.Snapshot{
		SnapshotId: &id, VolumeId: &vol, VolumeSize: p(int32(1)), State: "completed", Progress: p("100%"), Description: p("before the change"),
		OwnerId: p(string(a.id)), Encrypted: p(false), StorageTier: "standard", StartTime: &clock, CompletionTime: &clock,
		FullSnapshotSizeInBytes: p(int64(512 << 10)), Tags: tags,
	})
	// A description that is not given is empty, not absent.
	plain := do(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &vol})
	if plain.Description == nil || *plain.Description != "" {
		t.Errorf("got description %v, want an empty one", plain.Description)
	}
	bobs := i.b.snapshot(t, home, "bob")

	for _, tt := range []struct {
		name          string
		in            ec2.CreateSnapshotInput
		code, message string
	}{
		{"volume ID", ec2.CreateSnapshotInput{VolumeId: p("vol")}, "InvalidVolumeID.Malformed", `Invalid id: "vol" (expecting "vol-...")`},
		{"no such volume", ec2.CreateSnapshotInput{VolumeId: p("vol-01234567")}, "InvalidVolume.NotFound", "The volume 'vol-01234567' does not exist."},
		{"dry run", ec2.CreateSnapshotInput{VolumeId: &vol, DryRun: p(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
		{"outpost", ec2.CreateSnapshotInput{VolumeId: &vol, OutpostArn: p("arn")}, "UnsupportedOperation", "The parameter OutpostArn is not supported by this service."},
		{"tags of another kind", ec2.CreateSnapshotInput{VolumeId: &vol, TagSpecifications: []types.TagSpecification{{ResourceType: "volume", Tags: tags}}}, "InvalidParameterValue", "'volume' is not a valid taggable resource type for this operation."},
	} {
		t.Run(tt.name, func(t *testing.T) { fails(t, a.CreateSnapshot, &tt.in, tt.code, tt.message) })
	}
	fails(t, i.b.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &vol}, "InvalidVolume.NotFound", "The volume '"+vol+"' does not exist.")

	// Who sees what.
	ids := func(a *account, in *ec2.DescribeSnapshotsInput) string {
		var all []string
		for _, s := range do(t, a.DescribeSnapshots, in).Snapshots {
			all = append(all, *s.SnapshotId)
		}
		return sorted(all)
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	check("bob", ids(i.b, &ec2.DescribeSnapshotsInput{}), bobs)
	check("bob asks for alice's by ID", ids(i.b, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}), "")
	check("owner", ids(i.b, &ec2.DescribeSnapshotsInput{OwnerIds: []string{string(a.id)}}), "")
	check("amazon", ids(i.b, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"amazon"}}), "")
	check("amazon and self", ids(i.b, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"amazon", "self"}}), bobs)
	i.share(t, id, func(s *origami.Snapshot) { s.SharedWith = []origami.AccountID{i.b.id} })
	check("shared", ids(i.b, &ec2.DescribeSnapshotsInput{}), sorted([]string{bobs, id}))
	check("restorable by self", ids(i.b, &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{"self"}}), id)
	check("restorable by bob", ids(a, &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{string(i.b.id)}}), id)
	check("restorable by all", ids(i.b, &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{"all"}}), "")
	if s := do(t, i.b.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}).Snapshots[0]; len(s.Tags) > 0 {
		t.Errorf("bob sees alice's tags %v", s.Tags)
	}
	i.share(t, id, func(s *origami.Snapshot) { s.SharedWith, s.Public = nil, true })
	check("public", ids(i.b, &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{"all"}}), id)

	const missing = "The snapshot 'snap-01234567' does not exist."
	fails(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{"snap"}}, "InvalidSnapshotID.Malformed", `Invalid id: "snap" (expecting "snap-...")`)
	fails(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id, "snap-01234567"}}, "InvalidSnapshot.NotFound", missing)
	fails(t, a.in(abroad).DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
	fails(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"bob"}}, "InvalidUserID.Malformed", `Invalid user id: "bob"`)
	fails(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}, MaxResults: p(int32(5))}, "InvalidParameterCombination", "The parameter snapshotSet cannot be used with the parameter maxResults")
	fails(t, a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: p("snap")}, "InvalidSnapshotID.Malformed", `Invalid id: "snap" (expecting "snap-...")`)
	fails(t, a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: p("snap-01234567")}, "InvalidSnapshot.NotFound", missing)
	fails(t, a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &bobs}, "InvalidSnapshot.NotFound", "The snapshot '"+bobs+"' does not exist.")
	fails(t, i.b.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &id}, "UnauthorizedOperation", "You are not authorized to perform this operation on snapshot "+id+".")
	fails(t, a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &id, DryRun: p(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")

	// The snapshot outlives its volume, and goes with all that is about it.
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*m.InstanceId}})
	reaches(t, a.Client, *m.InstanceId, "terminated")
	fails(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{vol}}, "InvalidVolume.NotFound", "The volume '"+vol+"' does not exist.")
	check("after the volume", ids(a, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}), id)
	status, text := a.send(t, home, form("DeleteSnapshot", "SnapshotId", id))
	if status != 200 || !strings.Contains(text, "<return>true</return>") {
		t.Errorf("got %d %s", status, text)
	}
	fails(t, a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &id}, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
	fails(t, i.b.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
	if got := do(t, a.DescribeTags, &ec2.DescribeTagsInput{}).Tags; len(got) > 0 {
		t.Errorf("the snapshot left tags %v", got)
	}
}

// share changes a snapshot's row, for what the API cannot do yet.
func (i *installation) share(t *testing.T, id string, f func(*origami.Snapshot)) {
	t.Helper()
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(home, origami.SnapshotID(id), func(s *origami.Snapshot) error { f(s); return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVolumes keeps the volumes of two accounts and two regions apart.
//
//origami:proves DescribeVolumes
func TestVolumes(t *testing.T) {
	t.Parallel()
	i := open(t)
	mine := *i.a.started(t, nil).BlockDeviceMappings[0].Ebs.VolumeId
	bobs := *i.b.started(t, nil).BlockDeviceMappings[0].Ebs.VolumeId
	if got := do(t, i.a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(got) != 1 || *got[0].VolumeId != mine {
		t.Errorf("alice sees %v, want %s", got, mine)
	}
	if got := do(t, i.a.in(abroad).DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(got) != 0 {
		t.Errorf("alice sees %v abroad", got)
	}
	describe := func(c *ec2.Client, code, message string, in ec2.DescribeVolumesInput) {
		t.Helper()
		fails(t, c.DescribeVolumes, &in, code, message)
	}
	describe(i.a.Client, "InvalidVolumeID.Malformed", `Invalid id: "v" (expecting "vol-...")`, ec2.DescribeVolumesInput{VolumeIds: []string{mine, "v"}})
	describe(i.a.Client, "InvalidVolume.NotFound", "The volume '"+bobs+"' does not exist.", ec2.DescribeVolumesInput{VolumeIds: []string{mine, bobs}})
	describe(i.a.in(abroad), "InvalidVolume.NotFound", "The volume '"+mine+"' does not exist.", ec2.DescribeVolumesInput{VolumeIds: []string{mine}})
	describe(i.a.Client, "InvalidParameterCombination", "The parameter volumeSet cannot be used with the parameter maxResults", ec2.DescribeVolumesInput{VolumeIds: []string{mine}, MaxResults: p(int32(5))})
	describe(i.a.Client, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", ec2.DescribeVolumesInput{DryRun: p(true)})
}
