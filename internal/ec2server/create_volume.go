package ec2server

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// CreateVolume makes a volume, empty or of a snapshot.
func (s *Server) CreateVolume(ctx context.Context, who origami.Caller, in *ec2api.CreateVolumeInput) (*ec2api.CreateVolumeOutput, error) {
	shape, err := parseShape(in.Size, in.VolumeType, in.Iops, in.Throughput)
	if err != nil {
		return nil, err
	}
	r := ebs.VolumeRequest{Shape: shape, ClientToken: deref(in.ClientToken), Fingerprint: fingerprint(in)}
	if r.Zone, err = findZone(who.Region, in.AvailabilityZone, in.AvailabilityZoneId); err != nil {
		return nil, err
	}
	if in.SnapshotId != nil && *in.SnapshotId != "" { // some clients send it empty
		if r.Snapshot, err = origami.ParseSnapshotID(*in.SnapshotId); err != nil {
			return nil, err
		}
	}
	r.Encryption = ebs.Encryption{Encrypted: in.Encrypted, Key: deref(in.KmsKeyId)}
	tags, err := parseTagSpecifications(in.TagSpecifications, "volume")
	if err != nil {
		return nil, err
	}
	r.Tags = tags["volume"]
	var v *origami.Volume
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		v, err = s.ebs.CreateVolume(tx, who, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := ec2api.CreateVolumeOutput(wireVolume(v, r.Tags))
	out.FastRestored = nil // DescribeVolumes tells
	return &out, nil
}

// findZone finds the zone that a request gives by its name or its ID.
func findZone(region origami.Region, name, id *string) (string, error) {
	switch {
	case name != nil && id != nil:
		return "", origami.Errorf(origami.CodeInvalidParameterCombination, "The parameters availabilityZone and availabilityZoneId cannot be used together")
	case name == nil && id == nil:
		return "", origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter availabilityZone")
	}
	for _, z := range vpc.Zones(region) {
		if name != nil && z.Name == *name || id != nil && z.ID == *id {
			return z.Name, nil
		}
	}
	return "", origami.Errorf(origami.CodeInvalidZoneNotFound, "The zone '%s' does not exist.", deref(name)+deref(id))
}

// parseShape reads the size, type and performance that a request asks for.
func parseShape(size *int32, kind *string, iops, throughput *int32) (ebs.Shape, error) {
	for _, n := range []struct {
		name  string
		given *int32
	}{{"size", size}, {"iops", iops}, {"throughput", throughput}} {
		if n.given != nil && *n.given < 1 {
			return ebs.Shape{}, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter %s is invalid. It must be at least 1.", *n.given, n.name)
		}
	}
	return ebs.Shape{
		Type: origami.VolumeType(deref(kind)), Size: int64(deref(size)),
		IOPS: int64(deref(iops)), Throughput: int64(deref(throughput)),
	}, nil
}
