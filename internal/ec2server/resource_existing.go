package ec2server

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// existing is a resource that a request names by its ID, with everything that
// policies can ask about it. Of one that the caller cannot see only the ID is
// known: the operation will say so, if policies let the caller come so far.
func (c *collection) existing(kind, id string) (iam.Resource, error) {
	if kind == "*" {
		if kind = origami.ResourceType(id); kind == "" {
			kind = "*"
		}
	}
	r := iam.Resource{Keys: c.ownKeys()}
	c.fromTemplate(kind, r.Keys)
	id, err := c.describe(kind, id, r.Keys)
	if err != nil && !invisible(err) {
		return r, err
	}
	r.ARN = c.arn(kind, id)
	if kind == "key-pair" {
		return r, c.tags(r.Keys, r.Keys["ec2:keypairid"]...)
	}
	return r, c.tags(r.Keys, id)
}

// named is a resource that a request names by its name, which may look like the
// ID of another.
func (c *collection) named(kind, name string) (iam.Resource, error) {
	id, err := c.idOf(kind, name)
	if err == nil {
		return c.existing(kind, id)
	}
	if !invisible(err) {
		return iam.Resource{}, err
	}
	r := iam.Resource{ARN: c.arn(kind, name), Keys: c.ownKeys()}
	c.fromTemplate(kind, r.Keys)
	return r, nil
}

// idOf finds the ID of a resource of those kinds that requests may name.
func (c *collection) idOf(kind, name string) (string, error) {
	switch kind {
	case "launch-template":
		t, err := c.tx.LaunchTemplateByName(c.who.Region, c.who.Account, name)
		if err != nil {
			return "", err
		}
		return string(t.ID), nil
	case "key-pair":
		k, err := c.tx.KeyPairByName(c.who.Region, c.who.Account, name)
		if err != nil {
			return "", err
		}
		return string(k.ID), nil
	case "security-group":
		g, err := c.groupByName(name)
		if err != nil {
			return "", err
		}
		return string(g.ID), nil
	}
	return "", metadb.ErrNotFound
}

// invisible reports whether an error says that a thing is not there, or not for
// the caller to see, and not that the database is in trouble.
func invisible(err error) bool {
	var e *origami.Error
	return errors.As(err, &e) || errors.Is(err, metadb.ErrNotFound)
}

// ownKeys are the keys of the request, for a resource to add its own.
func (c *collection) ownKeys() policy.Keys {
	keys := make(policy.Keys, len(c.keys)+16)
	for k, v := range c.keys {
		keys[k] = v[:len(v):len(v)]
	}
	return keys
}

// tags adds the caller's tags of a resource.
func (c *collection) tags(keys policy.Keys, ids ...string) error {
	if len(ids) != 1 {
		return nil
	}
	all, err := c.tx.Tags(c.who.Region, c.who.Account, ids[0])
	if err != nil {
		if invisible(err) { // what is no ID has no tags
			return nil
		}
		return err
	}
	for k, v := range all[ids[0]] {
		keys.Set("aws:ResourceTag/"+k, v)
		keys.Set("ec2:ResourceTag/"+k, v)
	}
	return nil
}

// describe adds the keys of a resource and returns its ID in ARNs.
func (c *collection) describe(kind, id string, keys policy.Keys) (string, error) {
	region, account := c.who.Region, c.who.Account
	switch kind {
	case "image":
		i, err := c.tx.Image(region, account, origami.ImageID(id))
		if err == nil {
			if err := c.imageKeys(keys, i); err != nil {
				return id, err
			}
		}
		return id, err
	case "snapshot":
		s, err := c.tx.Snapshot(region, account, origami.SnapshotID(id))
		if err != nil && invisible(err) {
			s, err = c.tx.RecycledSnapshot(region, account, origami.SnapshotID(id))
		}
		if err == nil {
			c.snapshotKeys(keys, s)
		}
		return id, err
	case "volume":
		v, err := c.tx.Volume(region, account, origami.VolumeID(id))
		if err != nil && invisible(err) {
			v, err = c.tx.RecycledVolume(region, account, origami.VolumeID(id))
		}
		if err == nil {
			keys.Set("ec2:VolumeID", id)
			c.volumeKeys(keys, v.Zone, v.Shape(), v.Encrypted, v.Snapshot)
		}
		return id, err
	case "instance":
		i, err := c.tx.Instance(region, account, origami.InstanceID(id))
		if err == nil {
			keys.Set("ec2:InstanceID", id)
			keys.Set("ec2:InstanceType", i.Type)
			if i.Profile != "" {
				keys.Set("ec2:InstanceProfile", i.Profile)
			}
			c.instanceKeys(keys, i.Zone, i.RootDeviceType, i.EBSOptimized, i.Metadata)
		}
		return id, err
	case "security-group":
		return id, c.describeGroup(id, keys)
	case "key-pair":
		return c.describeKeyPair(id, keys)
	case "elastic-ip":
		return c.describeAddress(id, keys)
	}
	return id, c.describeNetwork(kind, id, keys)
}

// describeNetwork adds the keys of a network or of a part of one.
func (c *collection) describeNetwork(kind, id string, keys policy.Keys) error {
	switch kind {
	case "subnet":
		s, err := c.tx.Subnet(c.who.Region, c.who.Account, origami.SubnetID(id))
		if err != nil {
			return err
		}
		keys.Set("ec2:SubnetID", id)
		keys.Set("ec2:AvailabilityZone", s.Zone)
		keys.Set("ec2:Vpc", c.arn("vpc", string(s.VPC)))
	case "vpc":
		keys.Set("ec2:VpcID", id)
	case "network-interface":
		keys.Set("ec2:NetworkInterfaceID", id)
	}
	return nil
}

