package ebsserver

import (
	"context"

	"origami"
	"origami/internal/optional"
	"origami/internal/restjson"
)

type listChangedBlocksInput struct {
	FirstSnapshotID    *string `query:"firstSnapshotId" max:"64"`
	SecondSnapshotID   *string `uri:"secondSnapshotId" min:"1" max:"64"`
	NextToken          *string `query:"pageToken"`
	MaxResults         *int32  `query:"maxResults" min:"1" max:"10000"`
	StartingBlockIndex *int64  `query:"startingBlockIndex" min:"0"`
}

type listChangedBlocksOutput struct {
	ChangedBlocks []changedBlock
	ExpiryTime    restjson.Time
	VolumeSize    int64
	BlockSize     int32
	NextToken     *string `json:",omitempty"`
}

type changedBlock struct {
	BlockIndex       int64
	FirstBlockToken  *string `json:",omitempty"`
	SecondBlockToken *string `json:",omitempty"`
}

// listChangedBlocks lists the blocks in which two snapshots of one lineage
// differ.
func (s *server) listChangedBlocks(ctx context.Context, who origami.Caller, in *listChangedBlocksInput) (*listChangedBlocksOutput, error) {
	second, err := s.readable(ctx, who, *in.SecondSnapshotID)
	if err != nil {
		return nil, err
	}
	if optional.Value(in.FirstSnapshotID) == "" {
		return nil, invalid(origami.ReasonInvalidParameterValue, "The request must contain the parameter firstSnapshotId.")
	}
	first, err := s.readable(ctx, who, *in.FirstSnapshotID)
	if err != nil {
		return nil, err
	}
	pages := s.seal("changes", string(second.Region), string(first.ID), string(second.ID))
	from, limit, err := s.page(pages, in.NextToken, in.MaxResults, in.StartingBlockIndex)
	if err != nil {
		return nil, err
	}
	list, more, err := s.ebs.ListChanges(ctx, first, second, from, limit)
	if err != nil {
		return nil, err
	}
	expires := s.now().Add(blockTokenLife)
	out := &listChangedBlocksOutput{
		ChangedBlocks: make([]changedBlock, len(list)), ExpiryTime: restjson.Time(expires), VolumeSize: second.VolumeSize, BlockSize: blockSize,
	}
	a, b := s.blockSeal(first), s.blockSeal(second)
	for i, c := range list {
		out.ChangedBlocks[i].BlockIndex = c.Block
		if c.First {
			out.ChangedBlocks[i].FirstBlockToken = a.token(c.Block, expires)
		}
		if c.Second {
			out.ChangedBlocks[i].SecondBlockToken = b.token(c.Block, expires)
		}
	}
	if more {
		out.NextToken = pages.token(list[len(list)-1].Block+1, s.now().Add(pageTokenLife))
	}
	return out, nil
}
