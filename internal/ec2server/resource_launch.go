package ec2server

import (
	"fmt"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
	"origami/internal/instance"
	"origami/internal/policy"
)

// collectLaunch lets a launch be seen with what its template says, and asks for
// the right to hand out the role of its instance profile. A template that
// cannot be read is left to the operation to complain about.
func collectLaunch(c *collection) error {
	in := c.in.(*ec2api.RunInstancesInput)
	whole, version, err := c.server.applyTemplate(c.tx, c.who, in)
	switch {
	case err == nil:
		c.in = whole
		in = whole
	case !invisible(err):
		return err
	}
	if version != nil {
		c.keys.Set("ec2:LaunchTemplate", c.arn("launch-template", string(version.Template)))
	}
	if err := c.tagsOnCreation(); err != nil {
		return err
	}
	if len(in.SecurityGroupIds)+len(in.SecurityGroups) == 0 && (len(in.NetworkInterfaces) == 0 || len(in.NetworkInterfaces[0].Groups) == 0) {
		c.main = append(c.main, c.made("security-group")) // the default group of wherever it goes
	}
	if c.profile, err = c.passRole(in.IamInstanceProfile, "*"); err != nil {
		return err
	}
	return c.launchVolumes(in)
}

// passRole asks for the right to hand out the role of an instance profile to an
// instance. It returns the ARN of the profile, "" if there is none: that is for
// the operation to complain about.
func (c *collection) passRole(spec *ec2api.IamInstanceProfileSpecification, instance string) (string, error) {
	p, err := findProfile(c.tx, c.who, spec)
	if err != nil || p == nil {
		if err != nil && !invisible(err) {
			return "", err
		}
		return "", nil
	}
	role, err := c.tx.IdentityByID(p.Role)
	if err != nil {
		return "", fmt.Errorf("role of %s: %w", p.ARN(), err)
	}
	keys := policy.Keys{}
	keys.Set("iam:PassedToService", "ec2.amazonaws.com")
	keys.Set("iam:AssociatedResourceArn", c.arn("instance", instance))
	c.more = append(c.more, want{"iam:PassRole", []iam.Resource{{ARN: role.ARN(), Keys: keys}}})
	return p.ARN(), nil
}

// collectNewProfile asks for the right to hand an instance that there is the
// role of another instance profile.
func collectNewProfile(c *collection) error {
	var spec *ec2api.IamInstanceProfileSpecification
	id := ""
	switch in := c.in.(type) {
	case *ec2api.AssociateIamInstanceProfileInput:
		spec, id = in.IamInstanceProfile, deref(in.InstanceId)
	case *ec2api.ReplaceIamInstanceProfileAssociationInput:
		i, err := instance.ProfileAssociation(c.tx, c.who, origami.ProfileAssociationID(deref(in.AssociationId)))
		if err != nil {
			if invisible(err) {
				return nil
			}
			return err
		}
		spec, id = in.IamInstanceProfile, string(i.ID)
	}
	arn, err := c.passRole(spec, id)
	if arn != "" {
		c.keys.Set("ec2:NewInstanceProfile", arn)
	}
	return err
}

// collectInstanceOfAssociation adds the instance that an association of an
// instance profile is about.
func collectInstanceOfAssociation(c *collection) error {
	id := member(c.in, "AssociationId")
	if !id.IsValid() {
		return nil
	}
	i, err := instance.ProfileAssociation(c.tx, c.who, origami.ProfileAssociationID(id.String()))
	if err != nil {
		if invisible(err) {
			return nil
		}
		return err
	}
	return c.addExisting("instance", string(i.ID))
}

// launchVolumes adds the volumes that a launch makes, each by itself: those of
// the request, and those of the image that it says nothing about.
func (c *collection) launchVolumes(in *ec2api.RunInstancesInput) error {
	zone := ""
	if in.Placement != nil {
		zone = deref(in.Placement.AvailabilityZone)
	}
	add := func(shape origami.VolumeShape, encrypted bool, snapshot string) {
		r := c.made("volume")
		c.volumeKeys(r.Keys, zone, shape, encrypted, origami.SnapshotID(snapshot))
		c.main = append(c.main, r)
	}
	said := make(map[string]bool)
	for _, m := range in.BlockDeviceMappings {
		said[deref(m.DeviceName)] = m.NoDevice != nil
		if m.Ebs != nil {
			snapshot := deref(m.Ebs.SnapshotId)
			add(c.volumeShape(m.Ebs.VolumeType, m.Ebs.VolumeSize, m.Ebs.Iops, m.Ebs.Throughput, snapshot), deref(m.Ebs.Encrypted), snapshot)
			said[deref(m.DeviceName)] = true
		}
	}
	i, err := c.tx.Image(c.who.Region, c.who.Account, origami.ImageID(deref(in.ImageId)))
	if err != nil {
		if invisible(err) {
			return nil
		}
		return err
	}
	for _, d := range i.BlockDevices {
		if d.EBS != nil && !said[d.DeviceName] {
			shape := origami.VolumeShape{Type: d.EBS.VolumeType, Size: d.EBS.VolumeSize, IOPS: d.EBS.IOPS, Throughput: d.EBS.Throughput}
			add(shape, deref(d.EBS.Encrypted), string(d.EBS.Snapshot))
		}
	}
	return nil
}

// launchKeys adds what a launch makes.
func (c *collection) launchKeys(keys policy.Keys, kind string, in *ec2api.RunInstancesInput) {
	zone := ""
	if in.Placement != nil {
		zone = deref(in.Placement.AvailabilityZone)
	}
	switch kind {
	case "instance":
		setIf(keys, "ec2:InstanceType", in.InstanceType)
		if in.InstanceType == nil {
			keys.Set("ec2:InstanceType", "m1.small") // as instance.Launch says
		}
		options, err := parseMetadataOptions(in.MetadataOptions)
		if err != nil {
			options = origami.MetadataOptions{} // the operation complains
		}
		c.instanceKeys(keys, zone, deref(in.EbsOptimized), options)
		if c.profile != "" {
			keys.Set("ec2:InstanceProfile", c.profile)
		}
	case "network-interface":
		if in.SubnetId != nil {
			keys.Set("ec2:Subnet", c.arn("subnet", *in.SubnetId))
		}
	}
}

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

func (c *collection) addExisting(kind, id string) error {
	r, err := c.existing(kind, id)
	if err == nil {
		c.main = append(c.main, r)
	}
	return err
}
