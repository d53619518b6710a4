package ebsserver

import (
	"context"

	"origami"
)

type getSnapshotBlockInput struct {
	SnapshotID *string `uri:"snapshotId" min:"1" max:"64"`
	BlockIndex *int64  `uri:"blockIndex" min:"0"`
	BlockToken *string `query:"blockToken" required:"true"`
}

type getSnapshotBlockOutput struct {
	DataLength        *int32  `header:"x-amz-Data-Length"`
	Checksum          *string `header:"x-amz-Checksum"`
	ChecksumAlgorithm *string `header:"x-amz-Checksum-Algorithm"`
	BlockData         []byte  `payload:"true"`

	release func()
}

// Release gives the bytes of the block back, once they are written.
func (o *getSnapshotBlockOutput) Release() { o.release() }

// getSnapshotBlock reads a block of a snapshot.
func (s *server) getSnapshotBlock(ctx context.Context, who origami.Caller, in *getSnapshotBlockInput) (*getSnapshotBlockOutput, error) {
	snap, err := s.readable(ctx, who, *in.SnapshotID)
	if err != nil {
		return nil, err
	}
	if n, ok := s.blockSeal(snap).open(*in.BlockToken, s.now()); !ok || n != *in.BlockIndex {
		return nil, invalid(origami.ReasonInvalidBlockToken, "The block token is not valid for block %d of %s, or has expired.", *in.BlockIndex, snap.ID)
	}
	buf := s.buffers.Get().(*[blockSize]byte)
	sum, err := s.ebs.ReadSnapshotBlock(ctx, snap, *in.BlockIndex, buf[:])
	if err != nil {
		s.buffers.Put(buf)
		return nil, err
	}
	return &getSnapshotBlockOutput{
		DataLength: new(int32(blockSize)), Checksum: formatChecksum(sum), ChecksumAlgorithm: new(sha256Alg), BlockData: buf[:],
		release: func() { s.buffers.Put(buf) },
	}, nil
}
