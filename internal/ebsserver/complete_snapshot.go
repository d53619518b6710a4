package ebsserver

import (
	"context"

	"origami"
	"origami/internal/optional"
)

type completeSnapshotInput struct {
	SnapshotID                *string `uri:"snapshotId" min:"1" max:"64"`
	ChangedBlocksCount        *int64  `header:"x-amz-ChangedBlocksCount" required:"true" min:"0"`
	Checksum                  *string `header:"x-amz-Checksum" max:"64"`
	ChecksumAlgorithm         *string `header:"x-amz-Checksum-Algorithm" max:"32"`
	ChecksumAggregationMethod *string `header:"x-amz-Checksum-Aggregation-Method" max:"32"`
}

type completeSnapshotOutput struct {
	Status *string
}

// completeSnapshot seals a pending snapshot.
func (s *server) completeSnapshot(ctx context.Context, who origami.Caller, in *completeSnapshotInput) (*completeSnapshotOutput, error) {
	id, err := parseSnapshotID(*in.SnapshotID)
	if err != nil {
		return nil, err
	}
	var sum *[32]byte
	if in.Checksum != nil || in.ChecksumAlgorithm != nil || in.ChecksumAggregationMethod != nil {
		if m := in.ChecksumAggregationMethod; m == nil || *m != linear {
			return nil, invalid(origami.ReasonInvalidParameterValue, "The checksum aggregation method %.32q is not %s.", optional.Value(m), linear)
		}
		parsed, err := parseChecksum(in.Checksum, in.ChecksumAlgorithm)
		if err != nil {
			return nil, err
		}
		sum = &parsed
	}
	state, err := s.ebs.CompleteUpload(ctx, who, id, *in.ChangedBlocksCount, sum)
	if err != nil {
		return nil, err
	}
	return &completeSnapshotOutput{Status: optional.Text(state)}, nil
}
