package ebsserver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/rbin"
	rbintypes "github.com/aws/aws-sdk-go-v2/service/rbin/types"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// These tests are here, beside the direct APIs, because they want snapshots
// that are quick to make and a clock that can be set.

// do calls an operation that must succeed.
func do[In, Out, O any](t testing.TB, f func(context.Context, *In, ...func(*O)) (*Out, error), in *In) *Out {
	t.Helper()
	out, err := f(t.Context(), in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused calls an operation that must fail with a code.
func refused[In, Out, O any](t *testing.T, f func(context.Context, *In, ...func(*O)) (*Out, error), in *In, want string) {
	t.Helper()
	_, err := f(t.Context(), in)
	wants(t, fmt.Sprintf("%T", in), err, want)
}

// shift moves the clock.
func (i *installation) shift(d time.Duration) { i.ahead.Add(int64(d)) }

const days = 24 * time.Hour

// described is a snapshot as its owner sees it, nil if it is not to be seen.
func (a account) described(t *testing.T, id string) *ec2types.Snapshot {
	t.Helper()
	out := do(t, a.ec2(home).DescribeSnapshots, &ec2.DescribeSnapshotsInput{
		Filters: []ec2types.Filter{{Name: p("snapshot-id"), Values: []string{id}}},
	})
	if len(out.Snapshots) == 0 {
		return nil
	}
	return &out.Snapshots[0]
}

//origami:proves ListSnapshotsInRecycleBin RestoreSnapshotFromRecycleBin DeleteSnapshot
func TestRecycleBin(t *testing.T) {
	t.Parallel()
	i := start(t)
	c, bob := i.a.ec2(home), i.b.ec2(home)
	id := i.a.make(t, nil, map[int32][]byte{0: content(1)})
	plain := i.a.make(t, nil, nil)
	do(t, c.CreateTags, &ec2.CreateTagsInput{Resources: []string{*id}, Tags: []ec2types.Tag{{Key: p("keep"), Value: p("yes")}}})
	share := &ec2.ModifySnapshotAttributeInput{SnapshotId: id, CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{
		Add: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}}}}
	do(t, c.ModifySnapshotAttribute, share)
	for n, keep := range []int32{3, 7} {
		do(t, i.a.rules(home).CreateRule, &rbin.CreateRuleInput{
			ResourceType:    rbintypes.ResourceTypeEbsSnapshot,
			RetentionPeriod: &rbintypes.RetentionPeriod{RetentionPeriodValue: &keep, RetentionPeriodUnit: rbintypes.RetentionPeriodUnitDays},
			ResourceTags:    []rbintypes.ResourceTag{{ResourceTagKey: p("keep"), ResourceTagValue: p("yes")}},
			Description:     aws.String(fmt.Sprint("rule ", n)),
		})
	}
	do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: plain})
	refused(t, c.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*plain}}, "InvalidSnapshot.NotFound")
	before := i.now()
	do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id})

	// In the bin nobody sees it, and nothing can be done with it.
	refused(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id}, "InvalidSnapshot.NotFound")
	refused(t, c.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*id}}, "InvalidSnapshot.NotFound")
	refused(t, c.ModifySnapshotAttribute, share, "InvalidSnapshot.NotFound")
	refused(t, c.CreateVolume, &ec2.CreateVolumeInput{SnapshotId: id, AvailabilityZone: p("eu-west-1a")}, "InvalidSnapshot.NotFound")
	refused(t, i.a.blocks(home).ListSnapshotBlocks, &sdk.ListSnapshotBlocksInput{SnapshotId: id}, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	if i.a.described(t, *id) != nil || i.b.described(t, *id) != nil {
		t.Error("a snapshot in the bin is listed")
	}
	out := do(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{SnapshotIds: []string{*id}})
	if len(out.Snapshots) != 1 || out.NextToken != nil {
		t.Fatalf("bin: %+v", out)
	}
	in := out.Snapshots[0]
	if *in.SnapshotId != *id || *in.VolumeId != "vol-ffffffff" || in.RecycleBinEnterTime.Before(before.Add(-time.Second)) ||
		in.RecycleBinExitTime.Sub(*in.RecycleBinEnterTime) != 7*days {
		t.Errorf("bin: %+v", in)
	}
	refused(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{SnapshotIds: []string{*plain}}, "InvalidSnapshot.NotFound")
	for what, stranger := range map[string]*ec2.Client{"bob": bob, "abroad": i.a.ec2(abroad)} {
		if out := do(t, stranger.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{}); len(out.Snapshots) != 0 {
			t.Errorf("%s sees %+v", what, out.Snapshots)
		}
		refused(t, stranger.RestoreSnapshotFromRecycleBin, &ec2.RestoreSnapshotFromRecycleBinInput{SnapshotId: id}, "InvalidSnapshot.NotFound")
	}

	// Tags are all that can be changed, by the owner, and the system's is not
	// among them.
	tags := func() string {
		var keys []string
		for _, d := range do(t, c.DescribeTags, &ec2.DescribeTagsInput{Filters: []ec2types.Filter{{Name: p("resource-id"), Values: []string{*id}}}}).Tags {
			keys = append(keys, *d.Key+"="+*d.Value)
		}
		return strings.Join(keys, " ")
	}
	another := &ec2.CreateTagsInput{Resources: []string{*id}, Tags: []ec2types.Tag{{Key: p("another"), Value: p("tag")}}}
	do(t, c.CreateTags, another)
	refused(t, bob.CreateTags, another, "InvalidSnapshot.NotFound")
	if got, want := tags(), "another=tag aws:recycle-bin:resource-in-bin=true keep=yes"; got != want {
		t.Errorf("tags in the bin: %s, want %s", got, want)
	}
	do(t, c.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{*id}, Tags: another.Tags})

	// Restored, it is what it was, shares and tags too.
	restored := do(t, c.RestoreSnapshotFromRecycleBin, &ec2.RestoreSnapshotFromRecycleBinInput{SnapshotId: id})
	if restored.State != ec2types.SnapshotStateCompleted || *restored.SnapshotId != *id || *restored.VolumeSize != 1 {
		t.Errorf("restored: %+v", restored)
	}
	refused(t, c.RestoreSnapshotFromRecycleBin, &ec2.RestoreSnapshotFromRecycleBinInput{SnapshotId: id}, "InvalidSnapshot.NotFound")
	if s := i.a.described(t, *id); s == nil || len(s.Tags) != 1 || i.b.described(t, *id) == nil {
		t.Errorf("restored snapshot: %+v", s)
	}
	if blocks := do(t, i.a.blocks(home).ListSnapshotBlocks, &sdk.ListSnapshotBlocksInput{SnapshotId: id}); len(blocks.Blocks) != 1 {
		t.Errorf("restored snapshot has %d blocks", len(blocks.Blocks))
	}

	if got, want := tags(), "keep=yes"; got != want {
		t.Errorf("tags after the bin: %s, want %s", got, want)
	}

	// Deleted again later, it stays for the whole time again.
	i.shift(4 * days)
	do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id})
	i.restart()
	c = i.a.ec2(home)
	i.shift(6 * days)
	if out := do(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{}); len(out.Snapshots) != 1 {
		t.Fatalf("after 6 days: %+v", out.Snapshots)
	}
	i.shift(2 * days)
	await(t, "the snapshot has left the bin", func() bool {
		return len(do(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{}).Snapshots) == 0
	})
	refused(t, c.RestoreSnapshotFromRecycleBin, &ec2.RestoreSnapshotFromRecycleBinInput{SnapshotId: id}, "InvalidSnapshot.NotFound")
	err := i.db.View(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.Snapshot(home, metadb.System, origami.SnapshotID(*id))
		return err
	})
	wantsCode(t, "the row of the expired snapshot", err, origami.CodeInvalidSnapshotNotFound)
}

