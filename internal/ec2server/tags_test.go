package ec2server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

// tagsOf lists the tags of a resource as "key=value".
func tagsOf(t *testing.T, a *account, id string) string {
	t.Helper()
	var all []string
	out := do(t, a.DescribeTags, &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: p("resource-id"), Values: []string{id}}}})
	for _, tag := range out.Tags {
		if *tag.ResourceId != id {
			t.Errorf("asked for %s, got a tag of %s", id, *tag.ResourceId)
		}
		all = append(all, *tag.Key+"="+*tag.Value)
	}
	return strings.Join(all, " ")
}

// TestTags creates, overwrites and deletes tags of every kind of resource.
//
//origami:proves CreateTags DeleteTags DescribeTags S110 S111
func TestTags(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, nil)
	key := *do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("k"), KeyType: "ed25519"}).KeyPairId
	snapshot := *image(t, a.Client, *m.ImageId).BlockDeviceMappings[0].Ebs.SnapshotId
	kinds := map[string]types.ResourceType{
		*m.InstanceId: "instance", *m.ImageId: "image", *m.BlockDeviceMappings[0].Ebs.VolumeId: "volume", key: "key-pair",
		snapshot: "snapshot", *m.VpcId: "vpc", *m.SubnetId: "subnet", *m.SecurityGroups[0].GroupId: "security-group",
	}
	var all []string
	for id := range kinds {
		all = append(all, id)
	}
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: all, Tags: []types.Tag{tag("Name", "web"), tag("empty", ""), tag("Ünïcode <&>", "\"世界\" 🦙")}})
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: all, Tags: []types.Tag{tag("Name", "db"), tag("name", "x")}})
	for id, kind := range kinds {
		if got, want := tagsOf(t, a, id), "Name=db empty= name=x Ünïcode <&>=\"世界\" 🦙"; got != want {
			t.Errorf("%s: got tags %s, want %s", kind, got, want)
		}
	}
	out := do(t, a.DescribeTags, &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: p("resource-type"), Values: []string{"image"}}, {Name: p("key"), Values: []string{"Name"}}}})
	same(t, out.Tags, []types.TagDescription{{Key: p("Name"), Value: p("db"), ResourceId: m.ImageId, ResourceType: "image"}})
	for _, v := range do(t, a.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs {
		same(t, v.Tags, []types.Tag{tag("Name", "db"), tag("empty", ""), tag("name", "x"), tag("Ünïcode <&>", "\"世界\" 🦙")})
	}

	// By key, by key and equal value, by key and another value, by empty value.
	remove := func(tags ...types.Tag) {
		t.Helper()
		do(t, a.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{snapshot}, Tags: tags})
	}
	remove(types.Tag{Key: p("Ünïcode <&>")}, tag("name", "other"), tag("absent", "x"))
	if got, want := tagsOf(t, a, snapshot), "Name=db empty= name=x"; got != want {
		t.Errorf("got tags %s, want %s", got, want)
	}
	remove(tag("Name", ""), tag("empty", ""), tag("name", "x"))
	if got, want := tagsOf(t, a, snapshot), "Name=db"; got != want {
		t.Errorf("got tags %s, want %s", got, want)
	}
	remove()
	if got := tagsOf(t, a, snapshot); got != "" {
		t.Errorf("got tags %s, want none", got)
	}
	remove()

	// Deleting a resource deletes its tags.
	do(t, a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyPairId: &key})
	if got := tagsOf(t, a, key); got != "" {
		t.Errorf("the key pair left tags %s", got)
	}
	volume := *m.BlockDeviceMappings[0].Ebs.VolumeId
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*m.InstanceId}})
	reaches(t, a.Client, *m.InstanceId, "terminated")
	if got := tagsOf(t, a, volume); got != "" {
		t.Errorf("the volume left tags %s", got)
	}
	do(t, a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: m.ImageId})
	if got := tagsOf(t, a, *m.ImageId); got != "" {
		t.Errorf("the image left tags %s", got)
	}
}

