package ec2server_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
)

// user makes a user of the account with one policy, and a client for it.
func (a *account) user(t *testing.T, name, statements string) *account {
	t.Helper()
	ctx := t.Context()
	if _, err := a.i.iam.CreateIdentity(ctx, a.id, iam.IdentitySpec{Kind: origami.KindUser, Name: name}); err != nil {
		t.Fatal(err)
	}
	a.allow(t, name, statements)
	key, err := a.i.iam.CreateAccessKey(ctx, a.id, name)
	if err != nil {
		t.Fatal(err)
	}
	u := &account{i: a.i, id: a.id, key: key}
	u.Client = u.in(home)
	return u
}

// allow gives a user of the account its policy.
func (a *account) allow(t *testing.T, name, statements string) {
	t.Helper()
	err := a.i.iam.PutInline(t.Context(), a.id, origami.KindUser, name, "p", `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
	if err != nil {
		t.Fatal(err)
	}
}

// allowed reports whether a request of a user came past the policies.
func (a *account) allowed(t *testing.T, form url.Values) bool {
	t.Helper()
	_, answer := a.send(t, home, form)
	return !strings.Contains(answer, "<Code>UnauthorizedOperation</Code>")
}

// filled is text with values in place of {their names}.
func filled(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`[^$]\{[a-z]+\}`).ReplaceAllStringFunc(text, func(s string) string {
		v, ok := values[s[2:len(s)-1]]
		if !ok {
			t.Fatalf("nothing is called %s", s)
		}
		return s[:1] + v
	})
}

// TestPolicies goes through policies and requests that they allow or do not.
// Requests are dry runs where there are any, and their answers say the same.
//
//origami:proves S70
func TestPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "a")
	image := i.a.register(t, i.a.Client, "mine", snap)
	theirs := i.b.register(t, i.b.Client, "theirs", i.b.snapshot(t, home, "b"))
	_, err := i.b.ModifyImageAttribute(t.Context(), &ec2.ModifyImageAttributeInput{ImageId: &theirs,
		LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{Group: "all"}}}})
	if err != nil {
		t.Fatal(err)
	}
	tag := func(id, key, value string) {
		t.Helper()
		_, err := i.a.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: &key, Value: &value}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	tag(image, "env", "test")
	tag(snap, "env", "prod")
	// Another is called as the first is identified.
	keyID := do(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: aws.String("key")}).KeyPairId
	do(t, i.a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: keyID})
	tagged := do(t, i.a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("lt-12345678"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: &image}}).LaunchTemplate
	tag(*tagged.LaunchTemplateId, "env", "prod")
	template := do(t, i.a.CreateLaunchTemplate, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("template"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: &image, InstanceType: "t3.micro"}}).LaunchTemplate
	o, err := i.iam.CreateOrganization(t.Context(), i.a.id)
	if err != nil {
		t.Fatal(err)
	}
	unit, err := i.iam.CreateUnit(t.Context(), o.ID, "", "unit")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.iam.PutAccount(t.Context(), i.a.id, o.ID, unit.ID); err != nil {
		t.Fatal(err)
	}
	u := i.a.user(t, "alice", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	group := *defaultGroup(t, i.a).GroupId
	values := map[string]string{"key": *keyID, "subnet": *subnet(t, i.a.Client, "a").SubnetId, "group": group,
		"template": *template.LaunchTemplateId, "organization": string(o.ID), "unit": string(unit.ID), "image": image, "theirs": theirs, "snap": snap, "account": string(i.a.id), "other": string(i.b.id)}
	all := `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`
	on := func(action, resource, condition string) string {
		if condition != "" {
			condition = `,"Condition":{` + condition + `}`
		}
		return `{"Effect":"Allow","Action":"ec2:` + action + `","Resource":"` + resource + `"` + condition + `}`
	}
	launch := "Action=RunInstances&ImageId={image}&MinCount=1&MaxCount=1&InstanceType=t3.micro"
	launchBut := func(resource, condition string) string {
		parts := []string{on("RunInstances", resource, condition)}
		for _, kind := range []string{"image", "instance", "network-interface", "security-group", "subnet", "volume", "snapshot", "key-pair", "launch-template"} {
			if !strings.Contains(resource, ":"+kind+"/") {
				parts = append(parts, on("RunInstances", "arn:aws:ec2:*:*:"+kind+"/*", ""))
			}
		}
		return strings.Join(parts, ",")
	}
	const byTemplate = "Action=RunInstances&LaunchTemplate.LaunchTemplateId={template}&MinCount=1&MaxCount=1"
	const copied = "Action=CopyImage&Name=copy&SourceRegion=eu-west-1&SourceImageId={image}"
	volume := "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8"
	many := "" // changes; nobody could ask about all pairs of them
	for n := range 2000 {
		many += fmt.Sprintf("&CreateVolumePermission.Add.%d.UserId=%012d&CreateVolumePermission.Remove.%[1]d.UserId=%012[3]d", n+1, 100000000000+n, 200000000000+n)
	}
	tests := []struct {
		name, policy, request string
		want                  bool
	}{
		{"nothing allowed", on("DescribeVpcs", "*", ""), "Action=DescribeImages", false},
		{"allowed", on("DescribeImages", "*", ""), "Action=DescribeImages", true},
		{"all allowed", all, launch, true},
		{"denied after all", all + `,{"Effect":"Deny","Action":"ec2:Run*","Resource":"*"}`, launch, false},
		{"lists are whole", on("Describe*", "arn:aws:ec2:eu-west-1::image/{image}", ""), "Action=DescribeImages&ImageId.1={image}", false},
		{"lists have no resources", on("Describe*", "*", `"StringEquals":{"ec2:ResourceTag/env":"test"}`), "Action=DescribeImages&ImageId.1={image}", false},
		{"this region", on("DescribeImages", "*", `"StringEquals":{"ec2:Region":"eu-west-1","aws:RequestedRegion":"eu-west-1"}`), "Action=DescribeImages", true},
		{"another region", on("DescribeImages", "*", `"StringEquals":{"ec2:Region":"us-east-1"}`), "Action=DescribeImages", false},
		{"one image", on("DeregisterImage", "arn:aws:ec2:eu-west-1::image/{image}", ""), "Action=DeregisterImage&ImageId={image}", true},
		{"another image", on("DeregisterImage", "arn:aws:ec2:eu-west-1::image/ami-12345678", ""), "Action=DeregisterImage&ImageId={image}", false},
		{"tagged image", on("DeregisterImage", "*", `"StringEquals":{"aws:ResourceTag/env":"test"}`), "Action=DeregisterImage&ImageId={image}", true},
		{"tagged image, EC2's key", on("DeregisterImage", "*", `"StringEquals":{"ec2:ResourceTag/env":"prod"}`), "Action=DeregisterImage&ImageId={image}", false},
		{"no such image", on("DeregisterImage", "*", `"StringEquals":{"ec2:ResourceTag/env":"test"}`), "Action=DeregisterImage&ImageId=ami-12345678", false},
		{"with its snapshots", on("DeregisterImage", "*", ""), "Action=DeregisterImage&ImageId={image}&DeleteAssociatedSnapshots=true", false},
		{"with its snapshots, allowed", on("DeregisterImage", "*", "") + "," + on("DeleteSnapshot", "arn:aws:ec2:*::snapshot/{snap}", ""), "Action=DeregisterImage&ImageId={image}&DeleteAssociatedSnapshots=true", true},
		{"attribute", on("ModifyImageAttribute", "*", `"StringEquals":{"ec2:Attribute":"Description"}`), "Action=ModifyImageAttribute&ImageId={image}&Description.Value=x", true},
		{"other attribute", on("ModifyImageAttribute", "*", `"StringEquals":{"ec2:Attribute":"Description"}`), "Action=ModifyImageAttribute&ImageId={image}&LaunchPermission.Add.1.Group=all", false},
		{"attribute's value", on("ModifyImageAttribute", "*", `"StringLike":{"ec2:Attribute/Description":"y*"}`), "Action=ModifyImageAttribute&ImageId={image}&Description.Value=x", false},
		{"other attribute in the short form", all + `,{"Effect":"Deny","Action":"ec2:ModifyImageAttribute","Resource":"*","Condition":{"StringEquals":{"ec2:Attribute":"LaunchPermission"}}}`, "Action=ModifyImageAttribute&ImageId={image}&OperationType=add&UserGroup.1=all", false},
		{"an attribute of snapshots in the short form", all + `,{"Effect":"Deny","Action":"ec2:ModifySnapshotAttribute","Resource":"*","Condition":{"StringEquals":{"ec2:Attribute":"CreateVolumePermission"}}}`, "Action=ModifySnapshotAttribute&SnapshotId={snap}&OperationType=add&UserGroup.1=all", false},
		{"the groups of an instance", all + `,{"Effect":"Deny","Action":"ec2:ModifyInstanceAttribute","Resource":"*","Condition":{"StringEquals":{"ec2:Attribute":"GroupSet"}}}`, "Action=ModifyInstanceAttribute&InstanceId=i-12345678&GroupId.1={group}", false},
		{"share with one", on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Add/userId":"{other}"}`), "Action=ModifySnapshotAttribute&SnapshotId={snap}&CreateVolumePermission.Add.1.UserId={other}", true},
		{"share with one and another", on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Add/userId":"{other}"}`), "Action=ModifySnapshotAttribute&SnapshotId={snap}&CreateVolumePermission.Add.1.UserId={other}&CreateVolumePermission.Add.2.UserId=123456789012", false},
		{"share with one and all", on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Add/userId":"{other}"}`), "Action=ModifySnapshotAttribute&SnapshotId={snap}&CreateVolumePermission.Add.1.UserId={other}&CreateVolumePermission.Add.2.Group=all", false},
		{"share with one instead of another", on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Add/userId":"{other}"}`) + "," + on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Remove/userId":"123456789012"}`), "Action=ModifySnapshotAttribute&SnapshotId={snap}&CreateVolumePermission.Add.1.UserId={other}&CreateVolumePermission.Remove.1.UserId=123456789012", true},
		{"share with many instead of many", all, "Action=ModifySnapshotAttribute&SnapshotId={snap}" + many, true},
		{"share with all", on("ModifySnapshotAttribute", "*", `"StringEquals":{"ec2:Add/userId":"{other}"}`), "Action=ModifySnapshotAttribute&SnapshotId={snap}&CreateVolumePermission.Add.1.Group=all", false},
		{"share with all forbidden", all + `,{"Effect":"Deny","Action":"ec2:ModifySnapshotAttribute","Resource":"*","Condition":{"StringEquals":{"ec2:Add/group":"all"}}}`, "Action=ModifySnapshotAttribute&SnapshotId={snap}&OperationType=add&UserGroup.1=all&Attribute=createVolumePermission", false},

		{"launch", launchBut("arn:aws:ec2:*:*:instance/*", ""), launch, true},
		{"launch without one right", strings.Replace(launchBut("arn:aws:ec2:*:*:instance/*", ""), ":volume/", ":vol/", 1), launch, false},
		{"launch of a type", launchBut("arn:aws:ec2:*:{account}:instance/*", `"StringEquals":{"ec2:InstanceType":["t3.micro","t3.small"]}`), launch, true},
		{"launch of another type", launchBut("arn:aws:ec2:*:{account}:instance/*", `"StringEquals":{"ec2:InstanceType":["t3.nano"]}`), launch, false},
		{"launch of own images", launchBut("arn:aws:ec2:*::image/*", `"StringEquals":{"ec2:Owner":"{account}"}`), launch, true},
		{"launch of others' images", launchBut("arn:aws:ec2:*::image/*", `"StringEquals":{"ec2:Owner":"{account}"}`), strings.Replace(launch, "{image}", "{theirs}", 1), false},
		{"launch of public images", launchBut("arn:aws:ec2:*::image/*", `"Bool":{"ec2:Public":"true"}`), strings.Replace(launch, "{image}", "{theirs}", 1), true},
		{"launch of private images", launchBut("arn:aws:ec2:*::image/*", `"Bool":{"ec2:Public":"true"}`), launch, false},
		{"launch with IMDSv2", launchBut("arn:aws:ec2:*:*:instance/*", `"StringEquals":{"ec2:MetadataHttpTokens":"required"}`), launch + "&MetadataOptions.HttpTokens=required", true},
		{"launch without IMDSv2", launchBut("arn:aws:ec2:*:*:instance/*", `"StringEquals":{"ec2:MetadataHttpTokens":"required"}`), launch, false},
		{"launch with a key", launchBut("arn:aws:ec2:*:*:key-pair/key", ""), launch + "&KeyName=key", true},
		{"launch with another key", launchBut("arn:aws:ec2:*:*:key-pair/other", ""), launch + "&KeyName=key", false},
		{"launch in any group", launchBut("arn:aws:ec2:*:*:security-group/sg-12345678", ""), launch, false},
		{"launch with a large volume", launchBut("arn:aws:ec2:*:*:volume/*", `"NumericLessThanEquals":{"ec2:VolumeSize":"10"}`), launch + "&BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=5&BlockDeviceMapping.2.DeviceName=/dev/sdg&BlockDeviceMapping.2.Ebs.VolumeSize=50", false},
		{"launch with small volumes", launchBut("arn:aws:ec2:*:*:volume/*", `"NumericLessThanEquals":{"ec2:VolumeSize":"10"}`), launch + "&BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=5", true},
		{"launch with another root", launchBut("arn:aws:ec2:*:*:volume/*", `"NumericEquals":{"ec2:VolumeSize":"1"},"StringEquals":{"ec2:VolumeType":"gp3"},"ArnLike":{"ec2:ParentSnapshot":"arn:aws:ec2:*::snapshot/{snap}"}`), launch + "&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.VolumeType=gp3", true},
		{"launch without a large root", launchBut("arn:aws:ec2:*:*:volume/*", "") + `,{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"*","Condition":{"NumericGreaterThanEquals":{"ec2:VolumeSize":"1"}}}`, launch + "&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.VolumeType=gp3", false},
		{"launch in a zone", on("RunInstances", "*", `"StringEqualsIfExists":{"ec2:AvailabilityZone":"eu-west-1a"}`) + `,{"Effect":"Deny","Action":"ec2:RunInstances","Resource":["arn:aws:ec2:*:*:instance/*","arn:aws:ec2:*:*:volume/*"],"Condition":{"Null":{"ec2:AvailabilityZone":"true"}}}`, launch + "&SubnetId={subnet}", true},
		{"launch in another zone", on("RunInstances", "*", `"StringEqualsIfExists":{"ec2:AvailabilityZone":"eu-west-1b"}`), launch, false},
		{"launch with a mapping that cannot be", on("RunInstances", "arn:aws:ec2:*:*:vpc/*", ""), launch + "&BlockDeviceMapping.1.DeviceName=/dev/sda1", false},

		{"launch in the default subnet", launchBut("arn:aws:ec2:*:*:subnet/{subnet}", ""), launch, true},
		{"launch in another subnet", launchBut("arn:aws:ec2:*:*:subnet/subnet-12345678", ""), launch, false},
		{"launch in the default group", launchBut("arn:aws:ec2:*:*:security-group/{group}", ""), launch, true},
		{"launch in a named group", launchBut("arn:aws:ec2:*:*:security-group/{group}", ""), launch + "&SecurityGroup.1=default", true},
		{"interface in a subnet", launchBut("arn:aws:ec2:*:*:network-interface/*", `"ArnLike":{"ec2:Subnet":"arn:aws:ec2:*:*:subnet/{subnet}"},"StringEquals":{"ec2:AvailabilityZone":"eu-west-1a"}`), launch, true},
		{"interface with a public address", launchBut("arn:aws:ec2:*:*:network-interface/*", `"Bool":{"ec2:AssociatePublicIpAddress":"false"}`), launch + "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.AssociatePublicIpAddress=true", false},
		{"no template", on("RunInstances", "*", `"Bool":{"ec2:IsLaunchTemplateResource":"true"}`), launch, false},
		{"as the template says", on("RunInstances", "*", `"ArnLike":{"ec2:LaunchTemplate":"arn:aws:ec2:*:*:launch-template/{template}"},"Bool":{"ec2:IsLaunchTemplateResource":"true"}`), byTemplate, true},
		{"not as the template says", on("RunInstances", "*", `"Bool":{"ec2:IsLaunchTemplateResource":"true"}`), byTemplate + "&InstanceType=t3.nano", false},
		{"another image than the template's", launchBut("arn:aws:ec2:*::image/*", `"Bool":{"ec2:IsLaunchTemplateResource":"true"}`), byTemplate + "&ImageId={theirs}", false},
		{"another type than the template's", launchBut("arn:aws:ec2:*::image/*", `"Bool":{"ec2:IsLaunchTemplateResource":"true"}`), byTemplate + "&InstanceType=t3.nano", true},
		{"key of a name", on("DeleteKeyPair", "arn:aws:ec2:*:*:key-pair/key", ""), "Action=DeleteKeyPair&KeyName=key", true},
		{"key of an ID", on("DeleteKeyPair", "arn:aws:ec2:*:*:key-pair/key", ""), "Action=DeleteKeyPair&KeyPairId={key}", true},
		{"key of a name like an ID", on("DeleteKeyPair", "arn:aws:ec2:*:*:key-pair/key", ""), "Action=DeleteKeyPair&KeyName={key}", false},
		{"template of a name like an ID", on("DeleteLaunchTemplate", "*", "") + `,{"Effect":"Deny","Action":"ec2:DeleteLaunchTemplate","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"prod"}}}`, "Action=DeleteLaunchTemplate&LaunchTemplateName=lt-12345678", false},
		{"no template of a name", on("DeleteLaunchTemplate", "arn:aws:ec2:*:*:launch-template/none", ""), "Action=DeleteLaunchTemplate&LaunchTemplateName=none", true},

		{"copy", on("CopyImage", "*", ""), copied, true},
		{"copy of one image", on("CopyImage", "arn:aws:ec2:eu-west-1::image/{image}", "") + "," + on("CopyImage", "arn:aws:ec2:*::snapshot/*", `"Null":{"ec2:SnapshotID":"true"}`) + "," + on("CopyImage", "arn:aws:ec2:*::image/*", `"Null":{"ec2:ImageID":"true"}`), copied, true},
		{"copy of another image", on("CopyImage", "arn:aws:ec2:*::snapshot/*", "") + "," + on("CopyImage", "arn:aws:ec2:*::image/*", `"Null":{"ec2:ImageID":"true"}`), copied, false},
		{"copy of others' images", on("CopyImage", "*", `"StringEquals":{"aws:ResourceAccount":"{account}"}`), strings.Replace(copied, "{image}", "{theirs}", 1), false},
		{"copy of own images", on("CopyImage", "*", `"StringEquals":{"aws:ResourceAccount":"{account}"}`), copied, true},
		{"copy of a snapshot", on("CopySnapshot", "*", `"StringEqualsIfExists":{"aws:ResourceTag/env":"prod"}`), "Action=CopySnapshot&SourceRegion=eu-west-1&SourceSnapshotId={snap}", true},
		{"copy of another snapshot", on("CopySnapshot", "*", `"StringEqualsIfExists":{"aws:ResourceTag/env":"test"}`), "Action=CopySnapshot&SourceRegion=eu-west-1&SourceSnapshotId={snap}", false},
		{"short lock", on("LockSnapshot", "*", `"NumericLessThan":{"ec2:SnapshotLockDuration":"10"}`), "Action=LockSnapshot&LockMode=governance&LockDuration=5&SnapshotId={snap}", true},
		{"long lock", on("LockSnapshot", "*", `"NumericLessThan":{"ec2:SnapshotLockDuration":"10"}`), "Action=LockSnapshot&LockMode=governance&LockDuration=10&SnapshotId={snap}", false},
		{"group in the default network", on("CreateSecurityGroup", "arn:aws:ec2:*:*:security-group/*", "") + "," + on("CreateSecurityGroup", "arn:aws:ec2:*:*:vpc/vpc-12345678", ""), "Action=CreateSecurityGroup&GroupName=g&GroupDescription=d", false},
		{"own organization", on("DescribeImages", "*", `"StringEquals":{"aws:PrincipalOrgID":"{organization}"},"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"{organization}/r-*/{unit}/"}`), "Action=DescribeImages", true},
		{"another organization", on("DescribeImages", "*", `"StringEquals":{"aws:PrincipalOrgID":"o-0123456789"}`), "Action=DescribeImages", false},
		{"images of the organization", on("DeregisterImage", "*", `"StringEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}"}`), "Action=DeregisterImage&ImageId={image}", true},
		{"images from outside", on("RunInstances", "*", `"StringEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}"}`), strings.Replace(launch, "{image}", "{theirs}", 1), false},

		{"tags on creation", on("CreateVolume", "*", ""), volume + "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=env&TagSpecification.1.Tag.1.Value=test", false},
		{"tags on creation allowed", on("CreateVolume", "*", "") + "," + on("CreateTags", "arn:aws:ec2:*:*:volume/*", `"StringEquals":{"ec2:CreateAction":"CreateVolume"}`), volume + "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=env&TagSpecification.1.Tag.1.Value=test", true},
		{"tags only on creation", on("CreateTags", "*", `"StringEquals":{"ec2:CreateAction":"CreateVolume"}`), "Action=CreateTags&ResourceId.1={image}&Tag.1.Key=env&Tag.1.Value=test", false},
		{"must tag", on("CreateVolume", "*", `"StringEquals":{"aws:RequestTag/env":"test"}`), volume, false},
		{"must not tag more", on("CreateTags", "*", `"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}`), "Action=CreateTags&ResourceId.1={image}&Tag.1.Key=env&Tag.1.Value=test&Tag.2.Key=x&Tag.2.Value=", false},
		{"tag", on("CreateTags", "arn:aws:ec2:*::image/*", `"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}`), "Action=CreateTags&ResourceId.1={image}&Tag.1.Key=env&Tag.1.Value=test", true},
		{"tag two things", on("CreateTags", "arn:aws:ec2:*::image/*", ""), "Action=CreateTags&ResourceId.1={image}&ResourceId.2={snap}&Tag.1.Key=env&Tag.1.Value=test", false},

		{"volume size", on("CreateVolume", "*", `"NumericLessThan":{"ec2:VolumeSize":"9"}`), volume, true},
		{"volume too large", on("CreateVolume", "*", `"NumericLessThan":{"ec2:VolumeSize":"8"}`), volume, false},
		{"volume type", on("CreateVolume", "*", `"StringEquals":{"ec2:VolumeType":"gp3"}`), volume, false},
		{"unencrypted volume", on("CreateVolume", "*", `"Bool":{"ec2:Encrypted":"true"}`), volume, false},
		{"volume of a snapshot", on("CreateVolume", "arn:aws:ec2:*:{account}:volume/*", `"ArnLike":{"ec2:ParentSnapshot":"arn:aws:ec2:*::snapshot/{snap}"}`) + "," + on("CreateVolume", "arn:aws:ec2:*::snapshot/*", `"StringEquals":{"aws:ResourceTag/env":"prod"}`), volume + "&SnapshotId={snap}", true},
		{"volume of another snapshot", on("CreateVolume", "arn:aws:ec2:*:{account}:volume/*", "") + "," + on("CreateVolume", "arn:aws:ec2:*::snapshot/*", `"StringEquals":{"aws:ResourceTag/env":"test"}`), volume + "&SnapshotId={snap}", false},
		{"own network", on("DescribeImages", "*", `"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}`), "Action=DescribeImages", true},
		{"other network", on("DescribeImages", "*", `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), "Action=DescribeImages", false},
		{"encrypted connections", on("DescribeImages", "*", `"Bool":{"aws:SecureTransport":"true"}`), "Action=DescribeImages", false},
		{"by name", on("DescribeImages", "*", `"StringEquals":{"aws:username":"alice"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::{account}:user/*"}`), "Action=DescribeImages", true},
		{"by another name", on("DescribeImages", "*", `"StringEquals":{"aws:username":"bob"}`), "Action=DescribeImages", false},
		{"late", on("DescribeImages", "*", `"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}`), "Action=DescribeImages", false},
	}
	for _, tt := range tests {
		i.a.allow(t, "alice", filled(t, tt.policy, values))
		form, err := url.ParseQuery(filled(t, tt.request, values))
		if err != nil {
			t.Fatal(err)
		}
		form.Set("Version", ec2api.Version)
		form.Set("DryRun", "true")
		status, answer := u.send(t, home, form)
		want, code := 412, "<Code>DryRunOperation</Code>"
		if !tt.want {
			want, code = 403, "<Code>UnauthorizedOperation</Code>"
		}
		if status != want || !strings.Contains(answer, code) {
			t.Errorf("%s: got %d %s, want %s", tt.name, status, answer, code)
		}
		if _, answer := i.a.send(t, home, form); !strings.Contains(answer, "<Code>DryRunOperation</Code>") {
			t.Errorf("%s: the root got %s", tt.name, answer)
		}
	}
	// What the dry run says is what happens.
	i.a.allow(t, "alice", on("CreateVolume", "*", `"NumericLessThan":{"ec2:VolumeSize":"9"}`))
	for size, want := range map[string]bool{"8": true, "9": false} {
		form := url.Values{"Action": {"CreateVolume"}, "AvailabilityZone": {"eu-west-1a"}, "Size": {size}}
		if got := u.allowed(t, form); got != want {
			t.Errorf("volume of %s GiB: allowed %t, want %t", size, got, want)
		}
	}
}

// TestDenial checks what who is denied learns, and who can read the rest.
//
//origami:proves sts:DecodeAuthorizationMessage
func TestDenial(t *testing.T) {
	t.Parallel()
	i := open(t)
	u := i.a.user(t, "alice", `{"Sid":"Keep","Effect":"Deny","Action":"ec2:DeleteVolume","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":false}}}`)
	_, answer := u.send(t, home, url.Values{"Action": {"DeleteVolume"}, "VolumeId": {"vol-12345678"}})
	m := regexp.MustCompile(`<Message>(.*) Encoded authorization failure message: ([A-Za-z0-9_-]+)</Message>`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("got %s", answer)
	}
	arn := fmt.Sprintf("arn:aws:iam::%s:user/alice", i.a.id)
	resource := fmt.Sprintf("arn:aws:ec2:eu-west-1:%s:volume/vol-12345678", i.a.id)
	if want := "You are not authorized to perform this operation. User: " + arn + " is not authorized to perform: ec2:DeleteVolume on resource: " +
		resource + " with an explicit deny in an identity-based policy."; m[1] != want {
		t.Errorf("got  %s\nwant %s", m[1], want)
	}
	text, err := i.iam.Decode(t.Context(), i.a.id, m[2])
	for _, want := range []string{`"explicitDeny":true`, `"matchedStatements":{"items":[{"statementId":"Keep","effect":"DENY","principals":{"items":[{"value":"AIDA`,
		`"principalGroups":{"items":[]},"actions":{"items":[{"value":"ec2:DeleteVolume"}]},"resources":{"items":[{"value":"*"}]},` +
			`"conditions":{"items":[{"key":"aws:SecureTransport","values":{"items":[{"value":"false"}]}}]}}]}`, `"action":"ec2:DeleteVolume"`, `"resource":"` + resource + `"`, `"arn":"` + arn + `"`, `"name":"alice"`, `{"key":"ec2:Region","values":{"items":[{"value":"eu-west-1"}]}}`} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s, %v, want it with %s", text, err, want)
		}
	}
	// The keys are spelled as AWS does, those of the service first. What is too
	// long lacks the last.
	id := i.a.registered(t, "tagged")
	for _, tags := range []int{0, 50} {
		var list []types.Tag
		for n := range tags {
			list = append(list, tag(fmt.Sprintf("key %d", n), strings.Repeat("v", 256)))
		}
		if tags > 0 {
			do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
		}
		_, answer = u.send(t, home, form("DeregisterImage", "ImageId", id))
		sealed := regexp.MustCompile(`failure message: ([A-Za-z0-9_-]+)<`).FindStringSubmatch(answer)
		if sealed == nil {
			t.Fatalf("got %s", answer)
		}
		text, err := i.iam.Decode(t.Context(), i.a.id, sealed[1])
		if err != nil || !strings.Contains(text, `"ec2:ImageID"`) || tags == 0 && !strings.Contains(text, `"aws:username"`) {
			t.Errorf("with %d tags: got %s, %v", tags, text, err)
		}
		if odd := regexp.MustCompile(`"key":"(aws:[^u"][a-z]+|ec2:[a-z]+)"`).FindAllString(text, -1); odd != nil {
			t.Errorf("keys that are not spelled as AWS does: %s", odd)
		}
	}
	if text, err := i.iam.Decode(t.Context(), i.b.id, m[2]); err == nil {
		t.Errorf("another account reads %s", text)
	}
	if _, err := i.iam.Decode(t.Context(), i.a.id, "x"+m[2]); err == nil {
		t.Error("a forged message was opened")
	}
}

// A user whose key or policy is taken away loses it at once, in every region.
func TestRevocation(t *testing.T) {
	t.Parallel()
	i := open(t)
	u := i.a.user(t, "alice", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`)
	if _, err := u.in(abroad).DescribeImages(t.Context(), &ec2.DescribeImagesInput{}); err != nil {
		t.Fatal(err)
	}
	if err := i.iam.DeleteInline(t.Context(), i.a.id, origami.KindUser, "alice", "p"); err != nil {
		t.Fatal(err)
	}
	for _, region := range []origami.Region{home, abroad} {
		_, err := u.in(region).DescribeImages(t.Context(), &ec2.DescribeImagesInput{})
		if codeOf(t, err) != "UnauthorizedOperation" {
			t.Errorf("without a policy: got error %v", err)
		}
	}
	if err := i.iam.SetAccessKey(t.Context(), i.a.id, "alice", u.key.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := u.DescribeImages(t.Context(), &ec2.DescribeImagesInput{}); codeOf(t, err) != "AuthFailure" {
		t.Errorf("with a key that is off: got error %v", err)
	}
}
