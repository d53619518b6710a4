package policy

import "strings"

// Spelled is a condition key as AWS writes it. Requests have the keys in lower
// case, and comparing them knows no case; people read this. What is behind a
// slash, as the key of a tag, stays as it is, and so does a key that is not known.
func Spelled(key string) string {
	name, rest, slash := strings.Cut(key, "/")
	known, ok := spellings[name]
	if !ok {
		return key
	}
	if slash {
		return known + "/" + rest
	}
	return known
}

// spellings are the names of keys by lower case.
var spellings = func() map[string]string {
	out := make(map[string]string)
	for _, name := range strings.Fields(names) {
		out[strings.ToLower(name)] = name
	}
	return out
}()

// names are the keys that requests of EC2 can have, and those of every request.
const names = `
aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CurrentTime aws:EC2InstanceSourcePrivateIPv4
aws:EC2InstanceSourceVPC aws:EpochTime aws:MultiFactorAuthPresent aws:PrincipalAccount aws:PrincipalArn
aws:PrincipalIsAWSService aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalServiceName aws:PrincipalTag
aws:PrincipalType aws:RequestTag aws:RequestedRegion aws:ResourceAccount aws:ResourceOrgID aws:ResourceOrgPaths
aws:ResourceTag aws:SecureTransport aws:SourceAccount aws:SourceArn aws:SourceIp aws:TagKeys
aws:TokenIssueTime aws:UserAgent aws:ViaAWSService aws:userid aws:username
ec2:Add ec2:AllocationId ec2:AssociatePublicIpAddress ec2:Attribute ec2:AuthenticationType ec2:AvailabilityZone
ec2:AvailabilityZoneId ec2:CreateAction ec2:Domain ec2:EbsOptimized ec2:Encrypted ec2:ImageID ec2:ImageType
ec2:InstanceBandwidthWeighting ec2:InstanceAutoRecovery ec2:InstanceID ec2:InstanceMarketType
ec2:InstanceMetadataTags ec2:InstanceProfile ec2:InstanceType ec2:IsLaunchTemplateResource ec2:KeyPairID
ec2:KeyPairName ec2:KeyPairType ec2:KmsKeyId ec2:LaunchTemplate ec2:MetadataHttpEndpoint
ec2:MetadataHttpPutResponseHopLimit ec2:MetadataHttpTokens ec2:NetworkInterfaceID ec2:NewInstanceProfile
ec2:Owner ec2:ParentSnapshot ec2:ParentVolume ec2:PlacementGroup ec2:ProductCode ec2:Public ec2:PublicIpAddress
ec2:Region ec2:Remove ec2:ResourceTag ec2:RoleDelivery ec2:RootDeviceType ec2:SecurityGroupID
ec2:SecurityGroupRuleId ec2:SnapshotCoolOffPeriod ec2:SnapshotID ec2:SnapshotLockDuration ec2:SnapshotTime
ec2:SourceInstanceARN ec2:Subnet ec2:SubnetID ec2:Tenancy ec2:VolumeID ec2:VolumeInitializationRate ec2:VolumeIops
ec2:VolumeSize ec2:VolumeThroughput ec2:VolumeType ec2:Vpc ec2:VpcID ec2:VpcOwnerAccount
`
