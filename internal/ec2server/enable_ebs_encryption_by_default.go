package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// EnableEbsEncryptionByDefault has everything new encrypted unasked.
func (s *Server) EnableEbsEncryptionByDefault(ctx context.Context, who origami.Caller, _ *ec2api.EnableEbsEncryptionByDefaultInput) (*ec2api.EnableEbsEncryptionByDefaultOutput, error) {
	on, err := s.setEncryptionByDefault(ctx, who, true)
	if err != nil {
		return nil, err
	}
	return &ec2api.EnableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: on}, nil
}
