package instance

import (
	"context"
	"net/netip"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// maxAddresses is how many elastic addresses an account has in a region.
const maxAddresses = 256

// AllocateAddress gives the caller an elastic address, out of the range of all
// public addresses.
func (s *Service) AllocateAddress(ctx context.Context, who origami.Caller, tags origami.Tags) (*origami.Address, error) {
	a := &origami.Address{ID: origami.NewAllocationID(), Region: who.Region, Owner: who.Account}
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		n := 0
		for _, err := range tx.Addresses(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if n++; n >= maxAddresses {
				return origami.Errorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
			}
		}
		var err error
		if a.PublicIP, err = tx.AllocatePublicIP(s.PublicPrefix); err != nil {
			return err
		}
		if err := tx.PutAddress(a); err != nil {
			return err
		}
		return putTags(tx, who, tags, string(a.ID))
	})
	return a, err
}

// ReleaseAddress gives an elastic address back, which nothing may have.
func (s *Service) ReleaseAddress(ctx context.Context, who origami.Caller, id origami.AllocationID) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		a, err := tx.Address(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		if a.Instance != "" {
			return origami.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
		}
		return tx.DeleteAddress(who.Region, id)
	})
}

// AssociateAddress makes an elastic address the public address of an instance.
// Another instance that has it loses it, unless strict says that this is an
// error. It returns the address as it is then.
func (s *Service) AssociateAddress(ctx context.Context, who origami.Caller, id origami.AllocationID, to origami.InstanceID, strict bool) (*origami.Address, error) {
	var out *origami.Address
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		a, err := tx.Address(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		i, err := tx.Instance(who.Region, who.Account, to)
		if err != nil {
			return err
		}
		if ended(i) {
			return origami.Errorf("InvalidInstanceID", "The instance '%s' is not in a valid state for this operation.", to)
		}
		if out = a; a.Instance == to {
			return nil
		}
		if a.Instance != "" {
			if strict {
				return origami.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.ID, a.Association)
			}
			if err := s.disassociate(tx, a); err != nil {
				return err
			}
		}
		if i.Allocation != "" {
			if err := freeAddress(tx, i.Region, i.Allocation); err != nil {
				return err
			}
		}
		out, err = tx.UpdateAddress(a.Region, a.ID, func(a *origami.Address) error {
			a.Instance, a.Association = to, "eipassoc-"+string(origami.NewAllocationID()[len("eipalloc-"):])
			return nil
		})
		if err != nil {
			return err
		}
		return s.setPublicIP(tx, i, a.ID, a.PublicIP)
	})
	return out, err
}

// DisassociateAddress takes an elastic address away from the instance that has
// it, which gets another public address if it was launched with one.
func (s *Service) DisassociateAddress(ctx context.Context, who origami.Caller, id origami.AllocationID) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		a, err := tx.Address(who.Region, who.Account, id)
		if err != nil || a.Instance == "" {
			return err
		}
		return s.disassociate(tx, a)
	})
}

func (s *Service) disassociate(tx *metadb.Tx, a *origami.Address) error {
	if err := freeAddress(tx, a.Region, a.ID); err != nil {
		return err
	}
	i, err := tx.Instance(a.Region, metadb.System, a.Instance)
	if err != nil {
		return err
	}
	other := netip.Addr{}
	if i.AssociatePublicIP && (i.State == origami.InstanceRunning || i.State == origami.InstancePending) {
		if other, err = tx.AllocatePublicIP(s.PublicPrefix); err != nil {
			return err
		}
	}
	return s.setPublicIP(tx, i, "", other)
}

// freeAddress notes that no instance has an elastic address.
func freeAddress(tx *metadb.Tx, region origami.Region, id origami.AllocationID) error {
	_, err := tx.UpdateAddress(region, id, func(a *origami.Address) error {
		a.Instance, a.Association = "", ""
		return nil
	})
	return err
}

// setPublicIP changes the public address of an instance, and that of its
// machine soon after.
func (s *Service) setPublicIP(tx *metadb.Tx, i *origami.Instance, id origami.AllocationID, a netip.Addr) error {
	i, err := tx.UpdateInstance(i.Region, i.ID, func(i *origami.Instance) error {
		i.Allocation, i.PublicIP = id, a
		return nil
	})
	if err != nil {
		return err
	}
	return s.queue(tx, taskAddress, i, nil)
}

// runAddress makes the network follow the row of an instance.
func (s *Service) runAddress(ctx context.Context, run *task.Run) error {
	m := s.machine(run.Task.Region, origami.InstanceID(run.Task.Resource))
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil {
		return err
	}
	if m.port == nil {
		return nil // it begins with the address that the row has
	}
	return m.port.SetPublic(i.PublicIP)
}

// releaseAddresses frees the elastic addresses of a terminated instance.
func (s *Service) releaseAddresses(tx *metadb.Tx, i *origami.Instance) error {
	var held []origami.AllocationID
	for a, err := range tx.Addresses(metadb.Query{
		Region: i.Region, Viewer: i.Owner, Filters: []origami.Filter{{Name: "instance-id", Values: []string{string(i.ID)}}},
	}) {
		if err != nil {
			return err
		}
		if a.Instance == i.ID {
			held = append(held, a.ID)
		}
	}
	for _, id := range held {
		if err := freeAddress(tx, i.Region, id); err != nil {
			return err
		}
	}
	return nil
}