func wantsCode(t *testing.T, what string, err error, code origami.Code) {
	t.Helper()
	if e, ok := err.(*origami.Error); !ok || e.Code != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// TestRecycleBinPages lists a bin page by page.
//
//origami:proves ListSnapshotsInRecycleBin
func TestRecycleBinPages(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	do(t, i.a.rules(home).CreateRule, &rbin.CreateRuleInput{ResourceType: rbintypes.ResourceTypeEbsSnapshot,
		RetentionPeriod: &rbintypes.RetentionPeriod{RetentionPeriodValue: p(int32(1)), RetentionPeriodUnit: rbintypes.RetentionPeriodUnitDays}})
	var want, got []string
	for range 12 {
		id := i.a.make(t, nil, nil)
		do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id})
		want = append(want, *id)
	}
	for token, pages := (*string)(nil), 1; ; pages++ {
		out := do(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{MaxResults: p(int32(5)), NextToken: token})
		for _, s := range out.Snapshots {
			got = append(got, *s.SnapshotId)
		}
		if token = out.NextToken; token == nil {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	refused(t, c.ListSnapshotsInRecycleBin, &ec2.ListSnapshotsInRecycleBinInput{NextToken: p("x")}, "InvalidNextToken")
}

//origami:proves LockSnapshot UnlockSnapshot DescribeLockedSnapshots DeleteSnapshot
func TestLock(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	id := i.a.make(t, nil, nil)
	lock := func(f func(*ec2.LockSnapshotInput)) *ec2.LockSnapshotInput {
		in := &ec2.LockSnapshotInput{SnapshotId: id, LockMode: ec2types.LockModeGovernance, LockDuration: p(int32(2))}
		if f != nil {
			f(in)
		}
		return in
	}
	for want, f := range map[string]func(*ec2.LockSnapshotInput){
		"MissingParameter":             func(in *ec2.LockSnapshotInput) { in.LockDuration = nil },
		"InvalidParameterCombination":  func(in *ec2.LockSnapshotInput) { in.ExpirationDate = p(i.now().Add(days)) },
		"InvalidParameterCombination/": func(in *ec2.LockSnapshotInput) { in.CoolOffPeriod = p(int32(1)) },
		"InvalidParameterValue":        func(in *ec2.LockSnapshotInput) { in.LockDuration = p(int32(36501)) },
		"InvalidParameterValue/":       func(in *ec2.LockSnapshotInput) { in.LockDuration, in.ExpirationDate = nil, p(i.now().Add(-days)) },
		"InvalidParameterValue//": func(in *ec2.LockSnapshotInput) {
			in.LockDuration, in.ExpirationDate = nil, p(i.now().AddDate(101, 0, 0))
		},
		"InvalidParameterValue/////":  func(in *ec2.LockSnapshotInput) { in.LockDuration = p(int32(0)) },
		"InvalidParameterValue//////": func(in *ec2.LockSnapshotInput) { in.LockMode, in.CoolOffPeriod = "compliance", p(int32(0)) },
		"InvalidSnapshot.NotFound":    func(in *ec2.LockSnapshotInput) { in.SnapshotId = p("snap-0123456789abcdef0") },
		"InvalidSnapshotID.Malformed": func(in *ec2.LockSnapshotInput) { in.SnapshotId = p("snap-1") },
		"InvalidParameterValue///":    func(in *ec2.LockSnapshotInput) { in.LockMode = "strict" },
		"InvalidParameterValue////":   func(in *ec2.LockSnapshotInput) { in.LockMode, in.CoolOffPeriod = "compliance", p(int32(73)) },
	} {
		_, err := c.LockSnapshot(t.Context(), lock(f))
		for len(want) > 0 && want[len(want)-1] == '/' {
			want = want[:len(want)-1]
		}
		wants(t, "lock", err, want)
	}
	refused(t, c.UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id}, "IncorrectState")

	// Governance: everything but deletion.
	out := do(t, c.LockSnapshot, lock(nil))
	if out.LockState != ec2types.LockStateGovernance || *out.LockDuration != 2 || out.LockExpiresOn.Sub(*out.LockDurationStartTime) != 2*days || out.CoolOffPeriod != nil {
		t.Errorf("locked: %+v", out)
	}
	refused(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id}, "SnapshotLocked")
	refused(t, i.b.ec2(home).UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id}, "InvalidSnapshot.NotFound")
	do(t, c.LockSnapshot, lock(func(in *ec2.LockSnapshotInput) { in.LockDuration = p(int32(1)) }))
	do(t, c.UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id})

	// Compliance: the same while cooling off, and then longer only.
	compliance := func(d int32) func(*ec2.LockSnapshotInput) {
		return func(in *ec2.LockSnapshotInput) { in.LockMode, in.LockDuration = ec2types.LockModeCompliance, &d }
	}
	cool := do(t, c.LockSnapshot, lock(func(in *ec2.LockSnapshotInput) { compliance(3)(in); in.CoolOffPeriod = p(int32(2)) }))
	if cool.LockState != ec2types.LockStateComplianceCooloff || *cool.CoolOffPeriod != 2 || cool.CoolOffPeriodExpiresOn.Sub(*cool.LockCreatedOn) != 2*time.Hour {
		t.Errorf("cooling off: %+v", cool)
	}
	refused(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id}, "SnapshotLocked")
	do(t, c.UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id})
	do(t, c.LockSnapshot, lock(func(in *ec2.LockSnapshotInput) { compliance(3)(in); in.CoolOffPeriod = p(int32(2)) }))
	i.shift(2*time.Hour + time.Minute)
	refused(t, c.UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id}, "OperationNotPermitted")
	refused(t, c.LockSnapshot, lock(func(in *ec2.LockSnapshotInput) { in.LockDuration = p(int32(9)) }), "OperationNotPermitted")
	refused(t, c.LockSnapshot, lock(compliance(2)), "OperationNotPermitted")
	refused(t, c.LockSnapshot, lock(func(in *ec2.LockSnapshotInput) { compliance(5)(in); in.CoolOffPeriod = p(int32(2)) }), "OperationNotPermitted")
	longer := do(t, c.LockSnapshot, lock(compliance(5)))
	if longer.LockState != ec2types.LockStateCompliance || *longer.LockDuration != 5 {
		t.Errorf("extended: %+v", longer)
	}
	other := i.a.make(t, nil, nil)
	until := i.now().Add(36 * time.Hour).Truncate(time.Second)
	dated := do(t, c.LockSnapshot, &ec2.LockSnapshotInput{SnapshotId: other, LockMode: ec2types.LockModeGovernance, ExpirationDate: &until})
	if !dated.LockExpiresOn.Equal(until) || *dated.LockDuration != 2 {
		t.Errorf("until a date: %+v", dated)
	}
	states := func(filter ...string) map[string]ec2types.LockState {
		in := &ec2.DescribeLockedSnapshotsInput{}
		if len(filter) > 0 {
			in.Filters = []ec2types.Filter{{Name: p("lock-state"), Values: filter}}
		}
		all := make(map[string]ec2types.LockState)
		for _, s := range do(t, c.DescribeLockedSnapshots, in).Snapshots {
			all[*s.SnapshotId] = s.LockState
		}
		return all
	}
	if got := states(); len(got) != 2 || got[*id] != ec2types.LockStateCompliance || got[*other] != ec2types.LockStateGovernance {
		t.Errorf("locked snapshots: %v", got)
	}
	if got := states("governance"); len(got) != 1 || got[*other] == "" {
		t.Errorf("in governance mode: %v", got)
	}
	if out := do(t, i.b.ec2(home).DescribeLockedSnapshots, &ec2.DescribeLockedSnapshotsInput{}); len(out.Snapshots) != 0 {
		t.Errorf("bob sees %+v", out.Snapshots)
	}
	i.shift(5*days + time.Hour)
	if got := states("expired"); len(got) != 2 {
		t.Errorf("expired: %v", got)
	}
	refused(t, c.UnlockSnapshot, &ec2.UnlockSnapshotInput{SnapshotId: id}, "IncorrectState")
	do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id})

	// A lock on a pending snapshot begins when that is complete.
	pending := i.a.begin(t, nil, nil)
	early := do(t, c.LockSnapshot, &ec2.LockSnapshotInput{SnapshotId: pending, LockMode: ec2types.LockModeGovernance, LockDuration: p(int32(1))})
	if early.LockExpiresOn != nil || early.LockDurationStartTime != nil {
		t.Errorf("lock of a pending snapshot: %+v", early)
	}
	i.shift(30 * time.Minute)
	do(t, i.a.blocks(home).CompleteSnapshot, &sdk.CompleteSnapshotInput{SnapshotId: pending, ChangedBlocksCount: p(int32(0))})
	i.a.ended(t, pending)
	if l := i.a.read(t, pending).Lock; l.DurationStart.Before(i.now().Add(-20*time.Minute)) || l.Expires.Sub(l.DurationStart) != days {
		t.Errorf("lock after completion: %+v", l)
	}
}

