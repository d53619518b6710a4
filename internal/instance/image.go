package instance

import (
	"context"
	"fmt"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// ImageRequest asks for an image of an instance.
type ImageRequest struct {
	Instance     origami.InstanceID
	Name         string
	Description  string
	NoReboot     bool
	BlockDevices []origami.BlockDevice // overrides of the instance's mapping
	ImageTags    origami.Tags
	SnapshotTags origami.Tags
}

// bake is what a new image will consist of.
type bake struct {
	instance *origami.Instance
	devices  []origami.BlockDevice      // the image's mapping, without the snapshots to come
	volumes  map[string]*origami.Volume // to be snapshotted, by device name
	at       *ebs.Frozen                // where they are frozen, when they are
}

// CreateImage makes an image of an instance of the caller's. It returns a
// pending image, which becomes available when its snapshots are complete.
//
// A running instance is shut down, its volumes are frozen at rest, and it is
// started again. With NoReboot, or when the instance is stopped, the volumes
// are frozen at one instant within this call.
func (s *Service) CreateImage(ctx context.Context, who origami.Caller, r ImageRequest) (*origami.Image, error) {
	if err := ami.CheckName(r.Name); err != nil {
		return nil, err
	}
	if err := ami.CheckDescription(r.Description); err != nil {
		return nil, err
	}
	if err := ami.CheckDevices(r.BlockDevices); err != nil {
		return nil, err
	}
	var b *bake
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		b, err = planBake(tx, who, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	var frozen *ebs.Frozen
	if r.NoReboot || b.instance.State == origami.InstanceStopped {
		if frozen, err = s.freeze(ctx, b); err != nil {
			return nil, err
		}
		defer frozen.Release()
	}
	var img *origami.Image
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		b, err := planBake(tx, who, r)
		if err != nil {
			return err
		}
		b.at = frozen
		img, err = s.recordBake(tx, who, r, b)
		return err
	})
	return img, err
}

// planBake checks a request and merges its mapping into the instance's.
func planBake(tx *metadb.Tx, who origami.Caller, r ImageRequest) (*bake, error) {
	i, err := tx.Instance(who.Region, who.Account, r.Instance)
	if err != nil {
		return nil, err
	}
	if i.State != origami.InstanceRunning && i.State != origami.InstanceStopped {
		return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in a state from which an image can be created: it is %s.", i.ID, i.State)
	}
	vols, err := tx.VolumesOf(who.Region, i.ID)
	if err != nil {
		return nil, err
	}
	sortBySlot(vols, i.ID)
	b := &bake{instance: i, volumes: make(map[string]*origami.Volume)}
	for _, v := range vols {
		a := attachment(v, i.ID)
		b.volumes[a.Device] = v
		b.devices = append(b.devices, origami.BlockDevice{DeviceName: a.Device, EBS: deviceOfVolume(v, a)})
	}
	if b.volumes[i.RootDeviceName] == nil || i.RootDeviceType == rootInstanceStore {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid value '%s' for instanceId. Instance does not have a volume attached at root (%s)", i.ID, i.RootDeviceName)
	}
	b.devices = append(b.devices, i.InstanceStores...)
	for _, d := range r.BlockDevices {
		if err := b.override(tx, who, d); err != nil {
			return nil, err
		}
	}
	return b, ami.CheckDevices(b.devices)
}

// deviceOfVolume describes an attached volume as a mapping entry.
func deviceOfVolume(v *origami.Volume, a *origami.Attachment) *origami.EBSBlockDevice {
	e := &origami.EBSBlockDevice{
		VolumeSize: v.Size, VolumeType: v.Type, Throughput: v.Throughput,
		DeleteOnTermination: &a.DeleteOnTermination, Encrypted: &v.Encrypted,
	}
	if v.Type != origami.GP2 {
		e.IOPS = v.IOPS
	}
	return e
}

// override applies one entry of the request.
func (b *bake) override(tx *metadb.Tx, who origami.Caller, d origami.BlockDevice) error {
	at := -1
	for n := range b.devices {
		if b.devices[n].DeviceName == d.DeviceName {
			at = n
		}
	}
	switch {
	case at >= 0 && d.NoDevice:
		if d.DeviceName == b.instance.RootDeviceName {
			return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The root device '%s' cannot be removed from the block device mapping", d.DeviceName)
		}
		b.devices = append(b.devices[:at:at], b.devices[at+1:]...)
		delete(b.volumes, d.DeviceName)
		return nil
	case d.NoDevice:
		return nil
	case d.VirtualName != "" && at < 0:
		b.devices = append(b.devices, d)
		return nil
	case d.VirtualName != "":
		if b.volumes[d.DeviceName] != nil {
			return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The device '%s' has a volume attached and cannot be mapped to %s", d.DeviceName, d.VirtualName)
		}
		b.devices[at] = d
		return nil
	case at >= 0 && b.volumes[d.DeviceName] != nil:
		return b.overrideVolume(&b.devices[at], d)
	}
	e, err := ami.DecideEBS(tx, who, d.DeviceName, *d.EBS)
	if err != nil {
		return err
	}
	d.EBS = &e
	if at >= 0 {
		b.devices[at] = d
	} else {
		b.devices = append(b.devices, d)
	}
	return nil
}

