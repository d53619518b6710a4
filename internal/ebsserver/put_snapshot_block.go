package ebsserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"

	"origami"
	"origami/internal/optional"
)

type putSnapshotBlockInput struct {
	SnapshotID        *string           `uri:"snapshotId" min:"1" max:"64"`
	BlockIndex        *int64            `uri:"blockIndex" min:"0"`
	BlockData         []byte            `payload:"true"`
	BlockSum          [sha256.Size]byte `payload:"sha256"`
	DataLength        *int32            `header:"x-amz-Data-Length" required:"true"`
	Progress          *int32            `header:"x-amz-Progress" min:"0" max:"100"`
	Checksum          *string           `header:"x-amz-Checksum" required:"true" max:"64"`
	ChecksumAlgorithm *string           `header:"x-amz-Checksum-Algorithm" required:"true" max:"32"`
}

type putSnapshotBlockOutput struct {
	Checksum          *string `json:"-" header:"x-amz-Checksum"`
	ChecksumAlgorithm *string `json:"-" header:"x-amz-Checksum-Algorithm"`
}

// putSnapshotBlock writes a block of a pending snapshot.
func (s *server) putSnapshotBlock(ctx context.Context, who origami.Caller, in *putSnapshotBlockInput) (*putSnapshotBlockOutput, error) {
	id, err := parseSnapshotID(*in.SnapshotID)
	if err != nil {
		return nil, err
	}
	want, err := parseChecksum(in.Checksum, in.ChecksumAlgorithm)
	if err != nil {
		return nil, err
	}
	if *in.DataLength != blockSize || len(in.BlockData) != blockSize {
		return nil, invalid(origami.ReasonInvalidBlock, "The block has %d bytes, and its length is given as %d. It must be %d.",
			len(in.BlockData), *in.DataLength, blockSize)
	}
	// The one hash of the block: it is its checksum and its identity.
	if in.BlockSum != want {
		return nil, invalid(origami.ReasonInvalidBlock, "The checksum of the block differs from the given one.")
	}
	progress := -1
	if in.Progress != nil {
		progress = int(*in.Progress)
	}
	if err := s.ebs.PutBlock(ctx, who, id, *in.BlockIndex, in.BlockSum, in.BlockData, progress); err != nil {
		return nil, err
	}
	return &putSnapshotBlockOutput{Checksum: in.Checksum, ChecksumAlgorithm: new(sha256Alg)}, nil
}

// parseChecksum reads a SHA-256 in base64.
func parseChecksum(checksum, algorithm *string) (sum [sha256.Size]byte, err error) {
	if optional.Value(algorithm) != sha256Alg {
		return sum, invalid(origami.ReasonInvalidParameterValue, "The checksum algorithm %.32q is not %s.", optional.Value(algorithm), sha256Alg)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(optional.Value(checksum))
	if err != nil || len(raw) != sha256.Size {
		return sum, invalid(origami.ReasonInvalidParameterValue, "The checksum is not the base64 of a SHA-256.")
	}
	return [sha256.Size]byte(raw), nil
}

func formatChecksum(sum [sha256.Size]byte) *string {
	return new(base64.StdEncoding.EncodeToString(sum[:]))
}