//origami:proves EnableSnapshotBlockPublicAccess DisableSnapshotBlockPublicAccess GetSnapshotBlockPublicAccessState ModifySnapshotAttribute
func TestBlockPublicAccess(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	public, private := i.a.make(t, nil, nil), i.a.make(t, nil, nil)
	publish := func(id *string) *ec2.ModifySnapshotAttributeInput {
		return &ec2.ModifySnapshotAttributeInput{SnapshotId: id, CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{
			Add: []ec2types.CreateVolumePermission{{Group: ec2types.PermissionGroupAll}}}}
	}
	do(t, c.ModifySnapshotAttribute, publish(public))
	state := func() string {
		out := do(t, c.GetSnapshotBlockPublicAccessState, &ec2.GetSnapshotBlockPublicAccessStateInput{})
		return string(out.State) + " " + string(out.ManagedBy)
	}
	attribute := func(id *string) int {
		out := do(t, c.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: id, Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission})
		return len(out.CreateVolumePermissions)
	}
	if got := state(); got != "unblocked account" {
		t.Errorf("state = %s", got)
	}
	refused(t, c.EnableSnapshotBlockPublicAccess, &ec2.EnableSnapshotBlockPublicAccessInput{State: "unblocked"}, "InvalidParameterValue")
	for _, tt := range []struct {
		state ec2types.SnapshotBlockPublicAccessState
		seen  bool
	}{
		{ec2types.SnapshotBlockPublicAccessStateBlockNewSharing, true},
		{ec2types.SnapshotBlockPublicAccessStateBlockAllSharing, false},
		{ec2types.SnapshotBlockPublicAccessStateBlockNewSharing, true},
		{ec2types.SnapshotBlockPublicAccessStateBlockAllSharing, false},
	} {
		if out := do(t, c.EnableSnapshotBlockPublicAccess, &ec2.EnableSnapshotBlockPublicAccessInput{State: tt.state}); out.State != tt.state {
			t.Errorf("enabled %s, got %s", tt.state, out.State)
		}
		if got := state(); got != string(tt.state)+" account" {
			t.Errorf("state = %s", got)
		}
		refused(t, c.ModifySnapshotAttribute, publish(private), "OperationNotPermitted")
		if seen := i.b.described(t, *public) != nil; seen != tt.seen || attribute(public) != 1 {
			t.Errorf("%s: bob sees the public snapshot: %v, and it has %d permissions", tt.state, seen, attribute(public))
		}
	}
	// Neither other regions nor other accounts are concerned, nor shares by name.
	if out := do(t, i.a.ec2(abroad).GetSnapshotBlockPublicAccessState, &ec2.GetSnapshotBlockPublicAccessStateInput{}); out.State != "unblocked" {
		t.Errorf("abroad: %s", out.State)
	}
	if out := do(t, i.b.ec2(home).GetSnapshotBlockPublicAccessState, &ec2.GetSnapshotBlockPublicAccessStateInput{}); out.State != "unblocked" {
		t.Errorf("bob: %s", out.State)
	}
	do(t, c.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: private, CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{
		Add: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}}}})
	if i.b.described(t, *private) == nil {
		t.Error("bob does not see what is shared with him")
	}
	if out := do(t, c.DisableSnapshotBlockPublicAccess, &ec2.DisableSnapshotBlockPublicAccessInput{}); out.State != "unblocked" {
		t.Errorf("disabled: %s", out.State)
	}
	if i.b.described(t, *public) == nil {
		t.Error("the public snapshot is not public again")
	}
	do(t, c.ModifySnapshotAttribute, publish(private))
}