// overrideVolume applies an entry for an attached volume, of which only
// DeleteOnTermination may differ.
func (b *bake) overrideVolume(d *origami.BlockDevice, r origami.BlockDevice) error {
	refused := func(what string) error {
		return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "%s cannot be modified on the attached device '%s'", what, d.DeviceName)
	}
	switch e := d.EBS; {
	case r.EBS.Snapshot != "":
		return refused("snapshotId")
	case r.EBS.VolumeSize != 0 && r.EBS.VolumeSize != e.VolumeSize:
		return refused("volumeSize")
	case r.EBS.VolumeType != "" && r.EBS.VolumeType != e.VolumeType:
		return refused("volumeType")
	case r.EBS.IOPS != 0 && r.EBS.IOPS != e.IOPS:
		return refused("iops")
	case r.EBS.Throughput != 0 && r.EBS.Throughput != e.Throughput:
		return refused("throughput")
	case r.EBS.Encrypted != nil && *r.EBS.Encrypted != *e.Encrypted:
		return refused("the encrypted flag")
	}
	if r.EBS.DeleteOnTermination != nil {
		d.EBS.DeleteOnTermination = r.EBS.DeleteOnTermination
	}
	return nil
}

// freeze fixes the volumes of a bake at one instant.
func (s *Service) freeze(ctx context.Context, b *bake) (*ebs.Frozen, error) {
	var ids []origami.VolumeID
	for _, v := range b.volumes {
		ids = append(ids, v.ID)
	}
	return s.EBS.Freeze(ctx, b.instance.Region, ids...)
}

// recordBake writes the rows of the pending image and of its snapshots, and
// queues what completes them.
func (s *Service) recordBake(tx *metadb.Tx, who origami.Caller, r ImageRequest, b *bake) (*origami.Image, error) {
	i := b.instance
	img := &origami.Image{
		ID: origami.NewImageID(), Region: who.Region, Owner: who.Account,
		Name: r.Name, Description: r.Description,
		Architecture: i.Architecture, VirtualizationType: i.VirtualizationType,
		RootDeviceType: i.RootDeviceType, RootDeviceName: i.RootDeviceName,
		KernelID: i.KernelID, RamdiskID: i.RamdiskID,
		ENASupport: i.ENASupport, SriovNetSupport: i.SriovNetSupport,
		BootMode: i.BootMode, TPMSupport: i.TPMSupport,
		Platform: i.Platform, PlatformDetails: i.PlatformDetails, UsageOperation: i.UsageOperation,
		SourceInstance: i.ID, SourceImage: i.Image, SourceImageRegion: i.Region,
	}
	for _, d := range b.devices {
		if v := b.volumes[d.DeviceName]; v != nil {
			snap, err := s.recordSnapshot(tx, who, r, b, img.ID, v)
			if err != nil {
				return nil, err
			}
			e := *d.EBS
			e.Snapshot = snap.ID
			d.EBS = &e
		}
		img.BlockDevices = append(img.BlockDevices, d)
	}
	if err := s.AMI.Promise(tx, img, r.ImageTags); err != nil {
		return nil, err
	}
	if b.at != nil {
		return img, nil
	}
	return img, s.Queue.Add(tx, &origami.Task{
		Kind: taskImage, Region: img.Region, Owner: img.Owner, Resource: string(img.ID),
	})
}

// recordSnapshot writes the row of one snapshot of the image.
func (s *Service) recordSnapshot(tx *metadb.Tx, who origami.Caller, r ImageRequest, b *bake, image origami.ImageID, v *origami.Volume) (*origami.Snapshot, error) {
	spec := ebs.SnapshotSpec{
		Volume:      v.ID,
		Description: fmt.Sprintf("Created by CreateImage(%s) for %s", b.instance.ID, image),
		Tags:        r.SnapshotTags,
	}
	if err := spec.Tags.Validate(); err != nil {
		return nil, err
	}
	if b.at == nil {
		return s.EBS.PromiseSnapshot(tx, who, v, spec)
	}
	layer, ok := b.at.Layer(v.ID)
	if !ok {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Volume '%s' was attached while the image was being created. Try again.", v.ID)
	}
	return s.EBS.AddSnapshot(tx, who, v, layer, spec)
}
