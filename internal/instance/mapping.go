package instance

import (
	"net/netip"
	"slices"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// maxVolumes is how many volumes a machine can have: the slots of its disk
// bus.
const maxVolumes = 24

// plannedVolume is a volume that a launch will make.
type plannedVolume struct {
	device   string
	snapshot *origami.Snapshot // nil for an empty volume
	shape    ebs.Shape
	delete   bool // with the instance
	secrecy  ebs.Secrecy
}

// plan is what a launch will make: the block device mapping after the merge,
// that is the volumes, the root first, and the instance-store entries; and
// where.
type plan struct {
	subnet  *origami.Subnet
	volumes []plannedVolume
	stores  []origami.BlockDevice

	// By instance.
	private []netip.Addr
	public  []netip.Addr // nil if they have none
}

// planDevices merges a launch request's mapping into the image's and checks
// the outcome.
func (s *Service) planDevices(tx *metadb.Tx, who origami.Caller, img *origami.Image, request []origami.BlockDevice) (*plan, error) {
	merged, err := MergeDevices(img, request)
	if err != nil {
		return nil, err
	}
	for _, r := range request {
		if err := encryption(r.EBS).Check(); err != nil {
			return nil, err
		}
	}
	fromImage := make(map[string]origami.SnapshotID) // by device
	for _, d := range img.BlockDevices {
		if d.EBS != nil {
			fromImage[d.DeviceName] = d.EBS.Snapshot
		}
	}
	p := &plan{}
	for _, d := range merged {
		switch {
		case d.VirtualName != "":
			p.stores = append(p.stores, d)
		case d.EBS != nil:
			viewer := who.Account
			if d.EBS.Snapshot == fromImage[d.DeviceName] {
				viewer = metadb.System
			}
			v, err := s.planVolume(tx, who, d, viewer)
			if err != nil {
				return nil, err
			}
			if d.DeviceName == img.RootDeviceName {
				if !ebs.Bootable(v.shape.Type) {
					return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Volume type %s is not supported for the root device '%s'.", v.shape.Type, d.DeviceName)
				}
				p.volumes = append([]plannedVolume{v}, p.volumes...)
			} else {
				p.volumes = append(p.volumes, v)
			}
		}
	}
	if len(p.volumes) > maxVolumes {
		return nil, origami.Errorf("AttachmentLimitExceeded", "An instance can have at most %d volumes, and the launch asks for %d.", maxVolumes, len(p.volumes))
	}
	return p, nil
}

// encrypted reports whether a volume of the plan is encrypted.
func (p *plan) encrypted() bool {
	return slices.ContainsFunc(p.volumes, func(v plannedVolume) bool { return v.secrecy.Key != "" })
}

// MergeDevices is the block device mapping of an image with that of a launch
// request over it.
func MergeDevices(img *origami.Image, request []origami.BlockDevice) ([]origami.BlockDevice, error) {
	if err := ami.CheckDevices(request); err != nil {
		return nil, err
	}
	merged := slices.Clone(img.BlockDevices)
	for _, r := range request {
		var err error
		if merged, err = mergeDevice(merged, r, img.RootDeviceName); err != nil {
			return nil, err
		}
	}
	// The request may name a device that the image names otherwise.
	return merged, ami.CheckDevices(merged)
}

// mergeDevice applies one entry of the request to the mapping.
func mergeDevice(mapping []origami.BlockDevice, r origami.BlockDevice, root string) ([]origami.BlockDevice, error) {
	at := -1
	for n, d := range mapping {
		if d.DeviceName == r.DeviceName {
			at = n
		}
	}
	switch {
	case r.NoDevice && r.DeviceName == root:
		return nil, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The root device '%s' cannot be removed from the block device mapping", root)
	case r.NoDevice && at < 0:
		return mapping, nil
	case r.NoDevice:
		return append(mapping[:at:at], mapping[at+1:]...), nil
	case at < 0:
		return append(mapping, r), nil
	case r.VirtualName != "" && r.DeviceName == root:
		return nil, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The root device '%s' cannot be an instance store volume", root)
	case r.VirtualName != "":
		mapping[at] = r
		return mapping, nil
	case mapping[at].EBS == nil && r.EBS.Snapshot != "":
		return nil, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "snapshotId can only be modified on EBS devices")
	case mapping[at].EBS == nil:
		mapping[at] = r
		return mapping, nil
	case r.DeviceName == root && r.EBS.Snapshot != "" && r.EBS.Snapshot != mapping[at].EBS.Snapshot:
		return nil, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "snapshotId cannot be modified on root device")
	}
	e := overlayEBS(*mapping[at].EBS, *r.EBS)
	mapping[at].EBS = &e
	return mapping, nil
}

// overlayEBS replaces the fields of an image's entry that the request gives.
// A new type drops the performance figures of the old one.
func overlayEBS(e, r origami.EBSBlockDevice) origami.EBSBlockDevice {
	if r.Snapshot != "" && r.Snapshot != e.Snapshot {
		e.Snapshot, e.VolumeSize, e.Encrypted = r.Snapshot, 0, nil
	}
	if r.VolumeSize != 0 {
		e.VolumeSize = r.VolumeSize
	}
	if r.VolumeType != "" && r.VolumeType != e.VolumeType {
		e.VolumeType, e.IOPS, e.Throughput = r.VolumeType, 0, 0
	}
	if r.IOPS != 0 {
		e.IOPS = r.IOPS
	}
	if r.Throughput != 0 {
		e.Throughput = r.Throughput
	}
	if r.DeleteOnTermination != nil {
		e.DeleteOnTermination = r.DeleteOnTermination
	}
	if r.Encrypted != nil {
		e.Encrypted = r.Encrypted
	}
	e.KMSKey = r.KMSKey
	return e
}

// planVolume decides one volume. Its snapshot is read as viewer does: the one that
// the image itself has for the device on the image's behalf, since who may launch
// it need not be able to read it, any other as the caller.
func (s *Service) planVolume(tx *metadb.Tx, who origami.Caller, d origami.BlockDevice, viewer origami.AccountID) (plannedVolume, error) {
	v := plannedVolume{device: d.DeviceName, delete: d.EBS.DeleteOnTermination == nil || *d.EBS.DeleteOnTermination}
	if d.EBS.Snapshot != "" {
		snap, err := tx.Snapshot(who.Region, viewer, d.EBS.Snapshot)
		if err != nil {
			return v, err
		}
		if err := ebs.Usable(snap); err != nil {
			return v, err
		}
		v.snapshot = snap
	} else if d.EBS.VolumeSize == 0 {
		return v, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter size/snapshot")
	}
	v.shape = ebs.Shape{Type: d.EBS.VolumeType, Size: d.EBS.VolumeSize, IOPS: d.EBS.IOPS, Throughput: d.EBS.Throughput}
	if v.shape.Size == 0 {
		v.shape.Size = v.snapshot.VolumeSize
	}
	if v.snapshot != nil {
		if err := ami.CheckSize(v.shape.Size, v.snapshot); err != nil {
			return v, err
		}
	}
	decided, err := v.shape.Decide() // NewVolume decides again
	if err != nil {
		return v, err
	}
	v.shape.Type = decided.Type
	v.secrecy, err = s.EBS.Restore(tx, who, v.snapshot, encryption(d.EBS))
	return v, err
}

// encryption is what an entry of a mapping says about encryption. The entries
// of images say how their snapshots are, which is the default anyway.
func encryption(e *origami.EBSBlockDevice) ebs.Encryption {
	if e == nil {
		return ebs.Encryption{}
	}
	return ebs.Encryption{Encrypted: e.Encrypted, Key: e.KMSKey}
}
