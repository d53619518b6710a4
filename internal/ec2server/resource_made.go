package ec2server

import (
	"strconv"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
	"origami/internal/policy"
)

// made is a resource that a request makes. Of its ID nothing is known, but of
// what it will be.
func (c *collection) made(kind string) iam.Resource {
	r := iam.Resource{ARN: c.arn(kind, "*"), Keys: c.ownKeys()}
	c.fromTemplate(kind, r.Keys)
	requestTags(r.Keys, c.tagged[kind])
	switch in := c.in.(type) {
	case *ec2api.CreateVolumeInput:
		if kind == "volume" {
			c.volumeKeys(r.Keys, deref(in.AvailabilityZone), c.volumeShape(in.VolumeType, in.Size, in.Iops, in.Throughput, deref(in.SnapshotId)),
				c.encrypted(deref(in.Encrypted), deref(in.SnapshotId)), origami.SnapshotID(deref(in.SnapshotId)))
			setIf(r.Keys, "ec2:KmsKeyId", in.KmsKeyId)
		}
	case *ec2api.CopyVolumesInput:
		if kind == "volume" {
			c.volumeCopyKeys(r.Keys, in)
		}
	case *ec2api.CreateSnapshotInput:
		if kind == "snapshot" {
			c.newSnapshotKeys(r.Keys, origami.VolumeID(deref(in.VolumeId)))
		}
	case *ec2api.RunInstancesInput:
		c.launchKeys(r.Keys, kind, in)
	case *ec2api.CreateKeyPairInput:
		setIf(r.Keys, "ec2:KeyPairName", in.KeyName)
		setIf(r.Keys, "ec2:KeyPairType", in.KeyType)
	case *ec2api.ImportKeyPairInput:
		setIf(r.Keys, "ec2:KeyPairName", in.KeyName)
	}
	switch kind {
	case "image", "snapshot":
		r.Keys.Set("ec2:Owner", string(c.who.Account))
		r.Keys.Set("aws:ResourceAccount", string(c.who.Account))
	}
	return r
}

func setIf(keys policy.Keys, name string, value *string) {
	if value != nil {
		keys.Set(name, *value)
	}
}

// volumeShape is what a new volume will be like, as far as the request or the
// snapshot says.
func (c *collection) volumeShape(kind *string, size, iops, throughput *int32, snapshot string) origami.VolumeShape {
	shape := origami.VolumeShape{
		Type: origami.VolumeType(deref(kind)), Size: int64(deref(size)), IOPS: int64(deref(iops)), Throughput: int64(deref(throughput)),
	}
	if shape.Type == "" {
		shape.Type = origami.GP2
	}
	if shape.Size == 0 {
		shape.Size = c.sizeOf(snapshot)
	}
	return shape
}

// sizeOf is the size of the volumes of a snapshot, 0 if it is not known.
func (c *collection) sizeOf(snapshot string) int64 {
	if snapshot == "" {
		return 0
	}
	s, err := c.tx.Snapshot(c.who.Region, c.who.Account, origami.SnapshotID(snapshot))
	if err != nil {
		return 0
	}
	return s.VolumeSize
}

// encrypted tells whether a new volume will be encrypted: because the request
// or the snapshot says so, or because all are in the account. What cannot be
// found out is for the operation to complain about.
func (c *collection) encrypted(asked bool, snapshot string) bool {
	if asked {
		return true
	}
	if snapshot != "" {
		if s, err := c.tx.Snapshot(c.who.Region, c.who.Account, origami.SnapshotID(snapshot)); err == nil && s.Encrypted {
			return true
		}
	}
	all, err := c.server.ebs.EncryptionByDefault(c.tx, c.who)
	return err == nil && all
}

// volumeCopyKeys adds what the copy of a volume will be like.
func (c *collection) volumeCopyKeys(keys policy.Keys, in *ec2api.CopyVolumesInput) {
	source, err := c.tx.Volume(c.who.Region, c.who.Account, origami.VolumeID(deref(in.SourceVolumeId)))
	if err != nil { // for the operation to complain about
		source = &origami.Volume{}
	}
	shape := c.volumeShape(in.VolumeType, in.Size, in.Iops, in.Throughput, "")
	if shape.Size == 0 {
		shape.Size = source.Size
	}
	c.volumeKeys(keys, source.Zone, shape, source.Encrypted || c.encrypted(deref(in.Encrypted) || in.KmsKeyId != nil, ""), "")
	setIf(keys, "ec2:KmsKeyId", in.KmsKeyId)
}

// newSnapshotKeys adds what a snapshot of a volume will be like.
func (c *collection) newSnapshotKeys(keys policy.Keys, id origami.VolumeID) {
	keys.Set("ec2:ParentVolume", c.arn("volume", string(id)))
	if v, err := c.tx.Volume(c.who.Region, c.who.Account, id); err == nil {
		keys.Set("ec2:VolumeSize", strconv.FormatInt(v.Size, 10))
	}
}
