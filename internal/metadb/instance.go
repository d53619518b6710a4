package metadb

import (
	"iter"
	"net/netip"

	"origami"
)

var instances = &table[origami.Instance]{
	name: "instances", prefix: "i-",
	doc: documentOf[origami.Instance](),
	key: func(i *origami.Instance) (origami.Region, string, origami.AccountID) {
		return i.Region, string(i.ID), i.Owner
	},
	columns: []string{"state", "image", "reservation", "vpc", "subnet", "private_ip", "public_ip"},
	values: func(i *origami.Instance) []any {
		var private, public any
		if i.State != origami.InstanceTerminated {
			private, public = address(i.PrivateIP), address(i.PublicIP)
		}
		return []any{string(i.State), string(i.Image), string(i.Reservation), string(i.VPC), string(i.Subnet), private, public}
	},
	filters: map[string]filter{
		"instance-id":         {column: "id", selective: true},
		"image-id":            {column: "image", selective: true},
		"reservation-id":      {column: "reservation", selective: true},
		"vpc-id":              {column: "vpc"},
		"subnet-id":           {column: "subnet"},
		"instance-state-name": {column: "state"},
	},
}

// PutInstance inserts an instance. The error is InvalidIPAddress.InUse if
// another one that is not terminated holds its private address in the subnet,
// or its public address anywhere.
func (tx *Tx) PutInstance(i *origami.Instance) error {
	if err := tx.addressesFree(i); err != nil {
		return err
	}
	return instances.put(tx, i)
}

// addressesFree checks the addresses of i, and that nothing else holds them.
func (tx *Tx) addressesFree(i *origami.Instance) error {
	if i.State == origami.InstanceTerminated {
		return nil
	}
	const private = `SELECT id FROM instances WHERE region = ? AND subnet = ? AND private_ip = ? AND id <> ?`
	if err := tx.addressFree(i.PrivateIP, private, string(i.Region), string(i.Subnet), address(i.PrivateIP), string(i.ID)); err != nil {
		return err
	}
	const public = `SELECT id FROM instances WHERE public_ip = ? AND id <> ?`
	return tx.addressFree(i.PublicIP, public, address(i.PublicIP), string(i.ID))
}

// addressFree checks that a query for holders of an address finds none.
func (tx *Tx) addressFree(a netip.Addr, query string, args ...any) error {
	if !a.IsValid() {
		return nil
	}
	if !a.Is4() {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Address %s is not an IPv4 address", a)
	}
	_, taken, err := one[string](tx, query, args...)
	if err == nil && taken {
		err = origami.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a)
	}
	return err
}

// Instance is viewer's instance, or InvalidInstanceID.NotFound.
func (tx *Tx) Instance(region origami.Region, viewer origami.AccountID, id origami.InstanceID) (*origami.Instance, error) {
	return instances.get(tx, region, viewer, string(id))
}

// UpdateInstance changes an instance by f, as UpdateImage does an image.
func (tx *Tx) UpdateInstance(region origami.Region, id origami.InstanceID, f func(*origami.Instance) error) (*origami.Instance, error) {
	return instances.update(tx, region, string(id), func(i *origami.Instance) error {
		if err := f(i); err != nil {
			return err
		}
		return tx.addressesFree(i)
	})
}

// DeleteInstance removes an instance. Its volumes must be detached.
func (tx *Tx) DeleteInstance(region origami.Region, id origami.InstanceID) error {
	return instances.remove(tx, region, string(id))
}

// Instances yields the instances that q selects, by ID.
func (tx *Tx) Instances(q Query) iter.Seq2[*origami.Instance, error] { return instances.list(tx, q) }

// AllInstances yields the instances of all accounts and regions: for recovery,
// never for a request.
func (tx *Tx) AllInstances() iter.Seq2[*origami.Instance, error] { return instances.all(tx) }

// InstanceByPrivateIP is the instance that holds a private address in a VPC
// and is not terminated, or ErrNotFound.
func (tx *Tx) InstanceByPrivateIP(region origami.Region, vpc origami.VPCID, a netip.Addr) (*origami.Instance, error) {
	found, err := instances.where(tx, `t.region = ? AND t.vpc = ? AND t.private_ip = ?`, string(region), string(vpc), address(a))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return found[0], nil
}
