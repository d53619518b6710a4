package ec2server

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
	"origami/internal/instance"
	"origami/internal/policy"
	"origami/internal/vpc"
)

// collectLaunch lets a launch be seen with what its template says, and asks for
// the right to hand out the role of its instance profile. A template that
// cannot be read is left to the operation to complain about.
func collectLaunch(c *collection) error {
	given := c.in.(*ec2api.RunInstancesInput)
	in := given
	whole, version, err := c.server.applyTemplate(c.tx, c.who, given)
	switch {
	case err == nil:
		c.in = whole
		in = whole
	case !invisible(err):
		return err
	}
	c.keys.Set("ec2:IsLaunchTemplateResource", "false")
	if version != nil {
		c.keys.Set("ec2:LaunchTemplate", c.arn("launch-template", string(version.Template)))
		c.overridden = overridden(given)
	}
	if err := c.tagsOnCreation(); err != nil {
		return err
	}
	if err := c.launchPlace(in); err != nil {
		return err
	}
	c.profile, err = c.passRole(in.IamInstanceProfile, "*")
	return err
}

// overridden lists the kinds of resources that a launch by a template says
// something about itself.
func overridden(in *ec2api.RunInstancesInput) map[string]bool {
	groups, subnet := len(in.SecurityGroupIds)+len(in.SecurityGroups) > 0, in.SubnetId != nil
	for _, n := range in.NetworkInterfaces {
		groups, subnet = groups || len(n.Groups) > 0, subnet || n.SubnetId != nil
	}
	return map[string]bool{
		"image": in.ImageId != nil,
		"instance": in.InstanceType != nil || in.IamInstanceProfile != nil || in.MetadataOptions != nil || in.EbsOptimized != nil ||
			in.Placement != nil || in.UserData != nil || in.Monitoring != nil || in.CreditSpecification != nil,
		"key-pair":          in.KeyName != nil,
		"network-interface": len(in.NetworkInterfaces) > 0 || subnet || in.PrivateIpAddress != nil,
		"security-group":    groups,
		"snapshot":          len(in.BlockDeviceMappings) > 0,
		"subnet":            subnet,
		"volume":            len(in.BlockDeviceMappings) > 0,
	}
}

// fromTemplate adds whether a resource of a launch is as its template says.
func (c *collection) fromTemplate(kind string, keys policy.Keys) {
	if c.overridden != nil {
		keys["ec2:islaunchtemplateresource"] = []string{strconv.FormatBool(!c.overridden[kind])}
	}
}

// launchPlace adds the subnet and the security groups of a launch that names
// none. While they do not exist any will do, and where a request cannot go at
// all is for the operation to say.
func (c *collection) launchPlace(in *ec2api.RunInstancesInput) error {
	var l instance.Launch
	named := len(in.SecurityGroupIds)+len(in.SecurityGroups) > 0 || len(in.NetworkInterfaces) > 0 && len(in.NetworkInterfaces[0].Groups) > 0
	err := parsePlacement(in, &l)
	if err != nil || named && l.Subnet != "" {
		return nil
	}
	sub, groups, err := c.server.vpc.Preview(c.tx, c.who, vpc.Placement{
		Subnet: l.Subnet, Zone: l.Zone, Groups: l.SecurityGroups, GroupNames: in.SecurityGroups,
	})
	if err != nil && !invisible(err) {
		return err
	}
	if err != nil {
		if l.Subnet == "" {
			c.main = append(c.main, c.made("subnet"))
		}
		if !named {
			c.main = append(c.main, c.made("security-group"))
		}
		return nil
	}
	if l.Subnet == "" {
		if err := c.addExisting("subnet", string(sub.ID)); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if named {
			break
		}
		if err := c.addExisting("security-group", string(g)); err != nil {
			return err
		}
	}
	return nil
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

// collectLaunchVolumes adds the volumes that a launch makes, each by itself, as they are
// when what the request says about devices is over what the image says. A mapping
// that cannot be is left to the operation to complain about.
func collectLaunchVolumes(c *collection) error {
	in := c.in.(*ec2api.RunInstancesInput)
	devices, err := parseMapping(in.BlockDeviceMappings)
	if err != nil {
		return nil
	}
	i, err := c.tx.Image(c.who.Region, c.who.Account, origami.ImageID(deref(in.ImageId)))
	if err == nil {
		if devices, err = instance.MergeDevices(i, devices); err != nil {
			return nil
		}
	}
	if err != nil && !invisible(err) {
		return err
	}
	zone := c.launchZone(in)
	for _, d := range devices {
		if e := d.EBS; e != nil {
			shape := origami.VolumeShape{Type: cmp.Or(e.VolumeType, origami.GP2), Size: e.VolumeSize, IOPS: e.IOPS, Throughput: e.Throughput}
			shape.Size = cmp.Or(shape.Size, c.sizeOf(string(e.Snapshot)))
			r := c.made("volume")
			c.volumeKeys(r.Keys, zone, shape, c.encrypted(deref(e.Encrypted), string(e.Snapshot)), e.Snapshot)
			if e.KMSKey != "" {
				r.Keys.Set("ec2:KmsKeyId", e.KMSKey)
			}
			c.main = append(c.main, r)
		}
	}
	return nil
}

// launchZone is the availability zone of a launch: that of the request, or of the
// subnet; "" if it is not known.
func (c *collection) launchZone(in *ec2api.RunInstancesInput) string {
	if in.Placement != nil && in.Placement.AvailabilityZone != nil {
		return *in.Placement.AvailabilityZone
	}
	if zone := c.subnetOfLaunch().Keys["ec2:availabilityzone"]; len(zone) == 1 {
		return zone[0]
	}
	return ""
}

// subnetOfLaunch is the subnet of a launch, named by the request or found by
// launchPlace; the zero resource if there is none yet.
func (c *collection) subnetOfLaunch() iam.Resource {
	for _, r := range c.main {
		if id, ok := strings.CutPrefix(r.ARN, c.arn("subnet", "")); ok && id != "*" {
			return r
		}
	}
	return iam.Resource{}
}

// launchKeys adds what a launch makes.
func (c *collection) launchKeys(keys policy.Keys, kind string, in *ec2api.RunInstancesInput) {
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
		c.instanceKeys(keys, c.launchZone(in), "ebs", deref(in.EbsOptimized), options)
		if i, err := c.tx.Image(c.who.Region, c.who.Account, origami.ImageID(deref(in.ImageId))); err == nil {
			keys["ec2:rootdevicetype"] = []string{i.RootDeviceType}
		}
		if c.profile != "" {
			keys.Set("ec2:InstanceProfile", c.profile)
		}
	case "network-interface":
		if sub := c.subnetOfLaunch(); sub.ARN != "" {
			keys.Set("ec2:Subnet", sub.ARN)
			keys.Set("ec2:Vpc", sub.Keys["ec2:vpc"]...)
			keys.Set("ec2:AvailabilityZone", sub.Keys["ec2:availabilityzone"]...)
		}
		if n := in.NetworkInterfaces; len(n) > 0 && n[0].AssociatePublicIpAddress != nil {
			keys.Set("ec2:AssociatePublicIpAddress", strconv.FormatBool(*n[0].AssociatePublicIpAddress))
		}
	}
}