//origami:proves ModifySnapshotTier RestoreSnapshotTier DescribeSnapshotTierStatus
func TestArchive(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	id := i.a.make(t, nil, map[int32][]byte{0: content(1)})
	do(t, c.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: id, CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{
		Add: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}}}})
	status := func() ec2types.SnapshotTierStatus {
		out := do(t, c.DescribeSnapshotTierStatus, &ec2.DescribeSnapshotTierStatusInput{
			Filters: []ec2types.Filter{{Name: p("snapshot-id"), Values: []string{*id}}}})
		if len(out.SnapshotTierStatuses) != 1 {
			t.Fatalf("status: %+v", out)
		}
		return out.SnapshotTierStatuses[0]
	}
	until := func(want ec2types.TieringOperationStatus) ec2types.SnapshotTierStatus {
		await(t, string(want), func() bool { return status().LastTieringOperationStatus == want })
		return status()
	}
	use := &ec2.CreateVolumeInput{SnapshotId: id, AvailabilityZone: p("eu-west-1a")}
	archive := &ec2.ModifySnapshotTierInput{SnapshotId: id, StorageTier: ec2types.TargetStorageTierArchive}
	if s := status(); s.StorageTier != ec2types.StorageTierStandard || s.LastTieringOperationStatus != "" {
		t.Errorf("before: %+v", s)
	}
	refused(t, c.RestoreSnapshotTier, &ec2.RestoreSnapshotTierInput{SnapshotId: id}, "IncorrectState")
	refused(t, i.b.ec2(home).ModifySnapshotTier, archive, "AuthFailure")
	refused(t, c.ModifySnapshotTier, &ec2.ModifySnapshotTierInput{SnapshotId: i.a.begin(t, nil, nil), StorageTier: "archive"}, "IncorrectState")
	if out := do(t, c.ModifySnapshotTier, archive); *out.SnapshotId != *id || out.TieringStartTime == nil {
		t.Errorf("archived: %+v", out)
	}
	if s := until(ec2types.TieringOperationStatusArchivalCompleted); s.StorageTier != ec2types.StorageTierArchive || s.ArchivalCompleteTime == nil || *s.LastTieringProgress != 100 {
		t.Errorf("archived: %+v", s)
	}
	refused(t, c.ModifySnapshotTier, archive, "IncorrectState")
	refused(t, c.CreateVolume, use, "IncorrectState")
	refused(t, i.a.blocks(home).ListSnapshotBlocks, &sdk.ListSnapshotBlocksInput{SnapshotId: id}, "ValidationException/INVALID_SNAPSHOT_ID")
	refused(t, c.RegisterImage, &ec2.RegisterImageInput{Name: p("golden"), RootDeviceName: p("/dev/xvda"), BlockDeviceMappings: []ec2types.BlockDeviceMapping{
		{DeviceName: p("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: id}}}}, "IncorrectState")
	refused(t, c.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: id, CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{
		Add: []ec2types.CreateVolumePermission{{Group: ec2types.PermissionGroupAll}}}}, "IncorrectState")
	if s := i.a.described(t, *id); s == nil || s.StorageTier != ec2types.StorageTierArchive || i.b.described(t, *id) != nil {
		t.Errorf("archived snapshot: %+v", s)
	}

	// For a time.
	refused(t, c.RestoreSnapshotTier, &ec2.RestoreSnapshotTierInput{SnapshotId: id, PermanentRestore: p(true), TemporaryRestoreDays: p(int32(1))}, "InvalidParameterCombination")
	for _, n := range []int32{0, -1, 181} {
		in := &ec2.RestoreSnapshotTierInput{SnapshotId: id, TemporaryRestoreDays: &n}
		refused(t, c.RestoreSnapshotTier, in, "InvalidParameterValue")
		if _, err := c.RestoreSnapshotTier(t.Context(), in); !strings.Contains(fmt.Sprint(err), fmt.Sprintf("Value (%d) for", n)) {
			t.Errorf("for %d days: got error %v", n, err)
		}
	}
	if out := do(t, c.RestoreSnapshotTier, &ec2.RestoreSnapshotTierInput{SnapshotId: id, TemporaryRestoreDays: p(int32(2))}); *out.RestoreDuration != 2 || *out.IsPermanentRestore {
		t.Errorf("restore: %+v", out)
	}
	if s := until(ec2types.TieringOperationStatusTemporaryRestoreCompleted); s.RestoreExpiryTime == nil || s.RestoreExpiryTime.Sub(i.now()) > 2*days {
		t.Errorf("restored: %+v", s)
	}
	do(t, c.CreateVolume, use)
	if s := i.a.described(t, *id); s.RestoreExpiryTime == nil || i.b.described(t, *id) == nil {
		t.Errorf("restored snapshot: %+v", s)
	}
	i.shift(2*days + time.Minute)
	await(t, "the restore ends", func() bool { return status().RestoreExpiryTime == nil })
	refused(t, c.CreateVolume, use, "IncorrectState")

	// For good.
	do(t, c.RestoreSnapshotTier, &ec2.RestoreSnapshotTierInput{SnapshotId: id, PermanentRestore: p(true)})
	if s := until(ec2types.TieringOperationStatusPermanentRestoreCompleted); s.StorageTier != ec2types.StorageTierStandard {
		t.Errorf("restored for good: %+v", s)
	}
	do(t, c.CreateVolume, use)
	image := do(t, c.RegisterImage, &ec2.RegisterImageInput{Name: p("golden"), RootDeviceName: p("/dev/xvda"), BlockDeviceMappings: []ec2types.BlockDeviceMapping{
		{DeviceName: p("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: id}}}})
	refused(t, c.ModifySnapshotTier, archive, "InvalidSnapshot.InUse")
	_ = image
}

//origami:proves EnableFastSnapshotRestores DisableFastSnapshotRestores DescribeFastSnapshotRestores
func TestFastRestores(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	id, pending := i.a.make(t, nil, map[int32][]byte{0: content(1)}), i.a.begin(t, nil, nil)
	zones := []string{"eu-west-1a", "eu-west-1b"}
	refused(t, c.EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{SourceSnapshotIds: []string{*id}}, "MissingParameter")
	refused(t, c.EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{SourceSnapshotIds: []string{*id}, AvailabilityZones: zones,
		AvailabilityZoneIds: []string{"euw1-az1"}}, "InvalidParameterCombination")
	refused(t, c.EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{SourceSnapshotIds: []string{*id}, AvailabilityZones: []string{"mars-1a"}}, "InvalidParameterValue")
	refused(t, c.EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{SourceSnapshotIds: slices.Repeat([]string{*id}, 11), AvailabilityZones: zones}, "InvalidRequest")
	out := do(t, c.EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{
		SourceSnapshotIds: []string{*id, *pending, "snap-0123456789abcdef0"}, AvailabilityZones: zones})
	if len(out.Successful) != 2 || len(out.Unsuccessful) != 2 {
		t.Fatalf("enabled: %+v", out)
	}
	if s := out.Successful[0]; s.State != ec2types.FastSnapshotRestoreStateCodeEnabling || *s.StateTransitionReason != "Client.UserInitiated" ||
		*s.AvailabilityZone != zones[0] || *s.AvailabilityZoneId != "euw1-az1" || s.EnablingTime == nil {
		t.Errorf("enabled: %+v", s)
	}
	for n, want := range []string{"IncorrectState", "InvalidSnapshot.NotFound"} {
		if e := out.Unsuccessful[n].FastSnapshotRestoreStateErrors; len(e) != 2 || *e[0].Error.Code != want {
			t.Errorf("refused: %+v, want %s", e, want)
		}
	}
	state := func(zone string) (found ec2types.DescribeFastSnapshotRestoreSuccessItem) {
		all := do(t, c.DescribeFastSnapshotRestores, &ec2.DescribeFastSnapshotRestoresInput{Filters: []ec2types.Filter{
			{Name: p("snapshot-id"), Values: []string{*id}}, {Name: p("availability-zone"), Values: []string{zone}}}})
		if len(all.FastSnapshotRestores) == 1 {
			return all.FastSnapshotRestores[0]
		}
		return found
	}
	for _, z := range zones {
		await(t, "fast restore is enabled", func() bool { return state(z).State == ec2types.FastSnapshotRestoreStateCodeEnabled })
	}
	if s := state(zones[0]); s.OptimizingTime == nil || s.EnabledTime == nil || *s.StateTransitionReason != "Client.UserInitiated - Lifecycle state transition" {
		t.Errorf("enabled: %+v", s)
	}
	// A snapshot of 1 GiB has 10 credits in a zone.
	fast := func(zone string) int {
		n := 0
		for range 11 {
			v := do(t, c.CreateVolume, &ec2.CreateVolumeInput{SnapshotId: id, AvailabilityZone: &zone})
			all := do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*v.VolumeId},
				Filters: []ec2types.Filter{{Name: p("fast-restored"), Values: []string{"true"}}}})
			n += len(all.Volumes)
			shown := do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*v.VolumeId}}).Volumes[0].FastRestored
			if aws.ToBool(shown) != (len(all.Volumes) == 1) || v.FastRestored != nil {
				t.Errorf("fast volume %d shows %v, and %v when it was made", n, shown, v.FastRestored)
			}
		}
		return n
	}
	if a, c := fast(zones[0]), fast("eu-west-1c"); a < 10 || c != 0 {
		t.Errorf("%d and %d fast volumes, want 10 and none", a, c)
	}
	if all := do(t, i.b.ec2(home).DescribeFastSnapshotRestores, &ec2.DescribeFastSnapshotRestoresInput{}); len(all.FastSnapshotRestores) != 0 {
		t.Errorf("bob sees %+v", all)
	}
	off := do(t, c.DisableFastSnapshotRestores, &ec2.DisableFastSnapshotRestoresInput{SourceSnapshotIds: []string{*id}, AvailabilityZoneIds: []string{"euw1-az1", "euw1-az3"}})
	if len(off.Successful) != 1 || off.Successful[0].State != ec2types.FastSnapshotRestoreStateCodeDisabling || len(off.Unsuccessful) != 1 ||
		*off.Unsuccessful[0].FastSnapshotRestoreStateErrors[0].AvailabilityZone != "eu-west-1c" {
		t.Errorf("disabled: %+v", off)
	}
	await(t, "fast restore is disabled", func() bool { return state(zones[0]).State == ec2types.FastSnapshotRestoreStateCodeDisabled })
	// Another account can have what is over, and not what is enabled.
	do(t, c.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: id,
		CreateVolumePermission: &ec2types.CreateVolumePermissionModifications{Add: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}}}})
	theirs := do(t, i.b.ec2(home).EnableFastSnapshotRestores, &ec2.EnableFastSnapshotRestoresInput{SourceSnapshotIds: []string{*id}, AvailabilityZones: zones})
	if len(theirs.Successful) != 1 || *theirs.Successful[0].OwnerId != string(i.b.id) || *theirs.Successful[0].AvailabilityZone != zones[0] ||
		len(theirs.Unsuccessful) != 1 {
		t.Errorf("enabled by another: %+v", theirs)
	}
	do(t, c.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: id})
	if s := state(zones[1]); s.SnapshotId != nil {
		t.Errorf("of the deleted snapshot: %+v", s)
	}
}

