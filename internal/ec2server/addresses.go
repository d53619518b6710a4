package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// AllocateAddress gives the caller an elastic address.
func (s *Server) AllocateAddress(ctx context.Context, who origami.Caller, in *ec2api.AllocateAddressInput) (*ec2api.AllocateAddressOutput, error) {
	tags, err := parseTagSpecifications(in.TagSpecifications, "elastic-ip")
	if err != nil {
		return nil, err
	}
	a, err := s.instances.AllocateAddress(ctx, who, tags["elastic-ip"])
	if err != nil {
		return nil, err
	}
	return &ec2api.AllocateAddressOutput{
		AllocationId: text(a.ID), Domain: ptr("vpc"), NetworkBorderGroup: text(a.Region), PublicIp: text(addr(a.PublicIP)), PublicIpv4Pool: ptr("amazon"),
	}, nil
}

// ReleaseAddress gives an elastic address back.
func (s *Server) ReleaseAddress(ctx context.Context, who origami.Caller, in *ec2api.ReleaseAddressInput) (*ec2api.ReleaseAddressOutput, error) {
	a, err := s.findAddress(ctx, who, in.AllocationId, in.PublicIp, nil)
	if err != nil {
		return nil, err
	}
	return &ec2api.ReleaseAddressOutput{}, s.instances.ReleaseAddress(ctx, who, a.ID)
}

// AssociateAddress makes an elastic address the public address of an instance,
// which is named by itself or by its network interface.
func (s *Server) AssociateAddress(ctx context.Context, who origami.Caller, in *ec2api.AssociateAddressInput) (*ec2api.AssociateAddressOutput, error) {
	a, err := s.findAddress(ctx, who, in.AllocationId, in.PublicIp, nil)
	if err != nil {
		return nil, err
	}
	id, err := s.addressee(ctx, who, in)
	if err != nil {
		return nil, err
	}
	strict := in.AllowReassociation != nil && !*in.AllowReassociation
	if a, err = s.instances.AssociateAddress(ctx, who, a.ID, id, strict); err != nil {
		return nil, err
	}
	return &ec2api.AssociateAddressOutput{AssociationId: text(a.Association)}, nil
}

// addressee is the instance that is to get an address.
func (s *Server) addressee(ctx context.Context, who origami.Caller, in *ec2api.AssociateAddressInput) (origami.InstanceID, error) {
	switch {
	case in.InstanceId != nil && in.NetworkInterfaceId != nil:
		return "", origami.Errorf(origami.CodeInvalidParameterCombination, "You may specify an instance or a network interface, but not both.")
	case in.InstanceId != nil:
		return origami.ParseInstanceID(*in.InstanceId)
	case in.NetworkInterfaceId == nil:
		return "", origami.Errorf(origami.CodeMissingParameter, "Either instance ID or network interface id must be specified")
	}
	eni, err := origami.ParseNetworkInterfaceID(*in.NetworkInterfaceId)
	if err != nil {
		return "", err
	}
	var found origami.InstanceID
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for i, err := range tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if i.NetworkInterface == eni && i.State != origami.InstanceTerminated {
				found = i.ID
				return nil
			}
		}
		return origami.NotFound(eni)
	})
	return found, err
}

// DisassociateAddress takes an elastic address away from its instance.
func (s *Server) DisassociateAddress(ctx context.Context, who origami.Caller, in *ec2api.DisassociateAddressInput) (*ec2api.DisassociateAddressOutput, error) {
	a, err := s.findAddress(ctx, who, nil, in.PublicIp, in.AssociationId)
	if err != nil {
		return nil, err
	}
	return &ec2api.DisassociateAddressOutput{}, s.instances.DisassociateAddress(ctx, who, a.ID)
}

