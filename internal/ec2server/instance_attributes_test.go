package ec2server_test

import (
	"bytes"
	"encoding/base64"
	"image/jpeg"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// attribute reads one attribute of an instance as text: "-" if it is absent
// from the answer, "" if it is there without a value.
func attribute(t *testing.T, a *account, id, name string) string {
	t.Helper()
	out := do(t, a.DescribeInstanceAttribute, &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: types.InstanceAttributeName(name)})
	var words []string
	value := func(name string, v *types.AttributeValue) {
		if v != nil {
			words = append(words, name+"="+str(v.Value))
		}
	}
	flag := func(name string, v *types.AttributeBooleanValue) {
		if v != nil && v.Value != nil {
			words = append(words, name+"="+map[bool]string{true: "true", false: "false"}[*v.Value])
		}
	}
	value("instanceType", out.InstanceType)
	value("kernel", out.KernelId)
	value("ramdisk", out.RamdiskId)
	value("userData", out.UserData)
	value("instanceInitiatedShutdownBehavior", out.InstanceInitiatedShutdownBehavior)
	value("rootDeviceName", out.RootDeviceName)
	value("sriovNetSupport", out.SriovNetSupport)
	flag("disableApiTermination", out.DisableApiTermination)
	flag("disableApiStop", out.DisableApiStop)
	flag("sourceDestCheck", out.SourceDestCheck)
	flag("ebsOptimized", out.EbsOptimized)
	flag("enaSupport", out.EnaSupport)
	if out.EnclaveOptions != nil {
		words = append(words, "enclaveOptions="+map[bool]string{true: "true", false: "false"}[*out.EnclaveOptions.Enabled])
	}
	if out.Groups != nil {
		var names []string
		for _, g := range out.Groups {
			names = append(names, *g.GroupName)
		}
		words = append(words, "groupSet="+sorted(names))
	}
	if out.BlockDeviceMappings != nil {
		var names []string
		for _, d := range out.BlockDeviceMappings {
			names = append(names, *d.DeviceName+":"+map[bool]string{true: "delete", false: "keep"}[*d.Ebs.DeleteOnTermination])
		}
		words = append(words, "blockDeviceMapping="+sorted(names))
	}
	if out.ProductCodes != nil {
		words = append(words, "productCodes")
	}
	if *out.InstanceId != id {
		t.Errorf("the answer is about %s, want %s", *out.InstanceId, id)
	}
	return strings.Join(words, " ")
}

