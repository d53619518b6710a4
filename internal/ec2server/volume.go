package ec2server

import (
	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// volumeProperties are the filters of DescribeVolumes.
var volumeProperties = properties[*origami.Volume]{
	"attachment.attach-time":           ofAttachments(func(a origami.Attachment) []string { return timestamp(a.Attached) }),
	"attachment.delete-on-termination": ofAttachments(func(a origami.Attachment) []string { return boolean(a.DeleteOnTermination) }),
	"attachment.device":                ofAttachments(func(a origami.Attachment) []string { return one(a.Device) }),
	"attachment.instance-id":           ofAttachments(func(a origami.Attachment) []string { return one(a.Instance) }),
	"attachment.status":                ofAttachments(func(a origami.Attachment) []string { return one(a.State) }),
	"availability-zone":                func(v *origami.Volume) []string { return one(v.Zone) },
	"availability-zone-id":             func(v *origami.Volume) []string { return one(zoneID(v.Region, v.Zone)) },
	"create-time":                      func(v *origami.Volume) []string { return timestamp(v.Created) },
	"encrypted":                        func(v *origami.Volume) []string { return boolean(v.Encrypted) },
	"fast-restored":                    func(v *origami.Volume) []string { return boolean(v.FastRestored) },
	"multi-attach-enabled":             func(v *origami.Volume) []string { return boolean(false) },
	"operator.managed":                 func(v *origami.Volume) []string { return boolean(false) },
	"operator.principal":               func(v *origami.Volume) []string { return nil },
	"size":                             func(v *origami.Volume) []string { return number(v.Size) },
	"snapshot-id":                      func(v *origami.Volume) []string { return one(v.Snapshot) },
	"status":                           func(v *origami.Volume) []string { return one(v.State) },
	"volume-id":                        func(v *origami.Volume) []string { return one(v.ID) },
	"volume-type":                      func(v *origami.Volume) []string { return one(v.Type) },
}

func ofAttachments(get func(origami.Attachment) []string) func(*origami.Volume) []string {
	return func(v *origami.Volume) []string { return each(v.Attachments, get) }
}

// zoneID is the ID of a zone by its name.
func zoneID(r origami.Region, name string) string {
	for _, z := range vpc.Zones(r) {
		if z.Name == name {
			return z.ID
		}
	}
	return ""
}

// wireVolume writes a volume.
func wireVolume(v *origami.Volume, tags origami.Tags) ec2api.Volume {
	out := ec2api.Volume{
		AvailabilityZone:   text(v.Zone),
		AvailabilityZoneId: text(zoneID(v.Region, v.Zone)),
		CreateTime:         ptr(v.Created),
		Encrypted:          ptr(v.Encrypted),
		MultiAttachEnabled: ptr(false),
		Size:               ptr(int32(v.Size)),
		SnapshotId:         ptr(string(v.Snapshot)), // empty when made empty
		State:              text(v.State),
		Tags:               wireTags(tags),
		VolumeId:           text(v.ID),
		VolumeType:         text(v.Type),
	}
	if v.IOPS != 0 {
		out.Iops = ptr(int32(v.IOPS))
	}
	if v.Throughput != 0 {
		out.Throughput = ptr(int32(v.Throughput))
	}
	if v.Source != "" {
		out.SourceVolumeId = text(v.Source)
	}
	if v.FastRestored {
		out.FastRestored = ptr(true)
	}
	if v.Encrypted {
		out.KmsKeyId, out.SseType = text(v.KMSKey), ptr("sse-kms")
	}
	for _, a := range v.Attachments {
		out.Attachments = append(out.Attachments, wireAttachment(v.ID, a))
	}
	return out
}

// wireAttachment writes an attachment of a volume.
func wireAttachment(id origami.VolumeID, a origami.Attachment) ec2api.VolumeAttachment {
	return ec2api.VolumeAttachment{
		AttachTime:          ptr(a.Attached),
		DeleteOnTermination: ptr(a.DeleteOnTermination),
		Device:              text(a.Device),
		InstanceId:          text(a.Instance),
		State:               text(a.State),
		VolumeId:            text(id),
	}
}
