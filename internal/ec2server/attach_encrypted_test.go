package ec2server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami/internal/kms"
)

// TestOpenEncrypted needs the key of a volume for what opens it: attaching it,
// starting its instance and taking a snapshot of it.
//
//origami:proves AttachVolume StartInstances CreateSnapshot CreateSnapshots S67
func TestOpenEncrypted(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "key"
	a := i.a
	key := a.newKey(t, home)
	img := a.register(t, a.Client, "encrypted", a.encrypted(t, home, "disk", key))
	vm := *do(t, a.RunInstances, &ec2.RunInstancesInput{ImageId: &img, InstanceType: "t3.micro", MinCount: p(int32(1)), MaxCount: p(int32(1))}).Instances[0].InstanceId
	state := func() (got types.Instance) {
		return do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{vm}}).Reservations[0].Instances[0]
	}
	is := func(want types.InstanceStateName) (got types.Instance) {
		await(t, "the instance is "+string(want), func() bool { got = state(); return got.State.Name == want })
		return got
	}
	is("running")
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{vm}})
	is("stopped")
	spare := *do(t, a.CreateVolume, &ec2.CreateVolumeInput{AvailabilityZone: p(string(home) + "a"), Size: p(int32(1)), Encrypted: p(true), KmsKeyId: &key}).VolumeId
	await(t, "the volume", func() bool { return a.volume(t, spare).State == "available" })

	attach := &ec2.AttachVolumeInput{VolumeId: &spare, InstanceId: &vm, Device: p("/dev/sdf")}
	revoked := "Volume " + spare + " cannot be attached. The encrypted volume was unable to access the KMS key."
	const ec2Only = `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`
	u := a.user(t, "alice", ec2Only)
	fails(t, u.AttachVolume, attach, "CustomerKeyHasBeenRevoked", revoked)
	do(t, u.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{vm}})
	if got := is("stopped"); got.StateReason == nil || *got.StateReason.Message != "Client.InternalError: Client error on launch" {
		t.Errorf("after a start without the key: %+v", got.StateReason)
	}
	a.allow(t, "alice", ec2Only+`,{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}`)
	do(t, u.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{vm}})
	is("running")
	do(t, u.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{vm}})
	is("stopped")
	do(t, u.AttachVolume, attach)
	do(t, u.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &spare})
	await(t, "the detachment", func() bool { return a.volume(t, spare).State == "available" })

	if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: a.caller(home)}, key); err != nil {
		t.Fatal(err)
	}
	fails(t, a.AttachVolume, attach, "CustomerKeyHasBeenRevoked", revoked)
	const wrong = "The KMS key provided is in an incorrect state"
	fails(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &spare}, "InvalidKMSKey.InvalidState", wrong)
	fails(t, a.CreateSnapshots, &ec2.CreateSnapshotsInput{InstanceSpecification: &types.InstanceSpecification{InstanceId: &vm}}, "InvalidKMSKey.InvalidState", wrong)
}