// TestVolumeLimits takes snapshots of a volume too soon and too many.
//
//origami:proves CreateSnapshot
func TestVolumeLimits(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.limits = ebs.Limits{Pending: 2, Interval: 15 * time.Minute}
	i.restart()
	c := i.a.ec2(home)
	v := do(t, c.CreateVolume, &ec2.CreateVolumeInput{Size: p(int32(1)), AvailabilityZone: p("eu-west-1a")}).VolumeId
	await(t, "the volume is available", func() bool {
		return do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*v}}).Volumes[0].State == ec2types.VolumeStateAvailable
	})
	take := &ec2.CreateSnapshotInput{VolumeId: v}
	first := do(t, c.CreateSnapshot, take)
	refused(t, c.CreateSnapshot, take, "SnapshotCreationPerVolumeRateExceeded")
	i.a.ended(t, first.SnapshotId)
	i.shift(15 * time.Minute)
	i.a.ended(t, do(t, c.CreateSnapshot, take).SnapshotId)
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		who := origami.Caller{Account: i.a.id, Region: home}
		volume, err := tx.Volume(home, i.a.id, origami.VolumeID(*v))
		for n := 0; n < 2 && err == nil; n++ {
			_, err = i.ebs.PromiseSnapshot(tx, who, volume, ebs.SnapshotSpec{})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	i.shift(15 * time.Minute)
	refused(t, c.CreateSnapshot, take, "ConcurrentSnapshotLimitExceeded")
	// Nor can images and snapshots of whole instances have one more.
	err = i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		volume, err := tx.Volume(home, i.a.id, origami.VolumeID(*v))
		if err != nil {
			return err
		}
		_, err = i.ebs.PromiseSnapshot(tx, origami.Caller{Account: i.a.id, Region: home}, volume, ebs.SnapshotSpec{})
		return err
	})
	wantsCode(t, "one snapshot more", err, "ConcurrentSnapshotLimitExceeded")
}
