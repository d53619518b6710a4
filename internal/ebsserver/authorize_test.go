package ebsserver_test

import (
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"origami"
	"origami/internal/iam"
)

// TestAuthorize sees what the policies are asked about each operation of a
// user, and refuses it.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	tagged, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), Description: p("it"), Tags: []types.Tag{{Key: p("team"), Value: p("blue")}}})
	if err != nil {
		t.Fatal(err)
	}
	parent := i.a.make(t, nil, nil)
	id, other := *tagged.SnapshotId, *i.a.begin(t, parent, nil)
	var asked, all []string
	i.user = true
	i.allow = func(action string, resources []iam.Resource) error {
		for _, r := range resources {
			keys := []string{}
			names := strings.NewReplacer(id, "ID", other, "OTHER", *parent, "PARENT", string(i.a.id), "A")
			for k, v := range r.Keys {
				keys = append(keys, k+"="+names.Replace(strings.Join(v, ",")))
			}
			slices.Sort(keys)
			asked = append(asked, strings.Join(append([]string{action, names.Replace(r.ARN)}, keys...), " "))
		}
		return origami.Errorf("AccessDeniedException", "no")
	}
	one := p(int32(1))
	for _, tt := range []struct {
		err  error
		want []string
	}{
		{func() error {
			_, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(9)), Description: p("d"), ParentSnapshotId: p("snap-0123456789abcdef0"),
				Tags: []types.Tag{{Key: p("a"), Value: p("b")}}})
			return err
		}(), []string{"ebs:StartSnapshot arn:aws:ec2:eu-west-1::snapshot/* aws:requesttag/a=b aws:tagkeys=a ebs:description=d " +
			"ebs:parentsnapshot=arn:aws:ec2:eu-west-1::snapshot/snap-0123456789abcdef0 ebs:volumesize=9"}},
		{func() error { _, err := c.PutSnapshotBlock(t.Context(), putInput(&id, 0, content(1))); return err }(),
			[]string{"ebs:PutSnapshotBlock arn:aws:ec2:eu-west-1::snapshot/ID aws:resourceaccount=A aws:resourcetag/team=blue ebs:description=it ebs:volumesize=1"}},
		{func() error {
			_, err := c.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: one})
			return err
		}(), []string{"ebs:CompleteSnapshot arn:aws:ec2:eu-west-1::snapshot/ID aws:resourceaccount=A aws:resourcetag/team=blue ebs:description=it ebs:volumesize=1"}},
		{func() error {
			_, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: &other, BlockIndex: one, BlockToken: p("x")})
			return err
		}(), []string{"ebs:GetSnapshotBlock arn:aws:ec2:eu-west-1::snapshot/OTHER aws:resourceaccount=A ebs:description= ebs:parentsnapshot=arn:aws:ec2:eu-west-1::snapshot/PARENT ebs:volumesize=1"}},
		{func() error {
			_, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: &id})
			return err
		}(), []string{"ebs:ListSnapshotBlocks arn:aws:ec2:eu-west-1::snapshot/ID aws:resourceaccount=A aws:resourcetag/team=blue ebs:description=it ebs:volumesize=1"}},
		{func() error {
			_, err := c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: &other, SecondSnapshotId: &id})
			return err
		}(), []string{"ebs:ListChangedBlocks arn:aws:ec2:eu-west-1::snapshot/OTHER aws:resourceaccount=A ebs:description= ebs:parentsnapshot=arn:aws:ec2:eu-west-1::snapshot/PARENT ebs:volumesize=1", "ebs:ListChangedBlocks arn:aws:ec2:eu-west-1::snapshot/ID aws:resourceaccount=A aws:resourcetag/team=blue ebs:description=it ebs:volumesize=1"}},
	} {
		wants(t, tt.want[0], tt.err, "AccessDeniedException/UNAUTHORIZED_ACCOUNT")
		all = append(all, tt.want...)
	}
	if !slices.Equal(asked, all) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(asked, "\n"), strings.Join(all, "\n"))
	}
}
