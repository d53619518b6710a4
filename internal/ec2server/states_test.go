package ec2server_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func state(code int32, name types.InstanceStateName) *types.InstanceState {
	return &types.InstanceState{Code: &code, Name: name}
}

// changed is the answer about one instance that went from a state to another.
func changed(id string, from, to *types.InstanceState) []types.InstanceStateChange {
	return []types.InstanceStateChange{{InstanceId: &id, PreviousState: from, CurrentState: to}}
}

var (
	pending      = state(0, "pending")
	running      = state(16, "running")
	shuttingDown = state(32, "shutting-down")
	terminated   = state(48, "terminated")
	stopping     = state(64, "stopping")
	stopped      = state(80, "stopped")
)

// TestStates walks an instance through its whole life.
//
//origami:proves StopInstances StartInstances RebootInstances TerminateInstances GetConsoleOutput S34 S37 S38
func TestStates(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1)), DeleteOnTermination: p(false)}}}
	})
	id := *m.InstanceId
	ids := []string{id}
	stop, start := &ec2.StopInstancesInput{InstanceIds: ids}, &ec2.StartInstancesInput{InstanceIds: []string{id, id}}
	end := &ec2.TerminateInstancesInput{InstanceIds: ids}

	same(t, do(t, a.StartInstances, start).StartingInstances, changed(id, running, running))
	if got := do(t, a.RebootInstances, &ec2.RebootInstancesInput{InstanceIds: ids}); got == nil {
		t.Error("no answer")
	}
	same(t, do(t, a.StopInstances, stop).StoppingInstances, changed(id, running, stopping))
	down := reaches(t, a.Client, id, "stopped")
	if down.PublicIpAddress != nil || *down.PublicDnsName != "" || *down.PrivateIpAddress != *m.PrivateIpAddress || down.CurrentInstanceBootMode != "" {
		t.Errorf("a stopped instance has the addresses %v, %v, want only the private %s", down.PublicIpAddress, down.PrivateIpAddress, *m.PrivateIpAddress)
	}
	const why = "Client.UserInitiatedShutdown"
	if *down.StateReason.Code != why || *down.StateReason.Message != why+": User initiated shutdown" || *down.StateTransitionReason != "User initiated (2024-05-01 12:00:00 GMT)" {
		t.Errorf("got reasons %+v, %s", down.StateReason, *down.StateTransitionReason)
	}
	same(t, do(t, a.StopInstances, stop).StoppingInstances, changed(id, stopped, stopped))
	wrong := func(verb string) string {
		return "The instance '" + id + "' is not in a state from which it can be " + verb + "."
	}
	fails(t, a.RebootInstances, &ec2.RebootInstancesInput{InstanceIds: ids}, "IncorrectInstanceState", wrong("rebooted"))

	same(t, do(t, a.StartInstances, start).StartingInstances, changed(id, stopped, pending))
	up := reaches(t, a.Client, id, "running")
	if up.PublicIpAddress == nil || up.StateReason != nil || *up.StateTransitionReason != "" || *up.BlockDeviceMappings[0].Ebs.VolumeId != *m.BlockDeviceMappings[0].Ebs.VolumeId {
		t.Errorf("got %+v after a start", up)
	}
	if err := i.host.Print(id, "hello <&> \x00\xff\n"); err != nil {
		t.Fatal(err)
	}
	console := do(t, a.GetConsoleOutput, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: p(true)})
	text, err := base64.StdEncoding.DecodeString(*console.Output)
	if err != nil || !strings.HasSuffix(string(text), "hello <&> \x00\xff\n") || *console.InstanceId != id || !console.Timestamp.Equal(clock) {
		t.Errorf("got console output %q of %s at %v, %v", text, *console.InstanceId, console.Timestamp, err)
	}

	same(t, do(t, a.TerminateInstances, end).TerminatingInstances, changed(id, running, shuttingDown))
	gone := reaches(t, a.Client, id, "terminated")
	if gone.PrivateIpAddress != nil || gone.PublicIpAddress != nil || gone.SubnetId != nil || gone.VpcId != nil || len(gone.NetworkInterfaces) > 0 || len(gone.SecurityGroups) > 0 || len(gone.BlockDeviceMappings) > 0 {
		t.Errorf("a terminated instance still has %+v", gone)
	}
	same(t, do(t, a.TerminateInstances, end).TerminatingInstances, changed(id, terminated, terminated))
	fails(t, a.StartInstances, start, "IncorrectInstanceState", wrong("started"))
	fails(t, a.StopInstances, stop, "IncorrectInstanceState", wrong("stopped"))
	left := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes
	if len(left) != 1 || left[0].State != "available" || len(left[0].Attachments) != 0 || *left[0].VolumeId != *m.BlockDeviceMappings[1].Ebs.VolumeId {
		t.Errorf("left %+v, want the volume without DeleteOnTermination, available", left)
	}
	if got := do(t, a.GetConsoleOutput, &ec2.GetConsoleOutputInput{InstanceId: &id}); got.Output == nil || !strings.Contains(*got.Output, *console.Output) && len(*got.Output) == 0 {
		t.Error("the console output is gone with the instance")
	}
}