// findAddress finds an elastic address by its ID, by the address itself or by
// its association, whichever is given.
func (s *Server) findAddress(ctx context.Context, who origami.Caller, id, public, association *string) (*origami.Address, error) {
	missing := origami.Errorf(origami.CodeMissingParameter, "Either public IP or allocation id must be specified")
	switch {
	case id != nil:
		if _, err := origami.ParseAllocationID(*id); err != nil {
			return nil, err
		}
		missing = origami.NotFound(origami.AllocationID(*id)).(*origami.Error)
	case association != nil:
		missing = origami.Errorf("InvalidAssociationID.NotFound", "The association ID '%.64s' does not exist", *association)
	case public != nil:
		missing = origami.Errorf("InvalidAddress.NotFound", "Address '%.64s' not found.", *public)
	default:
		return nil, missing
	}
	var found *origami.Address
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for a, err := range tx.Addresses(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if (id == nil || string(a.ID) == *id) && (public == nil || a.PublicIP.String() == *public) &&
				(association == nil || a.Association == *association) {
				found = a
				return nil
			}
		}
		return missing
	})
	return found, err
}

// addressView is an elastic address with the instance that has it, if any.
type addressView struct {
	*origami.Address
	instance *origami.Instance
}

// addressProperties are the filters of DescribeAddresses.
var addressProperties = properties[addressView]{
	"allocation-id":              func(v addressView) []string { return one(v.ID) },
	"association-id":             func(v addressView) []string { return one(v.Association) },
	"domain":                     func(addressView) []string { return one("vpc") },
	"instance-id":                func(v addressView) []string { return one(v.Instance) },
	"network-border-group":       func(v addressView) []string { return one(v.Region) },
	"network-interface-id":       func(v addressView) []string { return one(v.holder().NetworkInterface) },
	"network-interface-owner-id": func(v addressView) []string { return one(v.holder().Owner) },
	"private-ip-address":         func(v addressView) []string { return one(addr(v.holder().PrivateIP)) },
	"public-ip":                  func(v addressView) []string { return one(addr(v.PublicIP)) },
}

func (v addressView) holder() *origami.Instance {
	if v.instance == nil {
		return new(origami.Instance)
	}
	return v.instance
}

// DescribeAddresses lists the caller's elastic addresses.
func (s *Server) DescribeAddresses(ctx context.Context, who origami.Caller, in *ec2api.DescribeAddressesInput) (*ec2api.DescribeAddressesOutput, error) {
	filters, err := addressProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, id := range in.AllocationIds {
		if _, err := s.findAddress(ctx, who, &id, nil, nil); err != nil {
			return nil, err
		}
	}
	for _, ip := range in.PublicIps {
		if _, err := s.findAddress(ctx, who, nil, &ip, nil); err != nil {
			return nil, err
		}
	}
	out := &ec2api.DescribeAddressesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		seq := func(yield func(addressView, error) bool) {
			for a, err := range tx.Addresses(metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters}) {
				v := addressView{Address: a}
				if err == nil && a.Instance != "" {
					v.instance, err = tx.Instance(who.Region, who.Account, a.Instance)
				}
				if !yield(v, err) {
					return
				}
			}
		}
		match := func(v tagged[addressView]) bool {
			return (len(in.AllocationIds) == 0 || slices.Contains(in.AllocationIds, string(v.noun.ID))) &&
				(len(in.PublicIps) == 0 || slices.Contains(in.PublicIps, v.noun.PublicIP.String())) &&
				addressProperties.match(filters, v.noun, v.tags)
		}
		found, _, err := collect(tx, who, pager{}, seq, func(v addressView) string { return string(v.ID) }, match)
		for _, v := range found {
			out.Addresses = append(out.Addresses, wireAddress(v.noun, v.tags))
		}
		return err
	})
	return out, err
}

func wireAddress(v addressView, tags origami.Tags) ec2api.Address {
	h := v.holder()
	return ec2api.Address{
		AllocationId: text(v.ID), AssociationId: text(v.Association), Domain: ptr("vpc"), InstanceId: text(v.Instance),
		NetworkBorderGroup: text(v.Region), NetworkInterfaceId: text(h.NetworkInterface), NetworkInterfaceOwnerId: text(h.Owner),
		PrivateIpAddress: text(addr(h.PrivateIP)), PublicIp: text(addr(v.PublicIP)), PublicIpv4Pool: ptr("amazon"), Tags: wireTags(tags),
	}
}
