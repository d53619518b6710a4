package ec2server

import (
	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
)

// collectAssociatedSnapshots asks for the right to delete the snapshots that
// go with an image.
func collectAssociatedSnapshots(c *collection) error {
	in := c.in.(*ec2api.DeregisterImageInput)
	if !deref(in.DeleteAssociatedSnapshots) {
		return nil
	}
	i, err := c.tx.Image(c.who.Region, c.who.Account, origami.ImageID(deref(in.ImageId)))
	if err != nil {
		if invisible(err) {
			return nil
		}
		return err
	}
	w := want{action: "ec2:DeleteSnapshot"}
	for _, id := range i.Snapshots() {
		r, err := c.existing("snapshot", string(id))
		if err != nil {
			return err
		}
		w.resources = append(w.resources, r)
	}
	if len(w.resources) > 0 {
		c.more = append(c.more, w)
	}
	return nil
}

// collectInstanceOfVolume adds the instances that a volume is attached to,
// which a request to detach it need not name.
func collectInstanceOfVolume(c *collection) error {
	in := c.in.(*ec2api.DetachVolumeInput)
	if in.InstanceId != nil {
		return nil
	}
	v, err := c.tx.Volume(c.who.Region, c.who.Account, origami.VolumeID(deref(in.VolumeId)))
	if err != nil {
		if invisible(err) {
			return nil
		}
		return err
	}
	for _, a := range v.Attachments {
		if err := c.addExisting("instance", string(a.Instance)); err != nil {
			return err
		}
	}
	return nil
}

// collectVolumesOfInstance adds the volumes that snapshots are made of.
func collectVolumesOfInstance(c *collection) error {
	in := c.in.(*ec2api.CreateSnapshotsInput)
	if in.InstanceSpecification == nil {
		return nil
	}
	volumes, err := c.tx.VolumesOf(c.who.Region, origami.InstanceID(deref(in.InstanceSpecification.InstanceId)))
	if err != nil {
		if invisible(err) {
			return nil
		}
		return err
	}
	for _, v := range volumes {
		if v.Owner != c.who.Account {
			continue
		}
		if err := c.addExisting("volume", string(v.ID)); err != nil {
			return err
		}
	}
	return nil
}

// collectAnyVolume asks about volumes as such where a request names none: who
// lists the Recycle Bin needs the right to all that may be in it.
func collectAnyVolume(c *collection) error {
	if len(c.in.(*ec2api.ListVolumesInRecycleBinInput).VolumeIds) == 0 {
		c.main = append(c.main, iam.Resource{ARN: c.arn("volume", "*"), Keys: c.ownKeys()})
	}
	return nil
}

func (c *collection) addExisting(kind, id string) error {
	r, err := c.existing(kind, id)
	if err == nil {
		c.main = append(c.main, r)
	}
	return err
}

// collectSourceImage adds the image that is copied, perhaps from another
// region.
func collectSourceImage(c *collection) error {
	in := c.in.(*ec2api.CopyImageInput)
	return c.inRegion(in.SourceRegion, func() error { return c.addExisting("image", deref(in.SourceImageId)) })
}

// collectSourceSnapshot adds the snapshot that is copied.
func collectSourceSnapshot(c *collection) error {
	in := c.in.(*ec2api.CopySnapshotInput)
	return c.inRegion(in.SourceRegion, func() error { return c.addExisting("snapshot", deref(in.SourceSnapshotId)) })
}

// inRegion collects in another region than that of the request.
func (c *collection) inRegion(region *string, f func() error) error {
	here := c.who.Region
	c.who.Region = origami.Region(deref(region))
	defer func() { c.who.Region = here }()
	return f()
}

// collectVPCOfGroup adds the default VPC, where a security group goes unless
// another is named.
func collectVPCOfGroup(c *collection) error {
	if c.in.(*ec2api.CreateSecurityGroupInput).VpcId != nil {
		return nil
	}
	v, err := c.server.vpc.DefaultVPC(c.tx, c.who)
	if err != nil {
		if invisible(err) {
			c.main = append(c.main, c.made("vpc"))
			return nil
		}
		return err
	}
	return c.addExisting("vpc", string(v.ID))
}