// TestTagErrors gives the bounds of tags.
//
//origami:proves CreateTags DeleteTags DescribeTags
func TestTagErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	id, second := i.a.snapshot(t, home, "a"), i.a.snapshot(t, home, "b")
	bobs := i.b.snapshot(t, home, "bob")
	var fifty []types.Tag
	for n := range 50 {
		fifty = append(fifty, tag(fmt.Sprintf("key%02d", n), "v"))
	}
	const limit = "The maximum number of Tags for a resource has been reached."
	for _, tt := range []struct {
		name          string
		ids           []string
		tags          []types.Tag
		code, message string
	}{
		{"no resource", []string{}, []types.Tag{tag("a", "b")}, "MissingParameter", "The request must contain the parameter ResourceId"},
		{"no tag", []string{id}, []types.Tag{}, "MissingParameter", "The request must contain the parameter Tag"},
		{"no key", []string{id}, []types.Tag{{Value: p("b")}}, "InvalidTagKey.Malformed", "Tag key cannot be empty"},
		{"reserved", []string{id}, []types.Tag{tag("aws:x", "b")}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"reserved in capitals", []string{id}, []types.Tag{tag("AWS:x", "b")}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"long key", []string{id}, []types.Tag{tag(strings.Repeat("ü", 129), "b")}, "InvalidParameterValue", "…"},
		{"long value", []string{id}, []types.Tag{tag("a", strings.Repeat("ü", 257))}, "InvalidParameterValue", "…"},
		{"key twice", []string{id}, []types.Tag{tag("a", "b"), tag("a", "b")}, "InvalidParameterValue", "Duplicate tag key 'a' specified."},
		{"51", []string{id}, append(fifty[:50:50], tag("one more", "")), "TagLimitExceeded", limit},
		{"no ID", []string{"x"}, fifty[:1], "InvalidID", "The ID 'x' is not valid"},
		{"other kind of ID", []string{"eipassoc-01234567"}, fifty[:1], "InvalidID", "The ID 'eipassoc-01234567' is not valid"},
		{"image of nobody", []string{id, "ami-01234567"}, fifty[:1], "InvalidAMIID.NotFound", "The image id '[ami-01234567]' does not exist"},
		{"another's snapshot", []string{id, bobs}, fifty[:1], "InvalidSnapshot.NotFound", "The snapshot '" + bobs + "' does not exist."},
		{"task", []string{"task-01234567"}, fifty[:1], "InvalidID", "…"},
		{"reservation", []string{"r-01234567"}, fifty[:1], "InvalidReservationID.NotFound", "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fails(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: tt.ids, Tags: tt.tags}, tt.code, tt.message)
			if strings.Contains(tt.code, "NotFound") || tt.code == "InvalidID" {
				fails(t, i.a.DeleteTags, &ec2.DeleteTagsInput{Resources: tt.ids, Tags: tt.tags}, tt.code, tt.message)
			}
		})
	}
	if got := do(t, i.a.DescribeTags, &ec2.DescribeTagsInput{}).Tags; len(got) > 0 {
		t.Errorf("errors left tags %v", got)
	}
	fails(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: fifty[:1], DryRun: p(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	fails(t, i.a.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("aws:x", "")}}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")

	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: fifty})
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: fifty})
	fails(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{second, id}, Tags: []types.Tag{tag("one more", "")}}, "TagLimitExceeded", limit)
	if got := tagsOf(t, i.a, second); got != "" {
		t.Errorf("a request that failed left %s", got)
	}
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{second}, Tags: []types.Tag{tag(strings.Repeat("ü", 128), strings.Repeat("ü", 256))}})

	// Keys that differ in case, or in a space, are different keys.
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{second}, Tags: []types.Tag{tag("a", "1"), tag("A", "2"), tag("a ", "3"), tag("a/b", "4")}})
	if got, want := len(strings.Fields(tagsOf(t, i.a, second))), 5; got < want {
		t.Errorf("got %d tags, want %d", got, want)
	}
}

// TestForeignTags tags an image that two accounts see: each sees its own.
//
//origami:proves CreateTags DescribeTags
func TestForeignTags(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.register(t, i.a.Client, "shared", i.a.snapshot(t, home, "root"))
	fails(t, i.b.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("by", "bob")}}, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	i.change(t, home, id, func(m *origami.Image) { m.SharedWith = []origami.AccountID{i.b.id} })
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("by", "alice"), tag("secret", "x")}})
	do(t, i.b.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("by", "bob")}})
	same(t, image(t, i.a.Client, id).Tags, []types.Tag{tag("by", "alice"), tag("secret", "x")})
	same(t, image(t, i.b.Client, id).Tags, []types.Tag{tag("by", "bob")})
	if got := tagsOf(t, i.b, id); got != "by=bob" {
		t.Errorf("bob sees %s", got)
	}
	for filter, want := range map[string]int{"tag:secret": 0, "tag:by": 1} {
		out := do(t, i.b.DescribeImages, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: &filter, Values: []string{"*"}}}})
		if got := len(out.Images); got != want {
			t.Errorf("bob finds %d images by %s, want %d", got, filter, want)
		}
	}
	do(t, i.b.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{id}})
	if got := tagsOf(t, i.a, id); got != "by=alice secret=x" {
		t.Errorf("bob deleted alice's tags: left %s", got)
	}
}
