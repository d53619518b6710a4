package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ModifyEbsDefaultKmsKeyId chooses the key that encrypts where a request names
// none.
func (s *Server) ModifyEbsDefaultKmsKeyId(ctx context.Context, who origami.Caller, in *ec2api.ModifyEbsDefaultKmsKeyIdInput) (*ec2api.ModifyEbsDefaultKmsKeyIdOutput, error) {
	if deref(in.KmsKeyId) == "" {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter KmsKeyId")
	}
	key, err := s.setDefaultKey(ctx, who, *in.KmsKeyId)
	if err != nil {
		return nil, err
	}
	return &ec2api.ModifyEbsDefaultKmsKeyIdOutput{KmsKeyId: key}, nil
}

func (s *Server) setDefaultKey(ctx context.Context, who origami.Caller, ref string) (*string, error) {
	var key string
	err := s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		key, err = s.ebs.SetDefaultKey(tx, who, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &key, nil
}
