package ec2server

import (
	"context"
	"net/url"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// CopySnapshot promises a copy of a snapshot of this or another region.
func (s *Server) CopySnapshot(ctx context.Context, who origami.Caller, in *ec2api.CopySnapshotInput) (*ec2api.CopySnapshotOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SourceSnapshotId))
	if err != nil {
		return nil, err
	}
	region, err := s.findRegion(deref(in.SourceRegion))
	if err != nil {
		return nil, err
	}
	if d := origami.Region(deref(in.DestinationRegion)); d != "" && d != who.Region {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.64s) for parameter destinationRegion is invalid. The request was sent to %s.", d, who.Region)
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "snapshot")
	if err != nil {
		return nil, err
	}
	var minutes *int64
	if m := in.CompletionDurationMinutes; m != nil {
		minutes = ptr(int64(*m))
	}
	r := ebs.CopyRequest{
		Source: id, SourceRegion: region, Description: deref(in.Description),
		Encryption: ebs.Encryption{Encrypted: in.Encrypted, Key: deref(in.KmsKeyId)},
		Minutes:    minutes, Tags: tags["snapshot"],
	}
	if in.PresignedUrl != nil && !presigns(*in.PresignedUrl, id, region, who.Region) {
		r.Fault = "The presigned URL is not one of this copy"
	}
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.CopySnapshot(tx, who, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.CopySnapshotOutput{SnapshotId: text(snap.ID), Tags: wireTags(r.Tags)}, nil
}

// presigns reports whether a presigned URL is one for this copy. In AWS it is
// how the destination speaks for the caller in the source region. Here one
// service has both, and asks whether the caller may use the source, which is
// more than the signature of the URL could say.
func presigns(text string, id origami.SnapshotID, from, to origami.Region) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > 1<<14 {
		return false
	}
	q := u.Query()
	return q.Get("Action") == "CopySnapshot" && q.Get("SourceSnapshotId") == string(id) &&
		q.Get("SourceRegion") == string(from) && q.Get("DestinationRegion") == string(to)
}
