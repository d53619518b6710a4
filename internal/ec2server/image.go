package ec2server

import (
	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
)

// imageView is an image as the caller sees it.
type imageView struct {
	*origami.Image
	view *ami.View
}

// imageProperties are the filters of DescribeImages.
var imageProperties = properties[imageView]{
	"architecture": func(i imageView) []string { return one(i.Architecture) },
	"block-device-mapping.delete-on-termination": ofDevices(func(e *origami.EBSBlockDevice) []string { return boolean(deref(e.DeleteOnTermination)) }),
	"block-device-mapping.device-name": func(i imageView) []string {
		return each(i.BlockDevices, func(d origami.BlockDevice) []string { return one(d.DeviceName) })
	},
	"block-device-mapping.encrypted":   ofDevices(func(e *origami.EBSBlockDevice) []string { return boolean(deref(e.Encrypted)) }),
	"block-device-mapping.snapshot-id": ofDevices(func(e *origami.EBSBlockDevice) []string { return one(e.Snapshot) }),
	"block-device-mapping.volume-size": ofDevices(func(e *origami.EBSBlockDevice) []string { return number(e.VolumeSize) }),
	"block-device-mapping.volume-type": ofDevices(func(e *origami.EBSBlockDevice) []string { return one(e.VolumeType) }),
	"creation-date":                    func(i imageView) []string { return timestamp(i.Created) },
	"description":                      func(i imageView) []string { return one(i.Description) },
	"ena-support":                      func(i imageView) []string { return boolean(i.ENASupport) },
	"free-tier-eligible":               func(i imageView) []string { return boolean(false) },
	"hypervisor":                       func(i imageView) []string { return one(i.Hypervisor) },
	"image-allowed": func(i imageView) []string {
		if allowed := i.view.ImageAllowed(i.Image); allowed != nil {
			return boolean(*allowed)
		}
		return nil
	},
	"image-id":          func(i imageView) []string { return one(i.ID) },
	"image-type":        func(i imageView) []string { return one(i.ImageType) },
	"is-public":         func(i imageView) []string { return boolean(i.Public) },
	"kernel-id":         func(i imageView) []string { return one(i.KernelID) },
	"manifest-location": func(i imageView) []string { return one(i.Location) },
	"name":              func(i imageView) []string { return one(i.Name) },
	"owner-alias":       func(i imageView) []string { return one(i.view.Alias(i.Image)) },
	"owner-id":          func(i imageView) []string { return one(i.Owner) },
	"platform":          func(i imageView) []string { return one(i.Platform) },
	"product-code": func(i imageView) []string {
		return each(i.ProductCodes, func(p origami.ProductCode) []string { return one(p.Code) })
	},
	"product-code.type": func(i imageView) []string {
		return each(i.ProductCodes, func(p origami.ProductCode) []string { return one(p.Type) })
	},
	"ramdisk-id":          func(i imageView) []string { return one(i.RamdiskID) },
	"root-device-name":    func(i imageView) []string { return one(i.RootDeviceName) },
	"root-device-type":    func(i imageView) []string { return one(i.RootDeviceType) },
	"source-image-id":     func(i imageView) []string { return one(i.SourceImage) },
	"source-image-region": func(i imageView) []string { return one(i.SourceImageRegion) },
	"source-instance-id":  func(i imageView) []string { return one(i.SourceInstance) },
	"sriov-net-support":   func(i imageView) []string { return one(i.SriovNetSupport) },
	"state":               func(i imageView) []string { return one(i.State) },
	"state-reason-code": func(i imageView) []string {
		return one(reasonOf(i.StateReason).Code)
	},
	"state-reason-message": func(i imageView) []string {
		return one(reasonOf(i.StateReason).Message)
	},
	"virtualization-type": func(i imageView) []string { return one(i.VirtualizationType) },
}

// ofDevices collects a property of the EBS entries of an image's mapping.
func ofDevices(get func(*origami.EBSBlockDevice) []string) func(imageView) []string {
	return func(i imageView) []string {
		return each(i.BlockDevices, func(d origami.BlockDevice) []string {
			if d.EBS == nil {
				return nil
			}
			return get(d.EBS)
		})
	}
}

// reasonOf returns the reason, empty if there is none.
func reasonOf(r *origami.StateReason) origami.StateReason { return deref(r) }

// wireImage writes an image as the caller sees it.
func wireImage(i imageView, tags origami.Tags) ec2api.Image {
	out := ec2api.Image{
		Architecture:             text(i.Architecture),
		BlockDeviceMappings:      wireMapping(i.BlockDevices),
		BootMode:                 text(i.BootMode),
		CreationDate:             text(formatTime(i.Created)),
		Description:              text(i.Description),
		EnaSupport:               ptr(i.ENASupport),
		FreeTierEligible:         ptr(false),
		Hypervisor:               text(i.Hypervisor),
		DeregistrationProtection: text(i.view.Protection(i.Image)),
		ImageAllowed:             i.view.ImageAllowed(i.Image),
		ImageId:                  text(i.ID),
		ImageLocation:            text(i.Location),
		ImageOwnerAlias:          text(i.view.Alias(i.Image)),
		ImageType:                text(i.ImageType),
		ImdsSupport:              text(i.IMDSSupport),
		KernelId:                 text(i.KernelID),
		Name:                     text(i.Name),
		OwnerId:                  text(i.Owner),
		Platform:                 text(i.Platform),
		PlatformDetails:          text(i.PlatformDetails),
		Public:                   ptr(i.Public),
		RamdiskId:                text(i.RamdiskID),
		RootDeviceName:           text(i.RootDeviceName),
		RootDeviceType:           text(i.RootDeviceType),
		SourceImageId:            text(i.SourceImage),
		SourceImageRegion:        text(i.SourceImageRegion),
		SourceInstanceId:         text(i.SourceInstance),
		SriovNetSupport:          text(i.SriovNetSupport),
		State:                    text(i.State),
		StateReason:              wireReason(i.StateReason),
		TpmSupport:               text(i.TPMSupport),
		UsageOperation:           text(i.UsageOperation),
		VirtualizationType:       text(i.VirtualizationType),
	}
	if !i.DeprecationTime.IsZero() {
		out.DeprecationTime = text(formatTime(i.DeprecationTime))
	}
	if len(i.ProductCodes) > 0 {
		out.ProductCodes = wireProductCodes(i.ProductCodes)
	}
	if len(tags) > 0 {
		out.Tags = wireTags(tags)
	}
	out.LastLaunchedTime = text(formatTime(i.view.LastLaunched(i.Image)))
	return out
}

func wireProductCodes(codes []origami.ProductCode) []ec2api.ProductCode {
	out := []ec2api.ProductCode{}
	for _, c := range codes {
		out = append(out, ec2api.ProductCode{ProductCodeId: text(c.Code), ProductCodeType: text(c.Type)})
	}
	return out
}

func wireReason(r *origami.StateReason) *ec2api.StateReason {
	if r == nil {
		return nil
	}
	return &ec2api.StateReason{Code: text(r.Code), Message: text(r.Message)}
}
