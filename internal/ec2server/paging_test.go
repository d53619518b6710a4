package ec2server_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// paged are paged operations with the element that identifies what they list.
var paged = map[string]string{
	"DescribeImages":                       "imageId",
	"DescribeInstanceCreditSpecifications": "instanceId",
	"DescribeInstanceStatus":               "instanceId",
	"DescribeInstances":                    "instanceId",
	"DescribeInstanceTypeOfferings":        "instanceType",
	"DescribeInstanceTypes":                "instanceType",
	"DescribeSecurityGroupRules":           "securityGroupRuleId",
	"DescribeSecurityGroups":               "groupId",
	"DescribeSnapshots":                    "snapshotId",
	"DescribeSubnets":                      "subnetId",
	"DescribeTags":                         "key",
	"DescribeVolumes":                      "volumeId",
	"DescribeVolumesModifications":         "volumeId",
	"DescribeVolumeStatus":                 "volumeId",
	"DescribeVpcs":                         "vpcId",
}

// badTokens is the code with which an operation refuses the tokens of others.
func badTokens(operation string) string {
	switch operation {
	case "DescribeImages", "DescribeInstances", "DescribeSnapshots", "DescribeVolumes":
		return "InvalidParameterValue"
	}
	return "InvalidNextToken"
}

// TestPages reads every paged list in pages of the least size: they make up
// the list, in order. Then it gives the tokens where they do not belong.
//
//origami:proves DescribeImages DescribeInstances DescribeSnapshots DescribeSubnets DescribeTags DescribeVolumes DescribeVpcs DescribeInstanceStatus DescribeInstanceCreditSpecifications DescribeInstanceTypeOfferings DescribeSecurityGroupRules DescribeVolumesModifications DescribeVolumeStatus
func TestPages(t *testing.T) {
	t.Parallel()
	i := open(t)
	many(t, i.a)
	tokens := make(map[string]string)
	for name, element := range paged {
		all := texts(t, mustAnswer(t, i.a, form(name)), element)
		if len(all) < 6 {
			t.Fatalf("%s: there are %d, too few to page", name, len(all))
		}
		var got []string
		f := form(name, "MaxResults", "5")
		for range len(all) {
			text := mustAnswer(t, i.a, f)
			page := texts(t, text, element)
			if len(page) > 5 {
				t.Errorf("%s: a page of %d", name, len(page))
			}
			got = append(got, page...)
			token := tokenOf(text)
			if token == "" {
				break
			}
			if tokens[name] == "" {
				tokens[name] = token
			}
			f.Set("NextToken", token)
		}
		slices.Sort(got)
		if !slices.Equal(got, all) {
			t.Errorf("%s: the pages have %v, the list is %v", name, got, all)
		}
	}
	for name, token := range tokens {
		bad := func(what string, a *account, region origami.Region, f url.Values) {
			t.Helper()
			if status, text := a.send(t, region, f); status != 400 || !strings.Contains(text, "<Code>"+badTokens(f.Get("Action"))+"</Code>") {
				t.Errorf("%s: a token with another %s: got %d %s", name, what, status, text)
			}
		}
		f := func(pairs ...string) url.Values {
			return form(name, append([]string{"MaxResults", "5", "NextToken", token}, pairs...)...)
		}
		bad("account", i.b, home, f())
		bad("region", i.a, abroad, f())
		bad("filter", i.a, home, f("Filter.1.Name", "tag-key", "Filter.1.Value.1", "x"))
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		bad("end", i.a, home, form(name, "MaxResults", "5", "NextToken", base64.RawURLEncoding.EncodeToString(raw)))
		bad("text", i.a, home, form(name, "MaxResults", "5", "NextToken", "next"))
		for other := range tokens {
			if other != name {
				bad("operation", i.a, home, form(other, "MaxResults", "5", "NextToken", token))
			}
		}
		// Another size of the page is no other list.
		mustAnswer(t, i.a, form(name, "MaxResults", "100", "NextToken", token))
		mustAnswer(t, i.a, form(name, "NextToken", token))
		least := 5
		if name == "DescribeVolumesModifications" {
			least = 1
		}
		few := fmt.Sprintf("greater than %d", least)
		for size, message := range map[string]string{fmt.Sprint(least - 1): few, "0": few, "-1": few, "1001": "less than or equal to 1000"} {
			if most := ec2api.Operations[name].MaxResults; size == "1001" && most != 1000 {
				message = fmt.Sprintf("less than or equal to %d", most)
			}
			status, text := i.a.send(t, home, form(name, "MaxResults", size))
			if status != 400 || !strings.Contains(text, "for parameter maxResults is invalid. Expecting a value "+message) && !strings.Contains(text, "MaxResults is invalid. It must be at") {
				t.Errorf("%s: MaxResults=%s: got %d %s", name, size, status, text)
			}
		}
	}
}