// TestStateErrors gives the errors that the operations on instances share.
//
//origami:proves StopInstances StartInstances RebootInstances TerminateInstances GetConsoleOutput
func TestStateErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	m, bobs := i.a.started(t, nil), i.b.started(t, nil)
	mine, foreign := *m.InstanceId, *bobs.InstanceId
	type call func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string)
	calls := map[string]call{
		"start": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			fails(t, c.StartInstances, &ec2.StartInstancesInput{InstanceIds: ids, DryRun: dry}, code, message)
		},
		"stop": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			fails(t, c.StopInstances, &ec2.StopInstancesInput{InstanceIds: ids, DryRun: dry}, code, message)
		},
		"reboot": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			fails(t, c.RebootInstances, &ec2.RebootInstancesInput{InstanceIds: ids, DryRun: dry}, code, message)
		},
		"terminate": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			fails(t, c.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: ids, DryRun: dry}, code, message)
		},
		"console": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			if len(ids) == 1 {
				fails(t, c.GetConsoleOutput, &ec2.GetConsoleOutputInput{InstanceId: &ids[0], DryRun: dry}, code, message)
			}
		},
		"describe": func(t *testing.T, c *ec2.Client, code, message string, dry *bool, ids ...string) {
			fails(t, c.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: ids, DryRun: dry}, code, message)
		},
	}
	for name, f := range calls {
		t.Run(name, func(t *testing.T) {
			f(t, i.a.Client, "InvalidInstanceID.Malformed", `Invalid id: "i-1"`, nil, "i-1")
			f(t, i.a.Client, "InvalidInstanceID.Malformed", `Invalid id: "x"`, nil, mine, "x", "y")
			f(t, i.a.Client, "InvalidInstanceID.NotFound", "The instance ID 'i-01234567' does not exist", nil, "i-01234567")
			f(t, i.a.Client, "InvalidInstanceID.NotFound", "The instance ID '"+foreign+"' does not exist", nil, foreign)
			f(t, i.a.Client, "InvalidInstanceID.NotFound", "The instance IDs 'i-01234567, "+foreign+"' do not exist", nil, "i-01234567", mine, foreign)
			f(t, i.a.in(abroad), "InvalidInstanceID.NotFound", "The instance ID '"+mine+"' does not exist", nil, mine)
			f(t, i.a.Client, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", p(true), mine)
		})
	}
	status, text := i.a.send(t, home, form("StopInstances", "InstanceId.1", mine, "Hibernate", "true"))
	if status != 400 || !strings.Contains(text, "<Code>UnsupportedOperation</Code>") {
		t.Errorf("Hibernate: got %d %s, want UnsupportedOperation", status, text)
	}
	if status, text := i.a.send(t, home, form("StopInstances")); status != 400 || !strings.Contains(text, "<Code>MissingParameter</Code><Message>The request must contain the parameter InstanceId</Message>") {
		t.Errorf("no instance: got %d %s, want MissingParameter", status, text)
	}
	if got := machine(t, i.a.Client, mine).State.Name; got != "running" {
		t.Errorf("after errors the instance is %s, want running", got)
	}
	if got := machine(t, i.b.Client, foreign).State.Name; got != "running" {
		t.Errorf("alice made bob's instance %s", got)
	}
}

