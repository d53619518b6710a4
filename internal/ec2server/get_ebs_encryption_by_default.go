package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// GetEbsEncryptionByDefault says whether everything new is encrypted unasked.
func (s *Server) GetEbsEncryptionByDefault(ctx context.Context, who origami.Caller, _ *ec2api.GetEbsEncryptionByDefaultInput) (*ec2api.GetEbsEncryptionByDefaultOutput, error) {
	var on bool
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		on, err = s.ebs.EncryptionByDefault(tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	kind := "none"
	if on {
		kind = "sse-kms"
	}
	return &ec2api.GetEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: &on, SseType: &kind}, nil
}

// setEncryptionByDefault decides whether everything new is encrypted unasked.
func (s *Server) setEncryptionByDefault(ctx context.Context, who origami.Caller, on bool) (*bool, error) {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.SetEncryptionByDefault(tx, who, on) })
	if err != nil {
		return nil, err
	}
	return &on, nil
}