// TestDescribeInstanceAttribute reads every attribute; the answer has the one
// that was asked for and no other.
//
//origami:proves DescribeInstanceAttribute
func TestDescribeInstanceAttribute(t *testing.T) {
	t.Parallel()
	i := open(t)
	m := i.a.started(t, func(in *ec2.RunInstancesInput) {
		in.UserData, in.DisableApiStop = p(base64.StdEncoding.EncodeToString([]byte("hello"))), p(true)
		in.InstanceInitiatedShutdownBehavior = "terminate"
	})
	for name, want := range map[string]string{
		"instanceType": "instanceType=t3.nano", "kernel": "kernel=", "ramdisk": "ramdisk=", "userData": "userData=aGVsbG8=",
		"disableApiTermination": "disableApiTermination=false", "disableApiStop": "disableApiStop=true",
		"instanceInitiatedShutdownBehavior": "instanceInitiatedShutdownBehavior=terminate", "rootDeviceName": "rootDeviceName=/dev/sda1",
		"blockDeviceMapping": "blockDeviceMapping=/dev/sda1:delete", "productCodes": "productCodes", "sourceDestCheck": "sourceDestCheck=true",
		"groupSet": "groupSet=default", "ebsOptimized": "ebsOptimized=false", "sriovNetSupport": "sriovNetSupport=",
		"enaSupport": "enaSupport=true", "enclaveOptions": "enclaveOptions=false",
	} {
		if got := attribute(t, i.a, *m.InstanceId, name); strings.ReplaceAll(got, "<nil>", "") != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	fails(t, i.b.DescribeInstanceAttribute, &ec2.DescribeInstanceAttributeInput{InstanceId: m.InstanceId, Attribute: "userData"},
		"InvalidInstanceID.NotFound", "The instance ID '"+*m.InstanceId+"' does not exist")
	if _, text := i.a.send(t, home, form("DescribeInstanceAttribute", "InstanceId", *m.InstanceId, "Attribute", "color")); !strings.Contains(text, "<Code>InvalidParameterValue</Code>") {
		t.Errorf("an unknown attribute: got %s, want InvalidParameterValue", text)
	}
}

// TestModifyInstanceAttribute changes every attribute that can be, in both
// forms of the request, and reads it back.
//
//origami:proves ModifyInstanceAttribute ResetInstanceAttribute DescribeInstanceAttribute
func TestModifyInstanceAttribute(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	id := *a.started(t, nil).InstanceId
	stopped := "IncorrectInstanceState: The instance '" + id + "' is not in the 'stopped' state."
	attempt := func(pairs ...string) string {
		status, text := a.send(t, home, form("ModifyInstanceAttribute", append([]string{"InstanceId", id}, pairs...)...))
		if status == 200 {
			return "done"
		}
		code, _, _ := strings.Cut(strings.SplitN(text, "<Code>", 2)[1], "</Code>")
		message, _, _ := strings.Cut(strings.SplitN(text, "<Message>", 2)[1], "</Message>")
		return code + ": " + strings.NewReplacer("&#39;", "'", "&#34;", `"`).Replace(message)
	}
	check := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, c := range []struct {
		name   string
		params []string
		want   string
		read   string // attribute to read afterwards
		value  string
	}{
		{"protect", []string{"DisableApiTermination.Value", "true"}, "done", "disableApiTermination", "disableApiTermination=true"},
		{"unprotect, by name", []string{"Attribute", "disableApiTermination", "Value", "false"}, "done", "disableApiTermination", "disableApiTermination=false"},
		{"stop protection", []string{"DisableApiStop.Value", "true"}, "done", "disableApiStop", "disableApiStop=true"},
		{"stop protection off", []string{"Attribute", "disableApiStop", "DisableApiStop.Value", "false"}, "done", "disableApiStop", "disableApiStop=false"},
		{"shutdown", []string{"InstanceInitiatedShutdownBehavior.Value", "terminate"}, "done", "instanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior=terminate"},
		{"bad shutdown", []string{"Attribute", "instanceInitiatedShutdownBehavior", "Value", "explode"},
			"InvalidParameterValue: Invalid value 'explode' for InstanceInitiatedShutdownBehavior.", "", ""},
		{"keep root", []string{"BlockDeviceMapping.1.DeviceName", "/dev/sda1", "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"}, "done", "blockDeviceMapping", "blockDeviceMapping=/dev/sda1:keep"},
		{"no device", []string{"BlockDeviceMapping.1.DeviceName", "/dev/sdz", "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"},
			"InvalidInstanceAttributeValue: No device is currently mapped at /dev/sdz", "", ""},
		{"source check", []string{"SourceDestCheck.Value", "true"}, "done", "sourceDestCheck", "sourceDestCheck=true"},
		{"source check off", []string{"SourceDestCheck.Value", "false"},
			"UnsupportedOperation: The value 'false' of the parameter SourceDestCheck.Value is not supported by this service.", "", ""},
		{"source check off, by name", []string{"Attribute", "sourceDestCheck", "Value", "false"},
			"UnsupportedOperation: The source/destination check of instances cannot be switched off in this service.", "", ""},
		{"group of nobody", []string{"GroupId.1", "sg-0123456789abcdef0"}, "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist", "", ""},
		{"group", []string{"GroupId.1", *defaultGroup(t, a).GroupId}, "done", "groupSet", "groupSet=default"},
		{"type while running", []string{"InstanceType.Value", "t3.micro"}, stopped, "instanceType", "instanceType=t3.nano"},
		{"user data while running", []string{"UserData.Value", "aGVsbG8="}, stopped, "userData", "userData="},
		{"ENA while running", []string{"EnaSupport.Value", "false"}, stopped, "", ""},
		{"EBS-optimized while running", []string{"EbsOptimized.Value", "true"}, stopped, "", ""},
		{"SR-IOV while running", []string{"SriovNetSupport.Value", "simple"}, stopped, "", ""},
		{"nothing", nil, "InvalidParameterCombination: No attributes specified.", "", ""},
		{"name only", []string{"Attribute", "disableApiStop"}, "InvalidParameterCombination: No attributes specified.", "", ""},
		{"two", []string{"DisableApiStop.Value", "true", "DisableApiTermination.Value", "true"},
			"InvalidParameterCombination: Fields for multiple attribute types specified: disableApiTermination, disableApiStop", "disableApiStop", "disableApiStop=false"},
		{"two that disagree", []string{"Attribute", "userData", "DisableApiStop.Value", "true"},
			"InvalidParameterCombination: The parameter attribute names userData, and the request is about disableApiStop", "", ""},
		{"what cannot change", []string{"Attribute", "rootDeviceName", "Value", "/dev/sdb"}, "InvalidParameterValue: The attribute 'rootDeviceName' cannot be modified.", "", ""},
	} {
		check(c.name, attempt(c.params...), c.want)
		if c.read != "" {
			check(c.name, strings.ReplaceAll(attribute(t, a, id, c.read), "<nil>", ""), c.value)
		}
	}

	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	reaches(t, a.Client, id, "stopped")
	for _, c := range []struct {
		name   string
		params []string
		want   string
		read   string
		value  string
	}{
		{"type", []string{"InstanceType.Value", "m5.large"}, "done", "instanceType", "instanceType=m5.large"},
		{"type of another architecture", []string{"InstanceType.Value", "m7g.medium"}, "InvalidParameterValue: The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.", "instanceType", "instanceType=m5.large"},
		{"no such type", []string{"Attribute", "instanceType", "Value", "t9.nano"}, "InvalidParameterValue: Invalid value 't9.nano' for InstanceType.", "", ""},
		{"user data", []string{"UserData.Value", "aGVsbG8="}, "done", "userData", "userData=aGVsbG8="},
		{"user data, by name", []string{"Attribute", "userData", "Value", "d29ybGQ="}, "done", "userData", "userData=d29ybGQ="},
		{"no user data", []string{"UserData.Value", ""}, "done", "userData", "userData="},
		{"bad user data", []string{"Attribute", "userData", "Value", "*"}, "InvalidUserData.Malformed: Invalid BASE64 encoding of user data.", "", ""},
		{"too much user data", []string{"UserData.Value", base64.StdEncoding.EncodeToString(make([]byte, 16385))}, "InvalidParameterValue: User data is limited to 16384 bytes", "userData", "userData="},
		{"SR-IOV", []string{"SriovNetSupport.Value", "simple"}, "done", "sriovNetSupport", "sriovNetSupport=simple"},
		{"bad SR-IOV", []string{"SriovNetSupport.Value", "complex"}, "InvalidParameterValue: Invalid value 'complex' for sriovNetSupport. The only value is 'simple'.", "", ""},
		{"ENA off", []string{"EnaSupport.Value", "false"}, "done", "enaSupport", "enaSupport=false"},
		{"type that needs ENA", []string{"InstanceType.Value", "c5.large"}, "InvalidParameterCombination: Enhanced networking with the Elastic Network Adapter (ENA) is required for the 'c5.large' instance type. Ensure that you are using an AMI that is enabled for ENA.", "", ""},
		{"ENA", []string{"EnaSupport.Value", "true"}, "done", "enaSupport", "enaSupport=true"},
		{"EBS-optimized", []string{"EbsOptimized.Value", "true"}, "done", "ebsOptimized", "ebsOptimized=true"},
		{"type that is not", []string{"InstanceType.Value", "t2.micro"}, "Unsupported: The requested configuration is currently not supported. Please check the documentation for supported configurations.", "", ""},
	} {
		check(c.name, attempt(c.params...), c.want)
		if c.read != "" {
			check(c.name, strings.ReplaceAll(attribute(t, a, id, c.read), "<nil>", ""), c.value)
		}
	}
	do(t, a.ResetInstanceAttribute, &ec2.ResetInstanceAttributeInput{InstanceId: &id, Attribute: "sourceDestCheck"})
	do(t, a.ResetInstanceAttribute, &ec2.ResetInstanceAttributeInput{InstanceId: &id, Attribute: "kernel"})
	fails(t, a.ResetInstanceAttribute, &ec2.ResetInstanceAttributeInput{InstanceId: &id, Attribute: "userData"},
		"InvalidParameterValue", "The attribute 'userData' cannot be reset. Valid attributes are kernel, ramdisk and sourceDestCheck.")
	fails(t, i.b.ModifyInstanceAttribute, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: &types.AttributeBooleanValue{Value: p(true)}},
		"InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")

	// It starts as what it has become, and ends with its root volume kept.
	do(t, a.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{id}})
	m := reaches(t, a.Client, id, "running")
	if m.InstanceType != "m5.large" || m.CpuOptions == nil || *m.CpuOptions.CoreCount != 1 {
		t.Errorf("got type %s with %+v, want m5.large with one core", m.InstanceType, m.CpuOptions)
	}
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	reaches(t, a.Client, id, "terminated")
	if vols := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(vols) != 1 || vols[0].State != "available" {
		t.Errorf("got volumes %+v, want the root volume, available", vols)
	}
	check("terminated", attempt("DisableApiStop.Value", "true"), "IncorrectInstanceState: The instance '"+id+"' is not in a state from which it can be modified.")
}

