package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// GetEbsEncryptionByDefault says whether new volumes are encrypted unasked.
// They are not: there are no keys to encrypt with.
func (s *Server) GetEbsEncryptionByDefault(context.Context, origami.Caller, *ec2api.GetEbsEncryptionByDefaultInput) (*ec2api.GetEbsEncryptionByDefaultOutput, error) {
	return &ec2api.GetEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: ptr(false), SseType: ptr("none")}, nil
}