func (c *collection) describeGroup(id string, keys policy.Keys) error {
	g, err := c.tx.SecurityGroup(c.who.Region, c.who.Account, origami.SecurityGroupID(id))
	if err != nil {
		return err
	}
	keys.Set("ec2:SecurityGroupID", string(g.ID))
	keys.Set("ec2:Vpc", c.arn("vpc", string(g.VPC)))
	return nil
}

// groupByName finds a security group of the default VPC.
func (c *collection) groupByName(name string) (*origami.SecurityGroup, error) {
	v, err := c.server.vpc.DefaultVPC(c.tx, c.who)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: c.who.Region, Viewer: c.who.Account, Filters: []origami.Filter{
		{Name: "vpc-id", Values: []string{string(v.ID)}}, {Name: "group-name", Values: []string{escapeFilter(name)}},
	}}
	for g, err := range c.tx.SecurityGroups(q) {
		if err != nil {
			return nil, err
		}
		if g.VPC == v.ID && g.Name == name {
			return g, nil
		}
	}
	return nil, metadb.ErrNotFound
}

// escapeFilter is text for a filter to take by the letter.
func escapeFilter(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

// describeKeyPair adds the keys of a key pair and returns its name, which ARNs
// have.
func (c *collection) describeKeyPair(id string, keys policy.Keys) (string, error) {
	k, err := c.tx.KeyPair(c.who.Region, c.who.Account, origami.KeyPairID(id))
	if err != nil {
		return id, err
	}
	keys.Set("ec2:KeyPairName", k.Name)
	keys.Set("ec2:KeyPairType", k.Type)
	keys.Set("ec2:KeyPairID", string(k.ID))
	return k.Name, nil
}

// describeAddress finds an elastic address by its allocation, its association
// or the address itself.
func (c *collection) describeAddress(id string, keys policy.Keys) (string, error) {
	for a, err := range c.tx.Addresses(metadb.Query{Region: c.who.Region, Viewer: c.who.Account}) {
		if err != nil {
			return id, err
		}
		if string(a.ID) == id || a.PublicIP.String() == id || a.Association == id {
			keys.Set("ec2:AllocationId", string(a.ID))
			keys.Set("ec2:PublicIpAddress", a.PublicIP.String())
			return string(a.ID), nil
		}
	}
	return id, nil
}

// imageKeys adds the keys of an image. An account that publishes under an alias
// is known by that as well.
func (c *collection) imageKeys(keys policy.Keys, i *origami.Image) error {
	aliases, err := c.tx.OwnerAliases()
	if err != nil {
		return err
	}
	if alias := aliases[i.Owner]; alias != "" {
		keys.Set("ec2:Owner", alias)
	}
	keys.Set("aws:ResourceAccount", string(i.Owner))
	keys.Set("ec2:ImageID", string(i.ID))
	keys.Set("ec2:ImageType", i.ImageType)
	keys.Set("ec2:Owner", string(i.Owner))
	keys.Set("ec2:Public", strconv.FormatBool(i.Public))
	keys.Set("ec2:RootDeviceType", i.RootDeviceType)
	return nil
}

func (c *collection) snapshotKeys(keys policy.Keys, s *origami.Snapshot) {
	keys.Set("aws:ResourceAccount", string(s.Owner))
	keys.Set("ec2:SnapshotID", string(s.ID))
	keys.Set("ec2:Owner", string(s.Owner))
	keys.Set("ec2:ParentVolume", c.arn("volume", string(s.Volume)))
	keys.Set("ec2:SnapshotTime", s.Started.UTC().Format(time.RFC3339))
	keys.Set("ec2:VolumeSize", strconv.FormatInt(s.VolumeSize, 10))
	keys.Set("ec2:Encrypted", strconv.FormatBool(s.Encrypted))
}

// volumeKeys adds the keys of a volume, made or to be made.
func (c *collection) volumeKeys(keys policy.Keys, zone string, shape origami.VolumeShape, encrypted bool, snapshot origami.SnapshotID) {
	if zone != "" {
		keys.Set("ec2:AvailabilityZone", zone)
	}
	if shape.Type != "" {
		keys.Set("ec2:VolumeType", string(shape.Type))
	}
	for name, n := range map[string]int64{"VolumeSize": shape.Size, "VolumeIops": shape.IOPS, "VolumeThroughput": shape.Throughput} {
		if n > 0 {
			keys.Set("ec2:"+name, strconv.FormatInt(n, 10))
		}
	}
	keys.Set("ec2:Encrypted", strconv.FormatBool(encrypted))
	if snapshot != "" {
		keys.Set("ec2:ParentSnapshot", c.arn("snapshot", string(snapshot)))
	}
}

// instanceKeys adds the keys of an instance, made or to be made.
func (c *collection) instanceKeys(keys policy.Keys, zone, root string, optimized bool, m origami.MetadataOptions) {
	if zone != "" {
		keys.Set("ec2:AvailabilityZone", zone)
	}
	keys.Set("ec2:EbsOptimized", strconv.FormatBool(optimized))
	keys.Set("ec2:RootDeviceType", root)
	keys.Set("ec2:Tenancy", "default")
	keys.Set("ec2:InstanceMarketType", "on-demand")
	for name, v := range map[string]string{
		"MetadataHttpEndpoint": m.Endpoint, "MetadataHttpTokens": m.Tokens, "InstanceMetadataTags": m.InstanceTags,
	} {
		if v != "" {
			keys.Set("ec2:"+name, v)
		}
	}
	if m.HopLimit > 0 {
		keys.Set("ec2:MetadataHttpPutResponseHopLimit", strconv.Itoa(m.HopLimit))
	}
}
