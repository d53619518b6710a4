package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// DisableEbsEncryptionByDefault takes EnableEbsEncryptionByDefault back.
func (s *Server) DisableEbsEncryptionByDefault(ctx context.Context, who origami.Caller, _ *ec2api.DisableEbsEncryptionByDefaultInput) (*ec2api.DisableEbsEncryptionByDefaultOutput, error) {
	on, err := s.setEncryptionByDefault(ctx, who, false)
	if err != nil {
		return nil, err
	}
	return &ec2api.DisableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: on}, nil
}
