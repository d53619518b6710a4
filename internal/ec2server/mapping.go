package ec2server

import (
	"origami"
	"origami/internal/ec2api"
)

// wireMapping writes the block device mapping of an image.
func wireMapping(devices []origami.BlockDevice) []ec2api.BlockDeviceMapping {
	out := make([]ec2api.BlockDeviceMapping, 0, len(devices))
	for _, d := range devices {
		w := ec2api.BlockDeviceMapping{DeviceName: text(d.DeviceName), VirtualName: text(d.VirtualName)}
		if d.NoDevice {
			w.NoDevice = ptr("")
		}
		if e := d.EBS; e != nil {
			w.Ebs = &ec2api.EbsBlockDevice{
				DeleteOnTermination: e.DeleteOnTermination,
				Encrypted:           e.Encrypted,
				SnapshotId:          text(e.Snapshot),
				VolumeSize:          ptr(int32(e.VolumeSize)),
				VolumeType:          text(e.VolumeType),
			}
			if e.IOPS != 0 {
				w.Ebs.Iops = ptr(int32(e.IOPS))
			}
			if e.Throughput != 0 {
				w.Ebs.Throughput = ptr(int32(e.Throughput))
			}
		}
		out = append(out, w)
	}
	return out
}

// parseMapping reads the block device mapping of a request.
func parseMapping(in []ec2api.BlockDeviceMapping) ([]origami.BlockDevice, error) {
	var out []origami.BlockDevice
	for _, w := range in {
		d := origami.BlockDevice{
			DeviceName:  deref(w.DeviceName),
			VirtualName: deref(w.VirtualName),
			NoDevice:    w.NoDevice != nil,
		}
		if w.Ebs != nil {
			e, err := parseEBS(w.Ebs)
			if err != nil {
				return nil, err
			}
			d.EBS = e
		}
		out = append(out, d)
	}
	return out, nil
}

func parseEBS(w *ec2api.EbsBlockDevice) (*origami.EBSBlockDevice, error) {
	e := &origami.EBSBlockDevice{
		VolumeSize:          int64(deref(w.VolumeSize)),
		VolumeType:          origami.VolumeType(deref(w.VolumeType)),
		IOPS:                int64(deref(w.Iops)),
		Throughput:          int64(deref(w.Throughput)),
		DeleteOnTermination: w.DeleteOnTermination,
		Encrypted:           w.Encrypted,
		KMSKey:              deref(w.KmsKeyId),
	}
	for _, n := range []struct {
		name  string
		given *int32
	}{{"volumeSize", w.VolumeSize}, {"iops", w.Iops}, {"throughput", w.Throughput}} {
		if n.given != nil && *n.given < 1 {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter %s is invalid. It must be at least 1.", *n.given, n.name)
		}
	}
	if w.SnapshotId != nil {
		id, err := origami.ParseSnapshotID(*w.SnapshotId)
		if err != nil {
			return nil, err
		}
		e.Snapshot = id
	}
	return e, nil
}