func mustAnswer(t *testing.T, a *account, f url.Values) string {
	t.Helper()
	status, text := a.send(t, home, f)
	if status != 200 {
		t.Fatalf("%s: got %d %s", f.Encode(), status, text)
	}
	return text
}

// tokenOf is the token of the next page, "" on the last one.
func tokenOf(document string) string {
	_, rest, _ := strings.Cut(document, "<nextToken>")
	token, _, _ := strings.Cut(rest, "</nextToken>")
	return token
}

// many makes seven of everything that is listed in pages.
func many(t *testing.T, a *account) {
	t.Helper()
	var tags []types.Tag
	var snap string
	for n := range 7 {
		snap = a.snapshot(t, home, fmt.Sprintf("disk %d", n))
		a.register(t, a.Client, fmt.Sprintf("image %d", n), snap)
		tags = append(tags, tag(fmt.Sprintf("key%d", n), "x"))
	}
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: []string{snap}, Tags: tags})
	in := launch(a.register(t, a.Client, "last", snap))
	in.MinCount, in.MaxCount = p(int32(7)), p(int32(7))
	do(t, a.RunInstances, in)
	for _, v := range do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes {
		do(t, a.ModifyVolume, &ec2.ModifyVolumeInput{VolumeId: v.VolumeId, VolumeType: types.VolumeTypeGp3})
	}
	for n := range 6 {
		do(t, a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p(fmt.Sprintf("group %d", n)), Description: p("x")})
	}
	err := a.i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		for v, err := range tx.VPCs(metadb.Query{Region: home, Viewer: a.id}) {
			if err != nil {
				return err
			}
			for range 6 {
				more := *v
				more.ID, more.Default = origami.NewVPCID(), false
				if err := tx.PutVPC(&more); err != nil {
					return err
				}
				err := tx.PutSubnet(&origami.Subnet{ID: origami.NewSubnetID(), Region: home, Owner: a.id, VPC: more.ID, Zone: "eu-west-1a", CIDR: more.CIDR})
				if err != nil {
					return err
				}
			}
			break
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPagesOfChangingList deletes and adds between pages: nothing that was
// there all the time is missing or seen twice.
//
//origami:proves DescribeSnapshots
func TestPagesOfChangingList(t *testing.T) {
	t.Parallel()
	i := open(t)
	var ids []string
	for n := range 12 {
		ids = append(ids, i.a.snapshot(t, home, fmt.Sprint(n)))
	}
	slices.Sort(ids)
	pages := ec2.NewDescribeSnapshotsPaginator(i.a.Client, &ec2.DescribeSnapshotsInput{MaxResults: p(int32(5))})
	seen := make(map[string]int)
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Snapshots {
			seen[*s.SnapshotId]++
		}
		if n == 0 { // the last one of the first page, and one of the last page
			do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &ids[4]})
			do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &ids[11]})
			i.a.snapshot(t, home, "new")
		}
	}
	for n, id := range ids {
		if want := 1; n != 11 && seen[id] != want {
			t.Errorf("saw %s %d times, want %d", id, seen[id], want)
		}
	}
	if seen[ids[11]] != 0 {
		t.Errorf("saw %s after it was deleted", ids[11])
	}
}
