package ec2server

import (
	"context"
	"encoding/base64"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// GetLaunchTemplateData tells with which parameters an instance like another
// would be launched.
func (s *Server) GetLaunchTemplateData(ctx context.Context, who origami.Caller, in *ec2api.GetLaunchTemplateDataInput) (*ec2api.GetLaunchTemplateDataOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	var v instanceView
	var tags origami.Tags
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		i, err := tx.Instance(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		all, err := tx.Tags(who.Region, who.Account, string(id))
		if err != nil {
			return err
		}
		tags = all[string(id)]
		v, err = viewInstance(tx, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.GetLaunchTemplateDataOutput{LaunchTemplateData: launchData(v, tags)}, nil
}

// launchData writes the parameters of a launch of the same.
func launchData(v instanceView, tags origami.Tags) *ec2api.ResponseLaunchTemplateData {
	d := &ec2api.ResponseLaunchTemplateData{
		DisableApiStop: ptr(v.DisableStop), DisableApiTermination: ptr(v.DisableTermination), EbsOptimized: ptr(v.EBSOptimized),
		EnclaveOptions:     &ec2api.LaunchTemplateEnclaveOptions{Enabled: ptr(false)},
		HibernationOptions: &ec2api.LaunchTemplateHibernationOptions{Configured: ptr(false)},
		ImageId:            text(v.Image), InstanceInitiatedShutdownBehavior: text(v.ShutdownBehavior), InstanceType: text(v.Type),
		KernelId: text(v.KernelID), KeyName: text(v.KeyName), RamDiskId: text(v.RamdiskID),
		MetadataOptions: &ec2api.LaunchTemplateInstanceMetadataOptions{
			HttpEndpoint: text(v.Metadata.Endpoint), HttpProtocolIpv6: text(v.Metadata.IPv6), HttpTokens: text(v.Metadata.Tokens),
			HttpPutResponseHopLimit: ptr(int32(v.Metadata.HopLimit)), InstanceMetadataTags: text(v.Metadata.InstanceTags),
		},
		Monitoring: &ec2api.LaunchTemplatesMonitoring{Enabled: ptr(v.Monitoring)},
		Placement:  &ec2api.LaunchTemplatePlacement{AvailabilityZone: text(v.Zone), GroupName: ptr(""), Tenancy: ptr("default")},
		NetworkInterfaces: []ec2api.LaunchTemplateInstanceNetworkInterfaceSpecification{{
			AssociatePublicIpAddress: ptr(v.PublicIP.IsValid()), DeleteOnTermination: ptr(true), DeviceIndex: ptr(int32(0)),
			Groups: words(v.SecurityGroups), SubnetId: text(v.Subnet),
		}},
	}
	if len(v.UserData) > 0 {
		d.UserData = ptr(base64.StdEncoding.EncodeToString(v.UserData))
	}
	if v.Profile != "" {
		d.IamInstanceProfile = &ec2api.LaunchTemplateIamInstanceProfileSpecification{Arn: text(v.Profile)}
	}
	if v.CPUCredits != "" {
		d.CreditSpecification = &ec2api.CreditSpecification{CpuCredits: text(v.CPUCredits)}
	}
	for _, vol := range v.volumes {
		a := attachedTo(vol, v.ID)
		e := &ec2api.LaunchTemplateEbsBlockDevice{
			DeleteOnTermination: ptr(a.DeleteOnTermination), Encrypted: ptr(vol.Encrypted), SnapshotId: text(vol.Snapshot),
			VolumeSize: ptr(int32(vol.Size)), VolumeType: text(vol.Type),
		}
		if vol.IOPS != 0 && vol.Type != origami.GP2 {
			e.Iops = ptr(int32(vol.IOPS))
		}
		if vol.Encrypted {
			e.KmsKeyId = text(vol.KMSKey)
		}
		if vol.Throughput != 0 {
			e.Throughput = ptr(int32(vol.Throughput))
		}
		d.BlockDeviceMappings = append(d.BlockDeviceMappings, ec2api.LaunchTemplateBlockDeviceMapping{DeviceName: text(a.Device), Ebs: e})
	}
	if list := userTags(tags); len(list) > 0 {
		d.TagSpecifications = []ec2api.LaunchTemplateTagSpecification{{ResourceType: ptr("instance"), Tags: list}}
	}
	return d
}

// userTags writes the tags that are not the service's own.
func userTags(tags origami.Tags) []ec2api.Tag {
	own := make(origami.Tags, len(tags))
	for k, v := range tags {
		if origami.ValidateTagKey(k) == nil {
			own[k] = v
		}
	}
	return wireTags(own)
}