// TestProtectionTakenAway shows that protected instances neither stop nor end until the
// protection is taken away.
//
//origami:proves ModifyInstanceAttribute StopInstances TerminateInstances
func TestProtectionTakenAway(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	id := *a.started(t, func(in *ec2.RunInstancesInput) { in.DisableApiTermination, in.DisableApiStop = p(true), p(true) }).InstanceId
	fails(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}, "OperationNotPermitted",
		"The instance '"+id+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	fails(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}}, "OperationNotPermitted",
		"The instance '"+id+"' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.")
	do(t, a.ModifyInstanceAttribute, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: &types.AttributeBooleanValue{Value: p(false)}})
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	reaches(t, a.Client, id, "stopped")
	do(t, a.ModifyInstanceAttribute, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: p(false)}})
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	reaches(t, a.Client, id, "terminated")
}

// TestMonitorInstances switches detailed monitoring.
//
//origami:proves MonitorInstances UnmonitorInstances
func TestMonitorInstances(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := *i.a.started(t, nil).InstanceId
	on := do(t, i.a.MonitorInstances, &ec2.MonitorInstancesInput{InstanceIds: []string{id}})
	same(t, on.InstanceMonitorings, []types.InstanceMonitoring{{InstanceId: &id, Monitoring: &types.Monitoring{State: "pending"}}})
	if got := machine(t, i.a.Client, id).Monitoring.State; got != "enabled" {
		t.Errorf("got monitoring %s, want enabled", got)
	}
	off := do(t, i.a.UnmonitorInstances, &ec2.UnmonitorInstancesInput{InstanceIds: []string{id}})
	same(t, off.InstanceMonitorings, []types.InstanceMonitoring{{InstanceId: &id, Monitoring: &types.Monitoring{State: "disabling"}}})
	if got := machine(t, i.a.Client, id).Monitoring.State; got != "disabled" {
		t.Errorf("got monitoring %s, want disabled", got)
	}
	fails(t, i.b.MonitorInstances, &ec2.MonitorInstancesInput{InstanceIds: []string{id}}, "InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
}

// TestModifyInstanceMetadataOptions changes one option at a time; the others
// stay.
//
//origami:proves ModifyInstanceMetadataOptions
func TestModifyInstanceMetadataOptions(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := *i.a.started(t, nil).InstanceId
	want := types.InstanceMetadataOptionsResponse{
		HttpEndpoint: "enabled", HttpProtocolIpv6: "disabled", HttpPutResponseHopLimit: p(int32(1)), HttpTokens: "optional",
		InstanceMetadataTags: "disabled", State: "applied",
	}
	for _, step := range []struct {
		in     ec2.ModifyInstanceMetadataOptionsInput
		change func()
	}{
		{ec2.ModifyInstanceMetadataOptionsInput{HttpTokens: "required"}, func() { want.HttpTokens = "required" }},
		{ec2.ModifyInstanceMetadataOptionsInput{HttpPutResponseHopLimit: p(int32(64))}, func() { want.HttpPutResponseHopLimit = p(int32(64)) }},
		{ec2.ModifyInstanceMetadataOptionsInput{InstanceMetadataTags: "enabled"}, func() { want.InstanceMetadataTags = "enabled" }},
		{ec2.ModifyInstanceMetadataOptionsInput{HttpEndpoint: "disabled"}, func() { want.HttpEndpoint = "disabled" }},
	} {
		step.in.InstanceId = &id
		step.change()
		out := do(t, i.a.ModifyInstanceMetadataOptions, &step.in)
		pending := want
		pending.State = "pending"
		same(t, *out.InstanceMetadataOptions, pending)
		same(t, *machine(t, i.a.Client, id).MetadataOptions, want)
	}
	for limit, message := range map[int32]string{
		0:  "Value (0) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.",
		65: "Value (65) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.",
	} {
		fails(t, i.a.ModifyInstanceMetadataOptions, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id, HttpPutResponseHopLimit: &limit}, "InvalidParameterValue", message)
	}
	fails(t, i.a.ModifyInstanceMetadataOptions, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id}, "InvalidParameterCombination", "No metadata options specified.")
	fails(t, i.b.ModifyInstanceMetadataOptions, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id, HttpTokens: "optional"},
		"InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
}

