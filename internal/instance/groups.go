package instance

import (
	"context"

	"origami"
	"origami/internal/metadb"
)

// SetGroups replaces the security groups of an instance of the caller's. A
// machine that runs obeys them when SetGroups returns.
func (s *Service) SetGroups(ctx context.Context, who origami.Caller, id origami.InstanceID, groups []origami.SecurityGroupID) error {
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		i, err := tx.Instance(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		if i.State == origami.InstanceTerminated || i.State == origami.InstanceShuttingDown {
			return wrongState(i, "modified")
		}
		sub, err := tx.Subnet(who.Region, who.Account, i.Subnet)
		if err != nil {
			return err
		}
		checked, err := s.VPC.Groups(tx, who, sub, groups)
		if err != nil {
			return err
		}
		_, err = tx.UpdateInstance(who.Region, id, func(i *origami.Instance) error {
			i.SecurityGroups = checked
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	return s.VPC.Regroup(ctx, who.Region, id)
}
