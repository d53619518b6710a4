package ec2server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"origami"
)

// crowdSize is how many clients do the same at once.
const crowdSize = 50

// crowd has clients call f at the same moment and counts the codes of their
// answers, "" for success.
func crowd(t *testing.T, f func(ctx context.Context, n int) error) map[string]int {
	t.Helper()
	codes := make(map[string]int)
	var mu sync.Mutex
	var clients sync.WaitGroup
	start := make(chan struct{})
	for n := range crowdSize {
		clients.Go(func() {
			<-start
			code := codeOf(t, f(t.Context(), n))
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	close(start)
	clients.Wait()
	return codes
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var e smithy.APIError
	if err != nil && !errors.As(err, &e) {
		t.Errorf("no answer of the API: %v", err)
		return "none"
	}
	if err == nil {
		return ""
	}
	return e.ErrorCode()
}

func wantCodes(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: answers (-want +got):\n%s", what, d)
	}
}

func registration(name, snapshot string) *ec2.RegisterImageInput {
	return &ec2.RegisterImageInput{
		Name: &name, RootDeviceName: aws.String("/dev/sda1"), VirtualizationType: aws.String("hvm"), Architecture: types.ArchitectureValuesX8664, EnaSupport: aws.Bool(true),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}},
	}
}

func launchOf(image string) *ec2.RunInstancesInput {
	return &ec2.RunInstancesInput{ImageId: &image, InstanceType: types.InstanceTypeT3Nano, MinCount: aws.Int32(1), MaxCount: aws.Int32(1)}
}

func (a *account) registered(t *testing.T, name string) string {
	t.Helper()
	return *do(t, a.RegisterImage, registration(name, a.snapshot(t, home, name))).ImageId
}

// launched launches an instance and waits until it runs.
func (a *account) launched(t *testing.T, image string) string {
	t.Helper()
	id := *do(t, a.RunInstances, launchOf(image)).Instances[0].InstanceId
	await(t, id+" runs", func() bool {
		out := do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		return out.Reservations[0].Instances[0].State.Name == types.InstanceStateNameRunning
	})
	return id
}

// created makes an empty volume and waits until it is available.
func (a *account) created(t *testing.T) string {
	t.Helper()
	id := *do(t, a.CreateVolume, &ec2.CreateVolumeInput{AvailabilityZone: aws.String(string(home) + "a"), Size: aws.Int32(1)}).VolumeId
	await(t, id+" is available", func() bool {
		return do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{id}}).Volumes[0].State == types.VolumeStateAvailable
	})
	return id
}

// TestCrowdOnOneName registers images of one name: one gets it.
//
//origami:proves RegisterImage
func TestCrowdOnOneName(t *testing.T) {
	t.Parallel()
	a := open(t).a
	snapshot := a.snapshot(t, home, "x")
	wantCodes(t, "RegisterImage", crowd(t, func(ctx context.Context, n int) error {
		_, err := a.RegisterImage(ctx, registration("the name", snapshot))
		return err
	}), map[string]int{"": 1, "InvalidAMIName.Duplicate": crowdSize - 1})
	out := do(t, a.DescribeImages, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("name"), Values: []string{"the name"}}}})
	if len(out.Images) != 1 {
		t.Errorf("%d images have the name", len(out.Images))
	}
}

// TestCrowdOnOneToken launches with one client token: all get the same
// instance, but those who ask for something else with it.
//
//origami:proves RunInstances
func TestCrowdOnOneToken(t *testing.T) {
	t.Parallel()
	a := open(t).a
	image := a.registered(t, "image")
	var mu sync.Mutex
	ids := make(map[string]bool)
	codes := crowd(t, func(ctx context.Context, n int) error {
		in := launchOf(image)
		in.ClientToken = aws.String("one token")
		if n%5 == 0 {
			in.KeyName, in.UserData = nil, aws.String("b3RoZXI=")
		}
		out, err := a.RunInstances(ctx, in)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			ids[*out.Instances[0].InstanceId] = true
		}
		return err
	})
	if len(ids) != 1 {
		t.Errorf("one token made the instances %v", ids)
	}
	// Whichever form came first has the token.
	first, second := crowdSize*4/5, crowdSize/5
	if codes[""] == second {
		first, second = second, first
	}
	wantCodes(t, "RunInstances", codes, map[string]int{"": first, "IdempotentParameterMismatch": second})
	out := do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{})
	if len(out.Reservations) != 1 || !ids[*out.Reservations[0].Instances[0].InstanceId] {
		t.Errorf("%d reservations after one launch", len(out.Reservations))
	}
}

