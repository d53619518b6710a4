package ec2server

// Parameters of block device mappings, by what a mapping is for.
const (
	imageDevices = `
		BlockDeviceMapping.N.DeviceName
		BlockDeviceMapping.N.NoDevice
		BlockDeviceMapping.N.VirtualName
		BlockDeviceMapping.N.Ebs.DeleteOnTermination
		BlockDeviceMapping.N.Ebs.Encrypted
		BlockDeviceMapping.N.Ebs.Iops
		BlockDeviceMapping.N.Ebs.SnapshotId
		BlockDeviceMapping.N.Ebs.Throughput
		BlockDeviceMapping.N.Ebs.VolumeSize
		BlockDeviceMapping.N.Ebs.VolumeType `

	// ipPermissions are rules of security groups; what they refer to may be
	// anything but prefix lists and groups of peered VPCs.
	ipPermissions = `
		IpPermissions.N.IpProtocol IpPermissions.N.FromPort IpPermissions.N.ToPort
		IpPermissions.N.IpRanges.N.CidrIp IpPermissions.N.IpRanges.N.Description
		IpPermissions.N.Ipv6Ranges.N.CidrIpv6 IpPermissions.N.Ipv6Ranges.N.Description
		IpPermissions.N.Groups.N.GroupId IpPermissions.N.Groups.N.GroupName IpPermissions.N.Groups.N.UserId
		IpPermissions.N.Groups.N.Description `
	// oldPermission is the old way to describe a rule.
	oldPermission = ` GroupName IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName SourceSecurityGroupOwnerId `

	filters           = ` Filter.* `
	tagSpecifications = ` TagSpecification.* `
)

