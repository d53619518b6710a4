package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// ResetEbsDefaultKmsKeyId goes back to the key that EBS has in every account.
func (s *Server) ResetEbsDefaultKmsKeyId(ctx context.Context, who origami.Caller, _ *ec2api.ResetEbsDefaultKmsKeyIdInput) (*ec2api.ResetEbsDefaultKmsKeyIdOutput, error) {
	key, err := s.setDefaultKey(ctx, who, "")
	if err != nil {
		return nil, err
	}
	return &ec2api.ResetEbsDefaultKmsKeyIdOutput{KmsKeyId: key}, nil
}