// TestCrowdOnOneDevice attaches many volumes under one name, and one volume
// under many.
//
//origami:proves AttachVolume
func TestCrowdOnOneDevice(t *testing.T) {
	t.Parallel()
	a := open(t).a
	instance := a.launched(t, a.registered(t, "image"))
	volumes := make([]string, crowdSize)
	for i := range volumes {
		volumes[i] = a.created(t)
	}
	attach := func(volume, device string) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			in := &ec2.AttachVolumeInput{InstanceId: &instance, VolumeId: &volume, Device: &device}
			if volume == "" {
				in.VolumeId = &volumes[n]
			}
			if device == "" {
				in.Device = aws.String(fmt.Sprintf("/dev/sd%c", 'g'+n%10))
			}
			_, err := a.AttachVolume(ctx, in)
			return err
		}
	}
	wantCodes(t, "many volumes as one device", crowd(t, attach("", "/dev/sdf")), map[string]int{"": 1, "InvalidParameterValue": crowdSize - 1})
	free := a.created(t)
	wantCodes(t, "one volume as many devices", crowd(t, attach(free, "")), map[string]int{"": 1, "VolumeInUse": crowdSize - 1})
	await(t, "one more volume is attached", func() bool {
		out := do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
		return len(out.Reservations[0].Instances[0].BlockDeviceMappings) == 3
	})
}

// TestCrowdDeregisters deregisters an image while it is launched: one
// deregistration succeeds, and a launch makes an instance or is told that the
// image is gone.
//
//origami:proves DeregisterImage RunInstances
func TestCrowdDeregisters(t *testing.T) {
	t.Parallel()
	a := open(t).a
	image := a.registered(t, "image")
	launches, deregistrations := make(map[string]int), make(map[string]int)
	var mu sync.Mutex
	crowd(t, func(ctx context.Context, n int) (err error) {
		into := launches
		if n%5 == 4 {
			into = deregistrations
			_, err = a.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &image})
		} else {
			_, err = a.RunInstances(ctx, launchOf(image))
		}
		mu.Lock()
		defer mu.Unlock()
		into[codeOf(t, err)]++
		return err
	})
	wantCodes(t, "DeregisterImage", deregistrations, map[string]int{"": 1, "InvalidAMIID.Unavailable": crowdSize/5 - 1})
	made := launches[""]
	left := maps.Clone(launches)
	for _, code := range []string{"", "InvalidAMIID.Unavailable", "InvalidAMIID.NotFound", "InsufficientInstanceCapacity"} {
		delete(left, code)
	}
	if len(left) > 0 {
		t.Errorf("launches: %v", launches)
	}
	t.Logf("launches: %v", launches)
	n := 0
	for _, r := range do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations {
		n += len(r.Instances)
	}
	if n != made {
		t.Errorf("%d instances after %d launches that succeeded", n, made)
	}
}

// TestCrowdDeletesSnapshots deletes snapshots while images are registered and
// volumes made of them: an image keeps its snapshot, a deleted snapshot makes
// nothing, and a volume that was made holds its bytes.
//
//origami:proves DeleteSnapshot RegisterImage CreateVolume
func TestCrowdDeletesSnapshots(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	snapshots := make([]string, crowdSize/2)
	for n := range snapshots {
		snapshots[n] = a.snapshot(t, home, fmt.Sprintf("content %d ", n))
	}
	var mu sync.Mutex
	deleted, used := make(map[int]string), make(map[int]string)
	volumes := make(map[int]string)
	crowd(t, func(ctx context.Context, n int) (err error) {
		pair := n / 2
		into := used
		switch {
		case n%2 == 0:
			into = deleted
			_, err = a.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &snapshots[pair]})
		case pair%2 == 0:
			_, err = a.RegisterImage(ctx, registration(fmt.Sprint("image ", n), snapshots[pair]))
		default:
			var v *ec2.CreateVolumeOutput
			v, err = a.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: aws.String(string(home) + "a"), SnapshotId: &snapshots[pair]})
			if err == nil {
				mu.Lock()
				volumes[pair] = *v.VolumeId
				mu.Unlock()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		into[pair] = codeOf(t, err)
		return err
	})
	for pair := range snapshots {
		outcome := [2]string{deleted[pair], used[pair]}
		ok := outcome == [2]string{"", "InvalidSnapshot.NotFound"}
		if pair%2 == 0 {
			ok = ok || outcome == [2]string{"InvalidSnapshot.InUse", ""}
		} else {
			ok = ok || outcome == [2]string{"", ""}
		}
		if !ok {
			t.Errorf("snapshot %d: deletion and use answer %q", pair, outcome)
		}
	}
	for pair, id := range volumes {
		v, err := i.ebs.Open(t.Context(), home, origami.VolumeID(id))
		if err != nil {
			t.Errorf("volume of snapshot %d: %v", pair, err)
			continue
		}
		want := fmt.Sprintf("content %d ", pair)
		got := make([]byte, len(want))
		if _, err := v.ReadAt(got, 0); err != nil || string(got) != want {
			t.Errorf("volume of snapshot %d holds %q, %v", pair, got, err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}
