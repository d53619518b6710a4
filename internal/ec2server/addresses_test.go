package ec2server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestElasticAddress follows an address from instance to instance.
//
//origami:proves AllocateAddress AssociateAddress DescribeAddresses DisassociateAddress ReleaseAddress
func TestElasticAddress(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	first := a.started(t, nil)
	second := *reaches(t, a.Client, *do(t, a.RunInstances, launch(*first.ImageId)).Instances[0].InstanceId, "running").InstanceId
	made := do(t, a.AllocateAddress, &ec2.AllocateAddressInput{
		Domain: "vpc", TagSpecifications: []types.TagSpecification{{ResourceType: "elastic-ip", Tags: []types.Tag{tag("Name", "web")}}},
	})
	public := func(id string) string { return str(machine(t, a.Client, id).PublicIpAddress) }
	if *made.PublicIp == *first.PublicIpAddress {
		t.Errorf("the address %s is an instance's", *made.PublicIp)
	}
	look := func() types.Address {
		t.Helper()
		return do(t, a.DescribeAddresses, &ec2.DescribeAddressesInput{AllocationIds: []string{*made.AllocationId}}).Addresses[0]
	}
	if got := look(); got.InstanceId != nil || got.AssociationId != nil || *got.PublicIp != *made.PublicIp || len(got.Tags) != 1 {
		t.Errorf("got %+v, want the address, free and with a tag", got)
	}
	assoc := do(t, a.AssociateAddress, &ec2.AssociateAddressInput{AllocationId: made.AllocationId, InstanceId: first.InstanceId}).AssociationId
	if got := look(); *got.InstanceId != *first.InstanceId || *got.AssociationId != *assoc || *got.PrivateIpAddress != *first.PrivateIpAddress {
		t.Errorf("got %+v, want it at %s by %s", got, *first.InstanceId, *assoc)
	}
	if got := public(*first.InstanceId); got != *made.PublicIp {
		t.Errorf("got public address %s, want %s", got, *made.PublicIp)
	}
	fails(t, a.ReleaseAddress, &ec2.ReleaseAddressInput{AllocationId: made.AllocationId}, "InvalidIPAddress.InUse", "Address "+*made.PublicIp+" is in use.")

	// It stays while the instance rests.
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*first.InstanceId}})
	reaches(t, a.Client, *first.InstanceId, "stopped")
	if got := public(*first.InstanceId); got != *made.PublicIp {
		t.Errorf("got public address %s of the stopped instance, want %s", got, *made.PublicIp)
	}
	do(t, a.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{*first.InstanceId}})
	reaches(t, a.Client, *first.InstanceId, "running")
	if got := public(*first.InstanceId); got != *made.PublicIp {
		t.Errorf("got public address %s after the start, want %s", got, *made.PublicIp)
	}

	fails(t, a.AssociateAddress, &ec2.AssociateAddressInput{AllocationId: made.AllocationId, InstanceId: &second, AllowReassociation: p(false)},
		"Resource.AlreadyAssociated", "resource "+*made.AllocationId+" is already associated with associate-id "+*assoc)
	eni := machine(t, a.Client, second).NetworkInterfaces[0].NetworkInterfaceId
	moved := do(t, a.AssociateAddress, &ec2.AssociateAddressInput{PublicIp: made.PublicIp, NetworkInterfaceId: eni}).AssociationId
	if got := public(second); got != *made.PublicIp {
		t.Errorf("got public address %s, want %s", got, *made.PublicIp)
	}
	if got := public(*first.InstanceId); got == *made.PublicIp || got == "" {
		t.Errorf("got public address %q of the instance that lost it, want another", got)
	}
	do(t, a.DisassociateAddress, &ec2.DisassociateAddressInput{AssociationId: moved})
	fails(t, a.DisassociateAddress, &ec2.DisassociateAddressInput{AssociationId: moved}, "InvalidAssociationID.NotFound", "The association ID '"+*moved+"' does not exist")

	// Terminating frees it.
	do(t, a.AssociateAddress, &ec2.AssociateAddressInput{AllocationId: made.AllocationId, InstanceId: &second})
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{second}})
	reaches(t, a.Client, second, "terminated")
	if got := look(); got.InstanceId != nil {
		t.Errorf("got %+v after the instance ended, want it free", got)
	}
	for _, f := range []struct {
		name, value string
		n           int
	}{{"public-ip", *made.PublicIp, 1}, {"instance-id", "i-*", 0}, {"domain", "vpc", 1}, {"tag:Name", "w*", 1}} {
		out := do(t, a.DescribeAddresses, &ec2.DescribeAddressesInput{Filters: []types.Filter{{Name: &f.name, Values: []string{f.value}}}})
		if len(out.Addresses) != f.n {
			t.Errorf("%s=%s: got %d addresses, want %d", f.name, f.value, len(out.Addresses), f.n)
		}
	}
	fails(t, i.b.ReleaseAddress, &ec2.ReleaseAddressInput{AllocationId: made.AllocationId}, "InvalidAllocationID.NotFound", "The allocation ID '"+*made.AllocationId+"' does not exist")
	fails(t, i.b.AssociateAddress, &ec2.AssociateAddressInput{PublicIp: made.PublicIp, InstanceId: first.InstanceId}, "InvalidAddress.NotFound", "Address '"+*made.PublicIp+"' not found.")
	do(t, a.ReleaseAddress, &ec2.ReleaseAddressInput{AllocationId: made.AllocationId})
	if left := do(t, a.DescribeAddresses, &ec2.DescribeAddressesInput{}).Addresses; len(left) != 0 {
		t.Errorf("got %+v after the release, want none", left)
	}
}