// TestProtection refuses to stop and to terminate what is protected.
//
//origami:proves RunInstances StopInstances TerminateInstances
func TestProtection(t *testing.T) {
	t.Parallel()
	i := open(t)
	m := i.a.started(t, func(in *ec2.RunInstancesInput) { in.DisableApiTermination, in.DisableApiStop = p(true), p(true) })
	ids := []string{*m.InstanceId}
	fails(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: ids}, "OperationNotPermitted", "The instance '"+ids[0]+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	fails(t, i.a.StopInstances, &ec2.StopInstancesInput{InstanceIds: ids}, "OperationNotPermitted", "The instance '"+ids[0]+"' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.")
	// The guest may still power itself off.
	if err := i.host.PowerOff(ids[0]); err != nil {
		t.Fatal(err)
	}
	if got := reaches(t, i.a.Client, ids[0], "stopped"); *got.StateReason.Code != "Client.InstanceInitiatedShutdown" {
		t.Errorf("got reason %+v, want Client.InstanceInitiatedShutdown", got.StateReason)
	}
}

// TestShutdownBehavior powers a guest off whose instance ends by that.
//
//origami:proves RunInstances
func TestShutdownBehavior(t *testing.T) {
	t.Parallel()
	i := open(t)
	m := i.a.started(t, func(in *ec2.RunInstancesInput) { in.InstanceInitiatedShutdownBehavior = "terminate" })
	if err := i.host.PowerOff(*m.InstanceId); err != nil {
		t.Fatal(err)
	}
	reaches(t, i.a.Client, *m.InstanceId, "terminated")
	await(t, "the volume to go", func() bool { return len(do(t, i.a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes) == 0 })
}

// TestForcedStop pulls the plug of a guest that would obey.
//
//origami:proves StopInstances TerminateInstances
func TestForcedStop(t *testing.T) {
	t.Parallel()
	i := open(t)
	m := i.a.started(t, nil)
	ids := []string{*m.InstanceId}
	same(t, do(t, i.a.StopInstances, &ec2.StopInstancesInput{InstanceIds: ids, Force: p(true), Hibernate: p(false)}).StoppingInstances, changed(ids[0], running, stopping))
	reaches(t, i.a.Client, ids[0], "stopped")
	same(t, do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: ids, Force: p(true), SkipOsShutdown: p(true)}).TerminatingInstances, changed(ids[0], stopped, shuttingDown))
	reaches(t, i.a.Client, ids[0], "terminated")
}

// TestLaunchFailure shows why an instance that was accepted did not start.
//
//origami:proves RunInstances DescribeInstances
func TestLaunchFailure(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.host.FailStart(errNoRoom)
	i.expected = errNoRoom.Error()
	img := i.a.register(t, i.a.Client, "base", i.a.snapshot(t, home, "root"))
	id := *do(t, i.a.RunInstances, launch(img)).Instances[0].InstanceId
	m := reaches(t, i.a.Client, id, "terminated")
	if *m.StateReason.Code != "Server.InternalError" || !strings.HasPrefix(*m.StateReason.Message, "Server.InternalError: Internal error on launch") || *m.StateTransitionReason != "Server.InternalError" {
		t.Errorf("got reasons %+v, %s", *m.StateReason.Message, *m.StateTransitionReason)
	}
	await(t, "the volume to go", func() bool { return len(do(t, i.a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes) == 0 })
}