// TestCreditSpecifications follows the credit option of burstable instances.
//
//origami:proves DescribeInstanceCreditSpecifications ModifyInstanceCreditSpecification RunInstances
func TestCreditSpecifications(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	t3 := *a.started(t, nil).InstanceId
	img := *machine(t, a.Client, t3).ImageId
	run := func(kind types.InstanceType, credits *types.CreditSpecificationRequest) string {
		in := launch(img)
		in.InstanceType, in.CreditSpecification = kind, credits
		return *reaches(t, a.Client, *do(t, a.RunInstances, in).Instances[0].InstanceId, "running").InstanceId
	}
	t2 := run("t2.micro", nil)
	m5 := run("m5.large", nil)
	chosen := run("t3.micro", &types.CreditSpecificationRequest{CpuCredits: p("standard")})
	option := func(id string) string {
		out := do(t, a.DescribeInstanceCreditSpecifications, &ec2.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{id}})
		return *out.InstanceCreditSpecifications[0].InstanceId + " " + *out.InstanceCreditSpecifications[0].CpuCredits
	}
	for id, want := range map[string]string{t3: "unlimited", t2: "standard", chosen: "standard"} {
		if got := option(id); got != id+" "+want {
			t.Errorf("got %s, want %s %s", got, id, want)
		}
	}
	fails(t, a.DescribeInstanceCreditSpecifications, &ec2.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{m5}},
		"InstanceCreditSpecification.NotSupported", "The instance type 'm5.large' of the instance '"+m5+"' has no CPU credits.")
	bad := launch(img)
	bad.InstanceType, bad.CreditSpecification = "m5.large", &types.CreditSpecificationRequest{CpuCredits: p("standard")}
	fails(t, a.RunInstances, bad, "InvalidParameterCombination", "The CPU credit option is not supported for the instance type 'm5.large'.")

	out := do(t, a.ModifyInstanceCreditSpecification, &ec2.ModifyInstanceCreditSpecificationInput{InstanceCreditSpecifications: []types.InstanceCreditSpecificationRequest{
		{InstanceId: &t2, CpuCredits: p("unlimited")}, {InstanceId: &t3, CpuCredits: p("standard")},
		{InstanceId: &m5, CpuCredits: p("standard")}, {InstanceId: p("i-0123456789abcdef0"), CpuCredits: p("standard")},
	}})
	same(t, out.SuccessfulInstanceCreditSpecifications, []types.SuccessfulInstanceCreditSpecificationItem{{InstanceId: &t2}, {InstanceId: &t3}})
	var codes []string
	for _, u := range out.UnsuccessfulInstanceCreditSpecifications {
		codes = append(codes, string(u.Error.Code))
	}
	if got, want := strings.Join(codes, " "), "InstanceCreditSpecification.NotSupported InvalidInstanceID.NotFound"; got != want {
		t.Errorf("got refusals %s, want %s", got, want)
	}
	// Without IDs, those that are unlimited.
	all := do(t, a.DescribeInstanceCreditSpecifications, &ec2.DescribeInstanceCreditSpecificationsInput{})
	same(t, all.InstanceCreditSpecifications, []types.InstanceCreditSpecification{{InstanceId: &t2, CpuCredits: p("unlimited")}})
	if n := len(do(t, i.b.DescribeInstanceCreditSpecifications, &ec2.DescribeInstanceCreditSpecificationsInput{}).InstanceCreditSpecifications); n != 0 {
		t.Errorf("another account sees %d credit options, want none", n)
	}
}

