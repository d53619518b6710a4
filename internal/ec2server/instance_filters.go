package ec2server

import (
	"strings"

	"origami"
)

// instanceProperties are the filters of DescribeInstances.
var instanceProperties = properties[instanceView]{
	"affinity":                                   func(v instanceView) []string { return nil },
	"architecture":                               func(v instanceView) []string { return one(v.Architecture) },
	"availability-zone":                          func(v instanceView) []string { return one(v.Zone) },
	"availability-zone-id":                       func(v instanceView) []string { return one(zoneID(v.Region, v.Zone)) },
	"block-device-mapping.attach-time":           ofVolumes(func(a origami.Attachment, _ *origami.Volume) []string { return timestamp(a.Attached) }),
	"block-device-mapping.delete-on-termination": ofVolumes(func(a origami.Attachment, _ *origami.Volume) []string { return boolean(a.DeleteOnTermination) }),
	"block-device-mapping.device-name":           ofVolumes(func(a origami.Attachment, _ *origami.Volume) []string { return one(a.Device) }),
	"block-device-mapping.status":                ofVolumes(func(a origami.Attachment, _ *origami.Volume) []string { return one(a.State) }),
	"block-device-mapping.volume-id":             ofVolumes(func(_ origami.Attachment, v *origami.Volume) []string { return one(v.ID) }),
	"boot-mode":                                  func(v instanceView) []string { return one(v.BootMode) },
	"client-token":                               func(v instanceView) []string { return one(v.ClientToken) },
	"current-instance-boot-mode":                 func(v instanceView) []string { return currentBootMode(v) },
	"dns-name":                                   func(v instanceView) []string { return one(v.publicDNS()) },
	"ebs-optimized":                              func(v instanceView) []string { return boolean(v.EBSOptimized) },
	"ena-support":                                func(v instanceView) []string { return boolean(v.ENASupport) },
	"group-id":                                   ofGroups(func(g *origami.SecurityGroup) string { return string(g.ID) }),
	"group-name":                                 ofGroups(func(g *origami.SecurityGroup) string { return g.Name }),
	"hypervisor":                                 func(v instanceView) []string { return one(v.Hypervisor) },
	"iam-instance-profile.arn":                   func(v instanceView) []string { return one(v.Profile) },
	"iam-instance-profile.id":                    func(v instanceView) []string { return one(v.ProfileID) },
	"iam-instance-profile.name":                  func(v instanceView) []string { return one(v.Profile[strings.LastIndexByte(v.Profile, '/')+1:]) },
	"image-id":                                   func(v instanceView) []string { return one(v.Image) },
	"instance-id":                                func(v instanceView) []string { return one(v.ID) },
	"instance-lifecycle":                         func(v instanceView) []string { return nil },
	"instance-state-code":                        func(v instanceView) []string { return number(v.State.Code()) },
	"instance-state-name":                        func(v instanceView) []string { return one(v.State) },
	"instance-type":                              func(v instanceView) []string { return one(v.Type) },
	"instance.group-id":                          ofGroups(func(g *origami.SecurityGroup) string { return string(g.ID) }),
	"instance.group-name":                        ofGroups(func(g *origami.SecurityGroup) string { return g.Name }),
	"ip-address":                                 func(v instanceView) []string { return one(addr(v.PublicIP)) },
	"kernel-id":                                  func(v instanceView) []string { return one(v.KernelID) },
	"key-name":                                   func(v instanceView) []string { return one(v.KeyName) },
	"launch-index":                               func(v instanceView) []string { return number(v.LaunchIndex) },
	"launch-time":                                func(v instanceView) []string { return timestamp(v.Launched) },
	"metadata-options.http-endpoint":             func(v instanceView) []string { return one(v.Metadata.Endpoint) },
	"metadata-options.http-put-response-hop-limit":   func(v instanceView) []string { return number(v.Metadata.HopLimit) },
	"metadata-options.http-tokens":                   func(v instanceView) []string { return one(v.Metadata.Tokens) },
	"metadata-options.instance-metadata-tags":        func(v instanceView) []string { return one(v.Metadata.InstanceTags) },
	"monitoring-state":                               func(v instanceView) []string { return one(monitoring(v.Monitoring)) },
	"network-interface.addresses.private-ip-address": func(v instanceView) []string { return one(addr(v.PrivateIP)) },
	"network-interface.mac-address":                  func(v instanceView) []string { return one(v.MAC) },
	"network-interface.network-interface-id":         func(v instanceView) []string { return one(v.NetworkInterface) },
	"network-interface.subnet-id":                    func(v instanceView) []string { return one(v.Subnet) },
	"network-interface.vpc-id":                       func(v instanceView) []string { return one(v.VPC) },
	"owner-id":                                       func(v instanceView) []string { return one(v.Owner) },
	"placement-group-name":                           func(v instanceView) []string { return nil },
	"platform":                                       func(v instanceView) []string { return one(v.Platform) },
	"platform-details":                               func(v instanceView) []string { return one(v.PlatformDetails) },
	"private-dns-name":                               func(v instanceView) []string { return one(v.privateDNS()) },
	"private-ip-address":                             func(v instanceView) []string { return one(addr(v.PrivateIP)) },
	"product-code":                                   func(v instanceView) []string { return nil },
	"product-code.type":                              func(v instanceView) []string { return nil },
	"ramdisk-id":                                     func(v instanceView) []string { return one(v.RamdiskID) },
	"reason":                                         func(v instanceView) []string { return one(v.TransitionReason) },
	"requester-id":                                   func(v instanceView) []string { return nil },
	"reservation-id":                                 func(v instanceView) []string { return one(v.Reservation) },
	"root-device-name":                               func(v instanceView) []string { return one(v.RootDeviceName) },
	"root-device-type":                               func(v instanceView) []string { return one(v.RootDeviceType) },
	"source-dest-check":                              func(v instanceView) []string { return boolean(true) },
	"state-reason-code":                              func(v instanceView) []string { return one(reasonOf(v.StateReason).Code) },
	"state-reason-message":                           func(v instanceView) []string { return one(reasonOf(v.StateReason).Message) },
	"subnet-id":                                      func(v instanceView) []string { return one(v.Subnet) },
	"tenancy":                                        func(v instanceView) []string { return one("default") },
	"tpm-support":                                    func(v instanceView) []string { return one(v.TPMSupport) },
	"usage-operation":                                func(v instanceView) []string { return one(v.UsageOperation) },
	"virtualization-type":                            func(v instanceView) []string { return one(v.VirtualizationType) },
	"vpc-id":                                         func(v instanceView) []string { return one(v.VPC) },
}

func ofVolumes(get func(origami.Attachment, *origami.Volume) []string) func(instanceView) []string {
	return func(v instanceView) []string {
		return each(v.volumes, func(vol *origami.Volume) []string { return get(attachedTo(vol, v.ID), vol) })
	}
}

func ofGroups(get func(*origami.SecurityGroup) string) func(instanceView) []string {
	return func(v instanceView) []string {
		return each(v.groups, func(g *origami.SecurityGroup) []string { return one(get(g)) })
	}
}

// currentBootMode is the firmware that a running instance was started with. What
// merely prefers UEFI is started without.
func currentBootMode(v instanceView) []string {
	switch {
	case v.State != origami.InstanceRunning:
		return nil
	case v.Architecture == origami.ARM64 || v.BootMode == origami.UEFI:
		return one(origami.UEFI)
	}
	return one(origami.LegacyBIOS)
}
