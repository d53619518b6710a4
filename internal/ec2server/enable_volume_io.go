package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// EnableVolumeIO lets I/O to a volume go on after its data was found to be
// inconsistent. Here it always does: bytes that do not match are not returned,
// and nothing else of the volume stops.
func (s *Server) EnableVolumeIO(ctx context.Context, who origami.Caller, in *ec2api.EnableVolumeIOInput) (*ec2api.EnableVolumeIOOutput, error) {
	if _, err := s.volume(ctx, who, in.VolumeId); err != nil {
		return nil, err
	}
	return &ec2api.EnableVolumeIOOutput{}, nil
}
