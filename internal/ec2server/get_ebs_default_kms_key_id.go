package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// GetEbsDefaultKmsKeyId names the key that encrypts where a request names none.
func (s *Server) GetEbsDefaultKmsKeyId(ctx context.Context, who origami.Caller, _ *ec2api.GetEbsDefaultKmsKeyIdInput) (*ec2api.GetEbsDefaultKmsKeyIdOutput, error) {
	var key string
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		key, err = s.ebs.DefaultKey(tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.GetEbsDefaultKmsKeyIdOutput{KmsKeyId: &key}, nil
}
