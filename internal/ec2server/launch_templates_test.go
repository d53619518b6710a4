package ec2server_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// template makes a launch template and returns its ID.
func (a *account) template(t *testing.T, name string, data *types.RequestLaunchTemplateData) string {
	t.Helper()
	return *do(t, a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: data}).LaunchTemplate.LaunchTemplateId
}

// versions lists the versions that a request finds as "number:type", the
// default one with a star.
func versions(t *testing.T, a *account, in *ec2.DescribeLaunchTemplateVersionsInput) string {
	t.Helper()
	var out []string
	for _, v := range do(t, a.DescribeLaunchTemplateVersions, in).LaunchTemplateVersions {
		star := ""
		if *v.DefaultVersion {
			star = "*"
		}
		out = append(out, fmt.Sprintf("%d:%s%s", *v.VersionNumber, v.LaunchTemplateData.InstanceType, star))
	}
	return strings.Join(out, " ")
}

// TestLaunchTemplate follows a template from its creation to its end.
//
//origami:proves CreateLaunchTemplate CreateLaunchTemplateVersion DescribeLaunchTemplates DescribeLaunchTemplateVersions ModifyLaunchTemplate DeleteLaunchTemplateVersions DeleteLaunchTemplate
func TestLaunchTemplate(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	first := &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: p("web(1).x/y_z"), VersionDescription: p("first"), ClientToken: p("once"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{
			ImageId: p("ami-0123456789abcdef0"), InstanceType: "t3.micro", KeyName: p("k"), EbsOptimized: p(false),
			UserData:   p(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))),
			Monitoring: &types.LaunchTemplatesMonitoringRequest{Enabled: p(true)},
			BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{
				{DeviceName: p("/dev/sda1"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: p(int32(9)), VolumeType: "gp3", DeleteOnTermination: p(false)}},
				{DeviceName: p("/dev/sdb"), NoDevice: p("")},
			},
			MetadataOptions:   &types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: "required", HttpPutResponseHopLimit: p(int32(2))},
			SecurityGroupIds:  []string{"sg-0123456789abcdef0"},
			TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{{ResourceType: "instance", Tags: []types.Tag{tag("Name", "web")}}},
		},
		TagSpecifications: []types.TagSpecification{{ResourceType: "launch-template", Tags: []types.Tag{tag("team", "a")}}},
	}
	made := do(t, a.CreateLaunchTemplate, first).LaunchTemplate
	id := *made.LaunchTemplateId
	if again := *do(t, a.CreateLaunchTemplate, first).LaunchTemplate.LaunchTemplateId; again != id {
		t.Errorf("got template %s with the same token, want %s", again, id)
	}
	want := types.LaunchTemplate{
		LaunchTemplateId: &id, LaunchTemplateName: p("web(1).x/y_z"), CreateTime: &clock, CreatedBy: p("arn:aws:iam::" + string(a.id) + ":root"),
		DefaultVersionNumber: p(int64(1)), LatestVersionNumber: p(int64(1)), Tags: []types.Tag{tag("team", "a")},
	}
	same(t, *made, want)
	for _, in := range []*ec2.DescribeLaunchTemplatesInput{
		{}, {LaunchTemplateIds: []string{id}}, {LaunchTemplateNames: []string{"web(1).x/y_z"}},
		{Filters: []types.Filter{{Name: p("launch-template-name"), Values: []string{"web*"}}}},
		{Filters: []types.Filter{{Name: p("tag:team"), Values: []string{"a"}}}},
	} {
		same(t, do(t, a.DescribeLaunchTemplates, in).LaunchTemplates, []types.LaunchTemplate{want})
	}
	data := do(t, a.DescribeLaunchTemplateVersions, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id}).LaunchTemplateVersions[0].LaunchTemplateData
	same(t, *data, types.ResponseLaunchTemplateData{
		ImageId: p("ami-0123456789abcdef0"), InstanceType: "t3.micro", KeyName: p("k"), EbsOptimized: p(false), UserData: first.LaunchTemplateData.UserData,
		Monitoring: &types.LaunchTemplatesMonitoring{Enabled: p(true)},
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.LaunchTemplateEbsBlockDevice{VolumeSize: p(int32(9)), VolumeType: "gp3", DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdb"), NoDevice: p("")},
		},
		MetadataOptions:   &types.LaunchTemplateInstanceMetadataOptions{HttpTokens: "required", HttpPutResponseHopLimit: p(int32(2))},
		SecurityGroupIds:  []string{"sg-0123456789abcdef0"},
		TagSpecifications: []types.LaunchTemplateTagSpecification{{ResourceType: "instance", Tags: []types.Tag{tag("Name", "web")}}},
		// The lists that are not given.
		ElasticGpuSpecifications: []types.ElasticGpuSpecificationResponse{}, ElasticInferenceAccelerators: []types.LaunchTemplateElasticInferenceAcceleratorResponse{},
		LicenseSpecifications: []types.LaunchTemplateLicenseConfiguration{}, NetworkInterfaces: []types.LaunchTemplateInstanceNetworkInterfaceSpecification{},
		SecurityGroups: []string{}, SecondaryInterfaces: []types.LaunchTemplateInstanceSecondaryInterfaceSpecification{},
	})

	second := do(t, a.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateName: p("web(1).x/y_z"), SourceVersion: p("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.small"},
	}).LaunchTemplateVersion
	if *second.VersionNumber != 2 || *second.DefaultVersion || second.LaunchTemplateData.InstanceType != "t3.small" || *second.LaunchTemplateData.KeyName != "k" {
		t.Errorf("got version %+v, want number 2 with the key of number 1", second)
	}
	third := do(t, a.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: &id, LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.nano"},
	}).LaunchTemplateVersion
	if *third.VersionNumber != 3 || third.LaunchTemplateData.KeyName != nil {
		t.Errorf("got version %+v, want number 3 with what it was given only", third)
	}
	modify := ec2.ModifyLaunchTemplateInput{LaunchTemplateId: &id, DefaultVersion: p("2"), ClientToken: p("token")}
	changed := do(t, a.ModifyLaunchTemplate, &modify).LaunchTemplate
	do(t, a.ModifyLaunchTemplate, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: &id, DefaultVersion: p("3")})
	if again := do(t, a.ModifyLaunchTemplate, &modify).LaunchTemplate; *again.DefaultVersionNumber != 3 {
		t.Errorf("a repeated request made version %d the default one again", *again.DefaultVersionNumber)
	}
	do(t, a.ModifyLaunchTemplate, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: &id, DefaultVersion: p("2")})
	modify.DefaultVersion = p("1")
	fails(t, a.ModifyLaunchTemplate, &modify, "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	if *changed.DefaultVersionNumber != 2 || *changed.LatestVersionNumber != 3 || len(changed.Tags) != 1 {
		t.Errorf("got %+v, want the default 2, the latest 3 and one tag", changed)
	}
	for _, c := range []struct {
		in   ec2.DescribeLaunchTemplateVersionsInput
		want string
	}{
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id}, "1:t3.micro 2:t3.small* 3:t3.nano"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: []string{"$Latest", "1"}}, "1:t3.micro 3:t3.nano"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: []string{"$Default"}}, "2:t3.small*"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, MinVersion: p("2")}, "2:t3.small* 3:t3.nano"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, MinVersion: p("2"), MaxVersion: p("2")}, "2:t3.small*"},
		{ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Latest"}}, "3:t3.nano"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Filters: []types.Filter{{Name: p("is-default-version"), Values: []string{"true"}}}}, "2:t3.small*"},
		{ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Filters: []types.Filter{{Name: p("instance-type"), Values: []string{"t3.m*"}}}}, "1:t3.micro"},
	} {
		if got := versions(t, a, &c.in); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.in, got, c.want)
		}
	}

	gone := do(t, a.DeleteLaunchTemplateVersions, &ec2.DeleteLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: []string{"3", "2", "9"}})
	if len(gone.SuccessfullyDeletedLaunchTemplateVersions) != 1 || *gone.SuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber != 3 ||
		len(gone.UnsuccessfullyDeletedLaunchTemplateVersions) != 2 || gone.UnsuccessfullyDeletedLaunchTemplateVersions[1].ResponseError.Code != "launchTemplateVersionDoesNotExist" {
		t.Errorf("got %+v, want 3 deleted, 2 and 9 not", gone)
	}
	if got := versions(t, a, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: []string{"$Latest"}}); got != "2:t3.small*" {
		t.Errorf("got %s as the latest version, want 2", got)
	}
	next := do(t, a.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: &id, LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.large"}})
	if *next.LaunchTemplateVersion.VersionNumber != 4 {
		t.Errorf("got version %d, want 4: numbers are not used again", *next.LaunchTemplateVersion.VersionNumber)
	}
	do(t, a.DeleteLaunchTemplate, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: p("web(1).x/y_z")})
	if left := do(t, a.DescribeLaunchTemplates, &ec2.DescribeLaunchTemplatesInput{}).LaunchTemplates; len(left) != 0 {
		t.Errorf("got %+v after the deletion, want none", left)
	}
}