// TestDescribeInstanceStatus lists running instances, or all of them.
//
//origami:proves DescribeInstanceStatus
func TestDescribeInstanceStatus(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	runs := a.started(t, nil)
	in := launch(*runs.ImageId)
	rests := *do(t, a.RunInstances, in).Instances[0].InstanceId
	reaches(t, a.Client, rests, "running")
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{rests}})
	reaches(t, a.Client, rests, "stopped")
	list := func(in *ec2.DescribeInstanceStatusInput) string {
		var lines []string
		for _, s := range do(t, a.DescribeInstanceStatus, in).InstanceStatuses {
			name := map[string]string{*runs.InstanceId: "runs", rests: "rests"}[*s.InstanceId]
			lines = append(lines, name+":"+string(s.InstanceState.Name)+":"+string(s.InstanceStatus.Status)+":"+string(s.SystemStatus.Status))
		}
		return sorted(lines)
	}
	running, stopped := "runs:running:ok:ok", "rests:stopped:not-applicable:not-applicable"
	f := func(name, value string) []types.Filter { return []types.Filter{{Name: &name, Values: []string{value}}} }
	for _, c := range []struct {
		in   ec2.DescribeInstanceStatusInput
		want string
	}{
		{ec2.DescribeInstanceStatusInput{}, running},
		{ec2.DescribeInstanceStatusInput{IncludeAllInstances: p(true)}, stopped + " " + running},
		{ec2.DescribeInstanceStatusInput{InstanceIds: []string{rests}}, ""},
		{ec2.DescribeInstanceStatusInput{InstanceIds: []string{rests}, IncludeAllInstances: p(true)}, stopped},
		{ec2.DescribeInstanceStatusInput{IncludeAllInstances: p(true), Filters: f("instance-state-name", "stopped")}, stopped},
		{ec2.DescribeInstanceStatusInput{IncludeAllInstances: p(true), Filters: f("instance-state-code", "16")}, running},
		{ec2.DescribeInstanceStatusInput{Filters: f("instance-status.status", "ok")}, running},
		{ec2.DescribeInstanceStatusInput{Filters: f("system-status.reachability", "failed")}, ""},
		{ec2.DescribeInstanceStatusInput{Filters: f("event.code", "*")}, ""},
		{ec2.DescribeInstanceStatusInput{Filters: f("availability-zone", string(home)+"a")}, running},
	} {
		if got := list(&c.in); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.in, got, c.want)
		}
	}
	s := do(t, a.DescribeInstanceStatus, &ec2.DescribeInstanceStatusInput{}).InstanceStatuses[0]
	if len(s.Events) != 0 || len(s.InstanceStatus.Details) != 1 || s.InstanceStatus.Details[0].Status != "passed" {
		t.Errorf("got %+v, want no events and one check that passed", s)
	}
	if n := len(do(t, i.b.DescribeInstanceStatus, &ec2.DescribeInstanceStatusInput{IncludeAllInstances: p(true)}).InstanceStatuses); n != 0 {
		t.Errorf("another account sees %d instances, want none", n)
	}
	fails(t, a.DescribeInstanceStatus, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{rests}, MaxResults: p(int32(5))},
		"InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
}

