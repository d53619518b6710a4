package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DeleteKeyPair deletes a key pair by name or ID. Instances keep the key.
// Deleting what does not exist succeeds.
func (s *Server) DeleteKeyPair(ctx context.Context, who origami.Caller, in *ec2api.DeleteKeyPairInput) (*ec2api.DeleteKeyPairOutput, error) {
	if in.KeyName == nil && in.KeyPairId == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter KeyName or KeyPairId")
	}
	out := &ec2api.DeleteKeyPairOutput{Return: done()}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		k, err := findKeyPair(tx, who, in)
		if isCode(err, origami.CodeInvalidKeyPairNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		out.KeyPairId = text(k.ID)
		return tx.DeleteKeyPair(who.Region, k.ID)
	})
	return out, err
}

func findKeyPair(tx *metadb.Tx, who origami.Caller, in *ec2api.DeleteKeyPairInput) (*origami.KeyPair, error) {
	if in.KeyPairId == nil {
		return tx.KeyPairByName(who.Region, who.Account, *in.KeyName)
	}
	id, err := origami.ParseKeyPairID(*in.KeyPairId)
	if err != nil {
		return nil, err
	}
	k, err := tx.KeyPair(who.Region, who.Account, id)
	if err == nil && in.KeyName != nil && *in.KeyName != k.Name {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The key pair ID '%s' does not match the key name '%s'", id, *in.KeyName)
	}
	return k, err
}
