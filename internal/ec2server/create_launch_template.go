package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// templateParameters are the parameters of launches that templates can have.
const templateParameters = `
		LaunchTemplateData.ImageId LaunchTemplateData.InstanceType LaunchTemplateData.KeyName LaunchTemplateData.UserData
		LaunchTemplateData.SecurityGroupId.N LaunchTemplateData.SecurityGroup.N
		LaunchTemplateData.InstanceInitiatedShutdownBehavior LaunchTemplateData.DisableApiTermination LaunchTemplateData.DisableApiStop
		LaunchTemplateData.EbsOptimized LaunchTemplateData.Monitoring.Enabled
		LaunchTemplateData.IamInstanceProfile.Arn LaunchTemplateData.IamInstanceProfile.Name
		LaunchTemplateData.Placement.AvailabilityZone LaunchTemplateData.Placement.Tenancy=default
		LaunchTemplateData.MetadataOptions.HttpEndpoint LaunchTemplateData.MetadataOptions.HttpTokens
		LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit LaunchTemplateData.MetadataOptions.InstanceMetadataTags
		LaunchTemplateData.MetadataOptions.HttpProtocolIpv6=disabled
		LaunchTemplateData.NetworkInterface.N.DeviceIndex=0 LaunchTemplateData.NetworkInterface.N.SubnetId
		LaunchTemplateData.NetworkInterface.N.SecurityGroupId.N LaunchTemplateData.NetworkInterface.N.PrivateIpAddress
		LaunchTemplateData.NetworkInterface.N.AssociatePublicIpAddress LaunchTemplateData.NetworkInterface.N.DeleteOnTermination=true
		LaunchTemplateData.CapacityReservationSpecification.CapacityReservationPreference=open|none
		LaunchTemplateData.CreditSpecification.CpuCredits
		LaunchTemplateData.EnclaveOptions.Enabled=false LaunchTemplateData.HibernationOptions.Configured=false
		LaunchTemplateData.BlockDeviceMapping.N.DeviceName LaunchTemplateData.BlockDeviceMapping.N.NoDevice
		LaunchTemplateData.BlockDeviceMapping.N.VirtualName
		LaunchTemplateData.BlockDeviceMapping.N.Ebs.DeleteOnTermination LaunchTemplateData.BlockDeviceMapping.N.Ebs.Encrypted
		LaunchTemplateData.BlockDeviceMapping.N.Ebs.KmsKeyId
		LaunchTemplateData.BlockDeviceMapping.N.Ebs.Iops LaunchTemplateData.BlockDeviceMapping.N.Ebs.SnapshotId
		LaunchTemplateData.BlockDeviceMapping.N.Ebs.Throughput LaunchTemplateData.BlockDeviceMapping.N.Ebs.VolumeSize
		LaunchTemplateData.BlockDeviceMapping.N.Ebs.VolumeType
		LaunchTemplateData.TagSpecification.* `

// CreateLaunchTemplate makes a launch template with its first version. What
// the parameters refer to, such as the image, is looked up at launch.
func (s *Server) CreateLaunchTemplate(ctx context.Context, who origami.Caller, in *ec2api.CreateLaunchTemplateInput) (*ec2api.CreateLaunchTemplateOutput, error) {
	data, err := templateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	if err := checkTemplateData(in.LaunchTemplateData); err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "launch-template")
	if err != nil {
		return nil, err
	}
	t, err := s.instances.CreateTemplate(ctx, who, deref(in.LaunchTemplateName), instance.TemplateVersion{
		Description: deref(in.VersionDescription), Data: data, Token: deref(in.ClientToken), Fingerprint: fingerprint(in),
	}, tags["launch-template"])
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateLaunchTemplateOutput{LaunchTemplate: wireTemplate(t, tags["launch-template"])}, nil
}

// CreateLaunchTemplateVersion adds a version to a launch template.
func (s *Server) CreateLaunchTemplateVersion(ctx context.Context, who origami.Caller, in *ec2api.CreateLaunchTemplateVersionInput) (*ec2api.CreateLaunchTemplateVersionOutput, error) {
	data, err := templateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	if err := checkTemplateData(in.LaunchTemplateData); err != nil {
		return nil, err
	}
	ref := instance.TemplateRef{ID: deref(in.LaunchTemplateId), Name: deref(in.LaunchTemplateName)}
	t, v, err := s.instances.CreateTemplateVersion(ctx, who, ref, deref(in.SourceVersion), instance.TemplateVersion{
		Description: deref(in.VersionDescription), Data: data, Token: deref(in.ClientToken), Fingerprint: fingerprint(in),
	})
	if err != nil {
		return nil, err
	}
	out, err := wireTemplateVersion(t, v)
	return &ec2api.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: out}, err
}