// parameters lists what each operation acts upon, in the notation of
// awsquery.ParseSupport; DryRun, MaxResults and NextToken go without saying.
// Everything else that EC2 has is refused by name. After "=" stand the values
// of a parameter that change nothing here: those which mean the default, or
// all of them if this service has but one way to answer.
var parameters = map[string]string{
	"AllocateAddress":               `Domain=vpc PublicIpv4Pool=amazon` + tagSpecifications,
	"AssociateAddress":              `AllocationId PublicIp InstanceId NetworkInterfaceId AllowReassociation`,
	"AssociateIamInstanceProfile":   `IamInstanceProfile.Arn IamInstanceProfile.Name InstanceId`,
	"AttachVolume":                  `Device InstanceId VolumeId`,
	"AuthorizeSecurityGroupEgress":  `GroupId` + ipPermissions + tagSpecifications,
	"AuthorizeSecurityGroupIngress": `GroupId` + oldPermission + ipPermissions + tagSpecifications,
	"CancelImageLaunchPermission":   `ImageId`,
	"CopyImage": `ClientToken CopyImageTags Description Encrypted KmsKeyId Name SourceImageId SourceRegion
		SnapshotCopyCompletionDurationMinutes` + tagSpecifications,
	"CopySnapshot": `CompletionDurationMinutes Description DestinationRegion Encrypted KmsKeyId PresignedUrl
		SourceRegion SourceSnapshotId` + tagSpecifications,
	"CopyVolumes": `ClientToken Encrypted Iops KmsKeyId MultiAttachEnabled=false Size SourceVolumeId Throughput VolumeType` +
		tagSpecifications,
	"CreateDefaultVpc":            ``,
	"CreateImage":                 `InstanceId Name Description NoReboot SnapshotLocation=regional` + imageDevices + tagSpecifications,
	"CreateImageUsageReport":      `ImageId ResourceType.* AccountId.N ClientToken` + tagSpecifications,
	"CreateKeyPair":               `KeyName KeyType KeyFormat=pem` + tagSpecifications,
	"CreateLaunchTemplate":        `ClientToken LaunchTemplateName VersionDescription` + templateParameters + tagSpecifications,
	"CreateLaunchTemplateVersion": `ClientToken LaunchTemplateId LaunchTemplateName SourceVersion VersionDescription` + templateParameters,
	"CreateReplaceRootVolumeTask": `InstanceId SnapshotId ImageId DeleteReplacedRootVolume ClientToken` + tagSpecifications,
	"CreateSecurityGroup":         `GroupName GroupDescription VpcId` + tagSpecifications,
	"CreateSnapshot":              `VolumeId Description Location=regional` + tagSpecifications,
	"CreateSnapshots": `Description InstanceSpecification.InstanceId InstanceSpecification.ExcludeBootVolume
		InstanceSpecification.ExcludeDataVolumeId.N CopyTagsFromSource Location=regional` + tagSpecifications,
	"CreateSubnet": `VpcId CidrBlock AvailabilityZone AvailabilityZoneId Ipv6Native=false` + tagSpecifications,
	"CreateTags":   `ResourceId.N Tag.*`,
	"CreateVolume": `AvailabilityZone AvailabilityZoneId ClientToken Encrypted KmsKeyId Iops MultiAttachEnabled=false
		Size SnapshotId Throughput VolumeType` + tagSpecifications,
	"CreateVpc":                              `CidrBlock InstanceTenancy=default AmazonProvidedIpv6CidrBlock=false` + tagSpecifications,
	"DeleteImageUsageReport":                 `ReportId`,
	"DeleteKeyPair":                          `KeyName KeyPairId`,
	"DeleteLaunchTemplate":                   `LaunchTemplateId LaunchTemplateName`,
	"DeleteLaunchTemplateVersions":           `LaunchTemplateId LaunchTemplateName LaunchTemplateVersion.N`,
	"DeleteSecurityGroup":                    `GroupId GroupName`,
	"DeleteSnapshot":                         `SnapshotId`,
	"DeleteSubnet":                           `SubnetId`,
	"DeleteTags":                             `ResourceId.N Tag.*`,
	"DeleteVolume":                           `VolumeId`,
	"DeleteVpc":                              `VpcId`,
	"DeregisterImage":                        `ImageId DeleteAssociatedSnapshots`,
	"DescribeAccountAttributes":              `AttributeName.N`,
	"DescribeAddresses":                      `AllocationId.N PublicIp.N` + filters,
	"DescribeAvailabilityZones":              `ZoneName.N ZoneId.N AllAvailabilityZones=true|false` + filters,
	"DescribeFastLaunchImages":               `ImageId.N` + filters,
	"DescribeFastSnapshotRestores":           filters,
	"DescribeIamInstanceProfileAssociations": `AssociationId.N` + filters,
	"DescribeImageAttribute":                 `ImageId Attribute`,
	"DescribeImageReferences":                `ImageId.N IncludeAllResourceTypes ResourceType.*`,
	"DescribeImageUsageReportEntries":        `ImageId.N ReportId.N` + filters,
	"DescribeImageUsageReports":              `ImageId.N ReportId.N` + filters,
	"DescribeImages":                         `ImageId.N Owner.N ExecutableBy.N IncludeDeprecated IncludeDisabled` + filters,
	"DescribeInstanceAttribute":              `InstanceId Attribute`,
	"DescribeInstanceCreditSpecifications":   `InstanceId.N` + filters,
	"DescribeInstanceImageMetadata":          `InstanceId.N` + filters,
	"DescribeInstanceStatus":                 `InstanceId.N IncludeAllInstances IncludeManagedResources=true|false` + filters,
	"DescribeInstanceTypeOfferings":          `LocationType` + filters,
	"DescribeInstanceTypes":                  `InstanceType.N IncludeUnsupportedInRegion=true|false` + filters,
	"DescribeInstances":                      `InstanceId.N` + filters,
	"DescribeKeyPairs":                       `KeyName.N KeyPairId.N IncludePublicKey` + filters,
	"DescribeLaunchTemplateVersions":         `LaunchTemplateId LaunchTemplateName LaunchTemplateVersion.N MinVersion MaxVersion ResolveAlias=true|false IncludeManagedResources=true|false` + filters,
	"DescribeLaunchTemplates":                `LaunchTemplateId.N LaunchTemplateName.N IncludeManagedResources=true|false` + filters,
	"DescribeLockedSnapshots":                `SnapshotId.N` + filters,
	"DescribeNetworkInterfaces":              `NetworkInterfaceId.N` + filters,
	"DescribeRegions":                        `RegionName.N AllRegions=true|false` + filters,
	"DescribeReplaceRootVolumeTasks":         `ReplaceRootVolumeTaskId.N` + filters,
	"DescribeSecurityGroupRules":             `SecurityGroupRuleId.N` + filters,
	"DescribeSecurityGroups":                 `GroupId.N GroupName.N` + filters,
	"DescribeSnapshotAttribute":              `SnapshotId Attribute`,
	"DescribeSnapshotTierStatus":             filters,
	"DescribeSnapshots":                      `SnapshotId.N Owner.N RestorableBy.N` + filters,
	"DescribeSubnets":                        `SubnetId.N` + filters,
	"DescribeTags":                           filters,
	"DescribeVolumeAttribute":                `VolumeId Attribute`,
	"DescribeVolumeStatus":                   `VolumeId.N` + filters,
	"DescribeVolumes":                        `VolumeId.N` + filters,
	"DescribeVolumesModifications":           `VolumeId.N` + filters,
	"DescribeVpcAttribute":                   `VpcId Attribute`,
	"DescribeVpcs":                           `VpcId.N` + filters,
	"DetachVolume":                           `Device Force InstanceId VolumeId`,
	"DisableAllowedImagesSettings":           ``,
	"DisableEbsEncryptionByDefault":          ``,
	"DisableFastLaunch":                      `ImageId Force`,
	"DisableFastSnapshotRestores":            `SourceSnapshotId.N AvailabilityZone.N AvailabilityZoneId.N`,
	"DisableImage":                           `ImageId`,
	"DisableImageBlockPublicAccess":          ``,
	"DisableImageDeprecation":                `ImageId`,
	"DisableImageDeregistrationProtection":   `ImageId`,
	"DisableSnapshotBlockPublicAccess":       ``,
	"DisassociateAddress":                    `AssociationId PublicIp`,
	"DisassociateIamInstanceProfile":         `AssociationId`,
	"EnableAllowedImagesSettings":            `AllowedImagesSettingsState`,
	"EnableEbsEncryptionByDefault":           ``,
	"EnableFastLaunch":                       `ImageId ResourceType MaxParallelLaunches SnapshotConfiguration.TargetResourceCount LaunchTemplate.*`,
	"EnableFastSnapshotRestores":             `SourceSnapshotId.N AvailabilityZone.N AvailabilityZoneId.N`,
	"EnableImage":                            `ImageId`,
	"EnableImageBlockPublicAccess":           `ImageBlockPublicAccessState`,
	"EnableImageDeprecation":                 `ImageId DeprecateAt`,
	"EnableImageDeregistrationProtection":    `ImageId WithCooldown`,
	"EnableSnapshotBlockPublicAccess":        `State`,
	"EnableVolumeIO":                         `VolumeId`,
	"GetAllowedImagesSettings":               ``,
	"GetConsoleOutput":                       `InstanceId Latest=true|false`,
	"GetConsoleScreenshot":                   `InstanceId WakeUp`,
	"GetEbsDefaultKmsKeyId":                  ``,
	"GetEbsEncryptionByDefault":              ``,
	"GetImageAncestry":                       `ImageId`,
	"GetImageBlockPublicAccessState":         ``,
	"GetLaunchTemplateData":                  `InstanceId`,
	"GetPasswordData":                        `InstanceId`,
	"GetSnapshotBlockPublicAccessState":      ``,
	"ImportKeyPair":                          `KeyName PublicKeyMaterial` + tagSpecifications,
	"ListImagesInRecycleBin":                 `ImageId.N`,
	"ListSnapshotsInRecycleBin":              `SnapshotId.N`,
	"ListVolumesInRecycleBin":                `VolumeId.N`,
	"LockSnapshot":                           `SnapshotId LockMode LockDuration ExpirationDate CoolOffPeriod`,
	"ModifyEbsDefaultKmsKeyId":               `KmsKeyId`,
	"ModifyImageAttribute": `ImageId Attribute Value OperationType UserId.N UserGroup.N OrganizationArn.N OrganizationalUnitArn.N
		Description.Value ImdsSupport.Value ProductCode.N LaunchPermission.*`,
	"ModifyInstanceAttribute": `InstanceId Attribute Value InstanceType.Value UserData.Value
		DisableApiTermination.Value DisableApiStop.Value InstanceInitiatedShutdownBehavior.Value
		EbsOptimized.Value SriovNetSupport.Value EnaSupport.Value SourceDestCheck.Value=true GroupId.N
		BlockDeviceMapping.N.DeviceName BlockDeviceMapping.N.Ebs.DeleteOnTermination BlockDeviceMapping.N.Ebs.VolumeId`,
	"ModifyInstanceCreditSpecification": `ClientToken InstanceCreditSpecification.N.InstanceId InstanceCreditSpecification.N.CpuCredits`,
	"ModifyInstanceMetadataOptions":     `InstanceId HttpEndpoint HttpTokens HttpPutResponseHopLimit InstanceMetadataTags HttpProtocolIpv6=disabled`,
	"ModifyLaunchTemplate":              `ClientToken LaunchTemplateId LaunchTemplateName SetDefaultVersion`,
	"ModifySecurityGroupRules": `GroupId SecurityGroupRule.N.SecurityGroupRuleId
		SecurityGroupRule.N.SecurityGroupRule.CidrIpv4 SecurityGroupRule.N.SecurityGroupRule.CidrIpv6
		SecurityGroupRule.N.SecurityGroupRule.Description SecurityGroupRule.N.SecurityGroupRule.FromPort
		SecurityGroupRule.N.SecurityGroupRule.IpProtocol SecurityGroupRule.N.SecurityGroupRule.ReferencedGroupId
		SecurityGroupRule.N.SecurityGroupRule.ToPort`,
	"ModifySnapshotAttribute": `SnapshotId Attribute=createVolumePermission OperationType UserId.N UserGroup.N
		CreateVolumePermission.Add.N.UserId CreateVolumePermission.Add.N.Group
		CreateVolumePermission.Remove.N.UserId CreateVolumePermission.Remove.N.Group`,
	"ModifySnapshotTier":    `SnapshotId StorageTier`,
	"ModifySubnetAttribute": `SubnetId MapPublicIpOnLaunch.Value AssignIpv6AddressOnCreation.Value=false EnableDns64.Value=false`,
	"ModifyVolume":          `VolumeId Size VolumeType Iops Throughput MultiAttachEnabled=false`,
	"ModifyVolumeAttribute": `VolumeId AutoEnableIO.Value`,
	"ModifyVpcAttribute":    `VpcId EnableDnsHostnames.Value EnableDnsSupport.Value=true EnableNetworkAddressUsageMetrics.Value=false`,
	"MonitorInstances":      `InstanceId.N`,
	"RebootInstances":       `InstanceId.N`,
	"RegisterImage": `Name Description Architecture VirtualizationType RootDeviceName KernelId RamdiskId
		EnaSupport SriovNetSupport BootMode TpmSupport UefiData ImdsSupport` + imageDevices + tagSpecifications,
	"ReleaseAddress":                              `AllocationId PublicIp`,
	"ReplaceIamInstanceProfileAssociation":        `IamInstanceProfile.Arn IamInstanceProfile.Name AssociationId`,
	"ReplaceImageCriteriaInAllowedImagesSettings": `ImageCriterion.*`,
	"ResetEbsDefaultKmsKeyId":                     ``,
	"ResetImageAttribute":                         `ImageId Attribute=launchPermission`,
	"ResetInstanceAttribute":                      `InstanceId Attribute`,
	"ResetSnapshotAttribute":                      `SnapshotId Attribute=createVolumePermission`,
	"RestoreImageFromRecycleBin":                  `ImageId`,
	"RestoreSnapshotFromRecycleBin":               `SnapshotId`,
	"RestoreSnapshotTier":                         `SnapshotId TemporaryRestoreDays PermanentRestore`,
	"RestoreVolumeFromRecycleBin":                 `VolumeId`,
	"RevokeSecurityGroupEgress":                   `GroupId SecurityGroupRuleId.N` + ipPermissions,
	"RevokeSecurityGroupIngress":                  `GroupId SecurityGroupRuleId.N` + oldPermission + ipPermissions,
	"RunInstances": `LaunchTemplate.LaunchTemplateId LaunchTemplate.LaunchTemplateName LaunchTemplate.Version ImageId InstanceType MinCount MaxCount KeyName UserData ClientToken
		SubnetId PrivateIpAddress SecurityGroupId.N SecurityGroup.N
		InstanceInitiatedShutdownBehavior DisableApiTermination DisableApiStop EbsOptimized Monitoring.Enabled
		Placement.AvailabilityZone Placement.Tenancy=default
		MetadataOptions.HttpEndpoint MetadataOptions.HttpTokens MetadataOptions.HttpPutResponseHopLimit
		MetadataOptions.InstanceMetadataTags MetadataOptions.HttpProtocolIpv6=disabled
		NetworkInterface.N.DeviceIndex=0 NetworkInterface.N.SubnetId NetworkInterface.N.SecurityGroupId.N
		NetworkInterface.N.PrivateIpAddress NetworkInterface.N.AssociatePublicIpAddress NetworkInterface.N.DeleteOnTermination=true
		CapacityReservationSpecification.CapacityReservationPreference=open|none
		CreditSpecification.CpuCredits IamInstanceProfile.Arn IamInstanceProfile.Name
		EnclaveOptions.Enabled=false HibernationOptions.Configured=false
		BlockDeviceMapping.N.Ebs.KmsKeyId` + imageDevices + tagSpecifications,
	"StartInstances":                             `InstanceId.N`,
	"StopInstances":                              `InstanceId.N Force SkipOsShutdown Hibernate=false`,
	"TerminateInstances":                         `InstanceId.N Force SkipOsShutdown`,
	"UnlockSnapshot":                             `SnapshotId`,
	"UnmonitorInstances":                         `InstanceId.N`,
	"UpdateSecurityGroupRuleDescriptionsEgress":  `GroupId GroupName SecurityGroupRuleDescription.N.SecurityGroupRuleId SecurityGroupRuleDescription.N.Description` + ipPermissions,
	"UpdateSecurityGroupRuleDescriptionsIngress": `GroupId GroupName SecurityGroupRuleDescription.N.SecurityGroupRuleId SecurityGroupRuleDescription.N.Description` + ipPermissions,
}
