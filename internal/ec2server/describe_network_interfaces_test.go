package ec2server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestDescribeNetworkInterfaces finds the interfaces of instances, by ID and as
// Terraform does before it deletes a security group or a subnet.
//
//origami:proves DescribeNetworkInterfaces
func TestDescribeNetworkInterfaces(t *testing.T) {
	t.Parallel()
	i := open(t)
	m := i.a.started(t, func(in *ec2.RunInstancesInput) {
		in.TagSpecifications = append(in.TagSpecifications, types.TagSpecification{ResourceType: types.ResourceTypeNetworkInterface, Tags: []types.Tag{tag("tier", "front")}})
	})
	own := m.NetworkInterfaces[0]
	find := func(c *ec2.Client, name, value string) []types.NetworkInterface {
		t.Helper()
		return do(t, c.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{
			Filters: []types.Filter{{Name: &name, Values: []string{value}}},
		}).NetworkInterfaces
	}
	for name, value := range map[string]string{
		"group-id": *m.SecurityGroups[0].GroupId, "subnet-id": *m.SubnetId, "vpc-id": *m.VpcId, "attachment.instance-id": *m.InstanceId,
		"network-interface-id": *own.NetworkInterfaceId, "private-ip-address": *m.PrivateIpAddress, "mac-address": *own.MacAddress,
		"association.public-ip": *m.PublicIpAddress, "status": "in-use", "owner-id": string(i.a.id), "attachment.attachment-id": *own.Attachment.AttachmentId,
	} {
		got := find(i.a.Client, name, value)
		if len(got) != 1 || *got[0].NetworkInterfaceId != *own.NetworkInterfaceId || *got[0].Attachment.InstanceId != *m.InstanceId {
			t.Errorf("%s=%s found %+v, want the interface of %s", name, value, got, *m.InstanceId)
		}
		if got := find(i.b.Client, name, value); len(got) != 0 {
			t.Errorf("another account found %d interfaces by %s", len(got), name)
		}
		if got := find(i.a.Client, name, "nothing"); len(got) != 0 {
			t.Errorf("%s=nothing found %d interfaces", name, len(got))
		}
	}
	byID := &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*own.NetworkInterfaceId}}
	if got := do(t, i.a.DescribeNetworkInterfaces, byID).NetworkInterfaces; len(got) != 1 || *got[0].MacAddress != *own.MacAddress || *got[0].VpcId != *m.VpcId {
		t.Errorf("by ID: %+v", got)
	}
	if got := find(i.a.Client, "tag:tier", "front"); len(got) != 1 || len(got[0].TagSet) != 1 || *got[0].TagSet[0].Value != "front" {
		t.Errorf("by the tag of the launch: %+v", got)
	}
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{*own.NetworkInterfaceId}, Tags: []types.Tag{tag("tier", "back")}})
	if got := find(i.a.Client, "tag:tier", "front"); len(got) != 0 {
		t.Errorf("by a tag that was replaced: %+v", got)
	}
	kind := []types.Filter{{Name: p("resource-type"), Values: []string{"network-interface"}}}
	if got := do(t, i.a.DescribeTags, &ec2.DescribeTagsInput{Filters: kind}).Tags; len(got) != 1 || *got[0].Value != "back" {
		t.Errorf("tags of interfaces: %+v", got)
	}
	gone := "The networkInterface ID '" + *own.NetworkInterfaceId + "' does not exist"
	fails(t, i.b.DescribeNetworkInterfaces, byID, "InvalidNetworkInterfaceID.NotFound", gone)
	fails(t, i.a.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-1"}},
		"InvalidNetworkInterfaceID.Malformed", `Invalid id: "eni-1" (expecting "eni-...")`)
	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*m.InstanceId}})
	reaches(t, i.a.Client, *m.InstanceId, types.InstanceStateNameTerminated)
	fails(t, i.a.DescribeNetworkInterfaces, byID, "InvalidNetworkInterfaceID.NotFound", gone)
	if got := do(t, i.a.DescribeTags, &ec2.DescribeTagsInput{Filters: kind}).Tags; len(got) != 0 {
		t.Errorf("tags of what is gone: %+v", got)
	}
	for _, a := range []*account{i.a, i.b} {
		fails(t, a.CreateTags, &ec2.CreateTagsInput{Resources: []string{*own.NetworkInterfaceId}, Tags: []types.Tag{tag("k", "v")}}, "InvalidNetworkInterfaceID.NotFound", gone)
	}
}
