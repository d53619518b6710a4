package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// GetPasswordData returns the password that a Windows guest encrypted for its
// key pair. No guest of this service has posted one, so it is always empty, as
// it is on EC2 for Linux.
func (s *Server) GetPasswordData(ctx context.Context, who origami.Caller, in *ec2api.GetPasswordDataInput) (*ec2api.GetPasswordDataOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	var i *origami.Instance
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		i, err = tx.Instance(who.Region, who.Account, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.GetPasswordDataOutput{InstanceId: text(id), PasswordData: ptr(""), Timestamp: ptr(i.Launched)}, nil
}
