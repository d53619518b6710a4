package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// ResetInstanceAttribute gives an attribute the value that instances begin
// with. Of the three that EC2 resets, the source/destination check is always
// on here, and instances of hvm images have neither kernel nor RAM disk.
func (s *Server) ResetInstanceAttribute(ctx context.Context, who origami.Caller, in *ec2api.ResetInstanceAttributeInput) (*ec2api.ResetInstanceAttributeOutput, error) {
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
	switch name := deref(in.Attribute); name {
	case "sourceDestCheck":
	case "kernel", "ramdisk":
		if i.State != origami.InstanceStopped {
			return nil, instance.NotStopped(id)
		}
	default:
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The attribute '%s' cannot be reset. Valid attributes are kernel, ramdisk and sourceDestCheck.", name)
	}
	return &ec2api.ResetInstanceAttributeOutput{}, nil
}