// TestConsoleScreenshot looks at the screen of a running machine.
//
//origami:proves GetConsoleScreenshot GetPasswordData
func TestConsoleScreenshot(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := *i.a.started(t, nil).InstanceId
	look := func(wake bool) (r, b uint32) {
		out := do(t, i.a.GetConsoleScreenshot, &ec2.GetConsoleScreenshotInput{InstanceId: &id, WakeUp: &wake})
		data, err := base64.StdEncoding.DecodeString(*out.ImageData)
		if err != nil {
			t.Fatal(err)
		}
		screen, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got := screen.Bounds().Size(); got.X != 720 || got.Y != 400 {
			t.Errorf("got a screen of %v, want 720 by 400", got)
		}
		r, _, b, _ = screen.At(100, 100).RGBA()
		return r >> 8, b >> 8
	}
	if _, b := look(false); b > 8 {
		t.Errorf("got a screen with blue %d, want it black", b)
	}
	if r, b := look(true); b < 240 || r > 8 {
		t.Errorf("got a screen with red %d and blue %d, want it blue after a key was pressed", r, b)
	}
	if data := do(t, i.a.GetPasswordData, &ec2.GetPasswordDataInput{InstanceId: &id}).PasswordData; data == nil || *data != "" {
		t.Errorf("got password data %v, want it empty", data)
	}
	fails(t, i.b.GetConsoleScreenshot, &ec2.GetConsoleScreenshotInput{InstanceId: &id}, "InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
	fails(t, i.b.GetPasswordData, &ec2.GetPasswordDataInput{InstanceId: &id}, "InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
	do(t, i.a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	reaches(t, i.a.Client, id, "stopped")
	fails(t, i.a.GetConsoleScreenshot, &ec2.GetConsoleScreenshotInput{InstanceId: &id}, "IncorrectInstanceState", "The instance '"+id+"' is not in the 'running' state.")
}

// TestDescribeInstanceTypes asks for types by name, by filter and by page.
//
//origami:proves DescribeInstanceTypes
func TestDescribeInstanceTypes(t *testing.T) {
	t.Parallel()
	a := open(t).a
	out := do(t, a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"m5d.large"}})
	if len(out.InstanceTypes) != 1 {
		t.Fatalf("got %d types, want m5d.large alone", len(out.InstanceTypes))
	}
	m := out.InstanceTypes[0]
	for _, c := range []struct{ what, got, want string }{
		{"type", string(m.InstanceType), "m5d.large"},
		{"architectures", sorted(words(m.ProcessorInfo.SupportedArchitectures)), "x86_64"},
		{"boot modes", sorted(words(m.SupportedBootModes)), "legacy-bios uefi"},
		{"root devices", sorted(words(m.SupportedRootDeviceTypes)), "ebs"},
		{"virtualization", sorted(words(m.SupportedVirtualizationTypes)), "hvm"},
		{"hypervisor", string(m.Hypervisor), "nitro"},
		{"ENA", string(m.NetworkInfo.EnaSupport), "required"},
		{"NVMe", string(m.EbsInfo.NvmeSupport), "required"},
		{"EBS-optimized", string(m.EbsInfo.EbsOptimizedSupport), "default"},
		{"disk type", string(m.InstanceStorageInfo.Disks[0].Type), "ssd"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
	if *m.VCpuInfo.DefaultVCpus != 2 || *m.VCpuInfo.DefaultCores != 1 || *m.MemoryInfo.SizeInMiB != 8192 ||
		*m.InstanceStorageInfo.TotalSizeInGB != 75 || *m.EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps != 81.25 {
		t.Errorf("got %+v, want the figures of m5d.large", m)
	}
	fails(t, a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t3.nano", "t9.nano"}},
		"InvalidInstanceType", "The following supplied instance types do not exist: [t9.nano]")
	for _, c := range []struct {
		want    string
		filters []string // name and value by turns
	}{
		{"t4g.2xlarge t4g.large t4g.medium t4g.micro t4g.nano t4g.small t4g.xlarge", []string{"processor-info.supported-architecture", "arm64", "burstable-performance-supported", "true"}},
		{"m5d.2xlarge m5d.large m5d.xlarge", []string{"instance-type", "m5d.*", "instance-storage-info.disk.count", "1"}},
		{"t2.micro t3.micro", []string{"free-tier-eligible", "true"}},
		{"c5.large", []string{"instance-type", "c5.*", "vcpu-info.default-vcpus", "2"}},
		{"i3.large", []string{"instance-type", "i3.*", "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "425"}},
		{"c3.2xlarge c3.4xlarge c3.8xlarge c3.large c3.xlarge m1.large m1.medium m1.small m1.xlarge m3.2xlarge m3.large m3.medium m3.xlarge t1.micro", []string{"supported-virtualization-type", "paravirtual"}},
	} {
		in := &ec2.DescribeInstanceTypesInput{}
		for n := 0; n < len(c.filters); n += 2 {
			in.Filters = append(in.Filters, types.Filter{Name: &c.filters[n], Values: []string{c.filters[n+1]}})
		}
		var got []string
		for _, m := range do(t, a.DescribeInstanceTypes, in).InstanceTypes {
			got = append(got, string(m.InstanceType))
		}
		if sorted(got) != c.want {
			t.Errorf("%v: got %s, want %s", c.filters, sorted(got), c.want)
		}
	}
	fails(t, a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{{Name: p("tag:x"), Values: []string{"y"}}}},
		"InvalidParameterValue", "The filter 'tag:x' is invalid")
	checkPages(t, a)
}

// checkPages reads the types page by page and compares with the whole list.
func checkPages(t *testing.T, a *account) {
	t.Helper()
	whole := do(t, a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{}).InstanceTypes
	var pieces []types.InstanceTypeInfo
	in := &ec2.DescribeInstanceTypesInput{MaxResults: p(int32(37))}
	for {
		out := do(t, a.DescribeInstanceTypes, in)
		pieces = append(pieces, out.InstanceTypes...)
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if len(whole) < 100 || len(pieces) != len(whole) {
		t.Fatalf("got %d types in pages and %d at once, want as many and at least a hundred", len(pieces), len(whole))
	}
	for n := range whole {
		if pieces[n].InstanceType != whole[n].InstanceType {
			t.Errorf("type %d: got %s in pages and %s at once", n, pieces[n].InstanceType, whole[n].InstanceType)
		}
	}
}

func words[S ~string](list []S) []string {
	var out []string
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

// TestDescribeInstanceTypeOfferings asks where a type is offered.
//
//origami:proves DescribeInstanceTypeOfferings
func TestDescribeInstanceTypeOfferings(t *testing.T) {
	t.Parallel()
	a := open(t).a
	only := []types.Filter{{Name: p("instance-type"), Values: []string{"t3.nano"}}}
	for kind, want := range map[types.LocationType]string{
		"": "eu-west-1", "region": "eu-west-1", "availability-zone": "eu-west-1a eu-west-1b eu-west-1c",
		"availability-zone-id": "euw1-az1 euw1-az2 euw1-az3", "outpost": "",
	} {
		var got []string
		for _, o := range do(t, a.DescribeInstanceTypeOfferings, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: kind, Filters: only}).InstanceTypeOfferings {
			if o.InstanceType != "t3.nano" || kind != "" && o.LocationType != kind {
				t.Errorf("%s: got %+v, want t3.nano", kind, o)
			}
			got = append(got, *o.Location)
		}
		if sorted(got) != want {
			t.Errorf("%s: got %s, want %s", kind, sorted(got), want)
		}
	}
	in := &ec2.DescribeInstanceTypeOfferingsInput{LocationType: "availability-zone", MaxResults: p(int32(100))}
	total := 0
	for {
		out := do(t, a.DescribeInstanceTypeOfferings, in)
		total += len(out.InstanceTypeOfferings)
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if n := len(do(t, a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{}).InstanceTypes); total != 3*n {
		t.Errorf("got %d offerings of %d types in three zones", total, n)
	}
}