// TestLaunchTemplateErrors asks for what there is not, and as somebody else.
//
//origami:proves CreateLaunchTemplate DescribeLaunchTemplates DescribeLaunchTemplateVersions ModifyLaunchTemplate DeleteLaunchTemplate
func TestLaunchTemplateErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	a, b := i.a, i.b
	small := &types.RequestLaunchTemplateData{InstanceType: "t3.nano"}
	id := a.template(t, "mine", small)
	fails(t, a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: p("mine"), LaunchTemplateData: small},
		"InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
	for _, name := range []string{"ab", "a b c", strings.Repeat("x", 129), "ä-ö-ü"} {
		fails(t, a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: small},
			"InvalidLaunchTemplateName.MalformedException", "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.")
	}
	fails(t, a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: p("empty"), LaunchTemplateData: &types.RequestLaunchTemplateData{}},
		"MissingParameter", "The request must contain the parameter LaunchTemplateData")
	fails(t, a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: p("bad"), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: p("ami-x")}},
		"InvalidAMIID.Malformed", `Invalid id: "ami-x" (expecting "ami-...")`)
	fails(t, a.DescribeLaunchTemplates, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"theirs"}},
		"InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist.")
	fails(t, a.DescribeLaunchTemplateVersions, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: []string{"7"}},
		"InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version 7 for the launch template with ID "+id+".")
	fails(t, a.ModifyLaunchTemplate, &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: &id, LaunchTemplateName: p("mine"), DefaultVersion: p("1")},
		"InvalidParameterCombination", "Specify either the ID or the name of the launch template, not both.")
	fails(t, a.DeleteLaunchTemplate, &ec2.DeleteLaunchTemplateInput{}, "MissingParameter", "Either the ID or the name of the launch template must be specified.")

	// Another account sees none of it, and may use the name.
	missing := "The specified launch template, with template ID " + id + ", does not exist."
	fails(t, b.DescribeLaunchTemplates, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{id}}, "InvalidLaunchTemplateId.NotFound", missing)
	fails(t, b.DeleteLaunchTemplate, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: &id}, "InvalidLaunchTemplateId.NotFound", missing)
	fails(t, b.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: &id, LaunchTemplateData: small}, "InvalidLaunchTemplateId.NotFound", missing)
	in := launch("ami-0123456789abcdef0")
	in.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateId: &id}
	fails(t, b.RunInstances, in, "InvalidLaunchTemplateId.NotFound", missing)
	b.template(t, "mine", small)
}

