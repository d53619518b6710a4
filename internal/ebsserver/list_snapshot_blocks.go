package ebsserver

import (
	"context"

	"origami"
	"origami/internal/optional"
	"origami/internal/restjson"
)

// Bounds of pages. Fewer than leastResults may be asked for, and are answered
// as if it were that many.
const (
	leastResults   = 100
	mostResults    = 10000
	defaultResults = 1000
)

type listSnapshotBlocksInput struct {
	SnapshotID         *string `uri:"snapshotId" min:"1" max:"64"`
	NextToken          *string `query:"pageToken"`
	MaxResults         *int32  `query:"maxResults" min:"1" max:"10000"`
	StartingBlockIndex *int64  `query:"startingBlockIndex" min:"0"`
}

type listSnapshotBlocksOutput struct {
	Blocks     []block
	ExpiryTime restjson.Time
	VolumeSize int64
	BlockSize  int32
	NextToken  *string `json:",omitempty"`
}

type block struct {
	BlockIndex int64
	BlockToken *string
}

// listSnapshotBlocks lists the blocks of a snapshot that hold data.
func (s *server) listSnapshotBlocks(ctx context.Context, who origami.Caller, in *listSnapshotBlocksInput) (*listSnapshotBlocksOutput, error) {
	snap, err := s.readable(ctx, who, *in.SnapshotID)
	if err != nil {
		return nil, err
	}
	pages := s.seal("blocks", string(snap.Region), string(snap.ID))
	from, limit, err := s.page(pages, in.NextToken, in.MaxResults, in.StartingBlockIndex)
	if err != nil {
		return nil, err
	}
	list, more, err := s.ebs.ListBlocks(ctx, snap, from, limit)
	if err != nil {
		return nil, err
	}
	expires := s.now().Add(blockTokenLife)
	out := &listSnapshotBlocksOutput{
		Blocks: make([]block, len(list)), ExpiryTime: restjson.Time(expires), VolumeSize: snap.VolumeSize, BlockSize: blockSize,
	}
	tokens := s.blockSeal(snap)
	for i, n := range list {
		out.Blocks[i] = block{n, tokens.token(n, expires)}
	}
	if more {
		out.NextToken = pages.token(list[len(list)-1]+1, s.now().Add(pageTokenLife))
	}
	return out, nil
}

// page tells where a page begins and how long it is. A token comes before a
// starting block.
func (s *server) page(pages *seal, token *string, most *int32, start *int64) (from int64, limit int, err error) {
	limit = defaultResults
	if most != nil {
		limit = min(max(int(*most), leastResults), mostResults)
	}
	if optional.Value(token) == "" {
		return optional.Value(start), limit, nil
	}
	from, ok := pages.open(*token, s.now())
	if !ok {
		return 0, 0, invalid(origami.ReasonInvalidPageToken, "The page token is not valid for this request, or has expired.")
	}
	return from, limit, nil
}