// TestRunFromTemplate launches from a template: what the request says counts,
// the rest is the template's.
//
//origami:proves RunInstances GetLaunchTemplateData
func TestRunFromTemplate(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	img := a.register(t, a.Client, "base", a.snapshot(t, home, "root"))
	id := a.template(t, "web", &types.RequestLaunchTemplateData{
		ImageId: &img, InstanceType: "t3.small", DisableApiStop: p(true), DisableApiTermination: p(true),
		InstanceInitiatedShutdownBehavior: "terminate", UserData: p("aGVsbG8="),
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{
			{DeviceName: p("/dev/sda1"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: p(int32(3)), VolumeType: "gp3", DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: p(int32(2))}},
		},
		TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{{ResourceType: "instance", Tags: []types.Tag{tag("Name", "template"), tag("team", "a")}}},
	})
	do(t, a.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: &id, SourceVersion: p("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.large"},
	})
	out := do(t, a.RunInstances, &ec2.RunInstancesInput{
		MinCount: p(int32(1)), MaxCount: p(int32(1)), DisableApiTermination: p(false),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: p("web")},
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(4))}}, {DeviceName: p("/dev/sdf"), NoDevice: p("")},
		},
		TagSpecifications: []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{tag("Name", "request")}}},
	})
	m := reaches(t, a.Client, *out.Instances[0].InstanceId, "running")
	if m.InstanceType != "t3.small" || *m.ImageId != img || len(m.BlockDeviceMappings) != 1 {
		t.Errorf("got %s of %s with %d volumes, want t3.small of %s with one", m.InstanceType, *m.ImageId, len(m.BlockDeviceMappings), img)
	}
	for name, want := range map[string]string{
		"disableApiTermination": "disableApiTermination=false", "disableApiStop": "disableApiStop=true", "userData": "userData=aGVsbG8=",
		"instanceInitiatedShutdownBehavior": "instanceInitiatedShutdownBehavior=terminate", "blockDeviceMapping": "blockDeviceMapping=/dev/sda1:keep",
	} {
		if got := attribute(t, a, *m.InstanceId, name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	vol := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*m.BlockDeviceMappings[0].Ebs.VolumeId}}).Volumes[0]
	if *vol.Size != 4 || vol.VolumeType != "gp3" {
		t.Errorf("got a root of %d GiB of type %s, want 4 of gp3", *vol.Size, vol.VolumeType)
	}
	if got, want := tagsOf(t, a, *m.InstanceId), "Name=request aws:ec2launchtemplate:id="+id+" aws:ec2launchtemplate:version=1 team=a"; got != want {
		t.Errorf("got tags %s, want %s", got, want)
	}
	latest := do(t, a.RunInstances, &ec2.RunInstancesInput{
		MinCount: p(int32(1)), MaxCount: p(int32(1)), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &id, Version: p("$Latest")},
	})
	if latest.Instances[0].InstanceType != "t3.large" {
		t.Errorf("got type %s from the latest version, want t3.large", latest.Instances[0].InstanceType)
	}
	fails(t, a.RunInstances, &ec2.RunInstancesInput{MinCount: p(int32(1)), MaxCount: p(int32(1))},
		"MissingParameter", "The request must contain the parameter ImageId")

	// The instance's own parameters make a template that launches the like.
	got := do(t, a.GetLaunchTemplateData, &ec2.GetLaunchTemplateDataInput{InstanceId: m.InstanceId}).LaunchTemplateData
	if *got.ImageId != img || got.InstanceType != "t3.small" || *got.UserData != "aGVsbG8=" || !*got.DisableApiStop ||
		len(got.BlockDeviceMappings) != 1 || *got.BlockDeviceMappings[0].Ebs.VolumeSize != 4 ||
		len(got.TagSpecifications) != 1 || len(got.TagSpecifications[0].Tags) != 2 || *got.CreditSpecification.CpuCredits != "unlimited" {
		t.Errorf("got %+v, want the parameters of the instance", got)
	}
	fails(t, i.b.GetLaunchTemplateData, &ec2.GetLaunchTemplateDataInput{InstanceId: m.InstanceId},
		"InvalidInstanceID.NotFound", "The instance ID '"+*m.InstanceId+"' does not exist")
}
