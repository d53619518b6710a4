package vpc

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// Create makes a VPC with its default security group. The prefix may have bits
// behind its length, which are cleared.
func (s *Service) Create(ctx context.Context, who origami.Caller, cidr string, tags origami.Tags) (*origami.VPC, error) {
	p, err := parseCIDR(cidr)
	if err != nil {
		return nil, err
	}
	if p.Bits() < 16 || p.Bits() > 28 || !unicast(p) {
		return nil, origami.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", p)
	}
	v := &origami.VPC{ID: origami.NewVPCID(), Region: who.Region, Owner: who.Account, CIDR: p}
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		have, err := all(tx.VPCs(own(who)))
		if err != nil {
			return err
		}
		if len(have) >= MaxVPCs {
			return origami.Errorf("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
		}
		if err := putVPC(tx, v); err != nil {
			return err
		}
		return putTags(tx, who, tags, string(v.ID))
	})
	return v, err
}

// parseCIDR reads the IPv4 prefix of a VPC or subnet.
func parseCIDR(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return p, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.64s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", s)
	}
	return p.Masked(), nil
}

// unicast reports whether instances could have the addresses of a prefix of at
// least 16 bits: not those of this network, loopback, link-local, multicast or
// reserved.
func unicast(p netip.Prefix) bool {
	a := p.Addr()
	first := a.As4()[0]
	return a.IsGlobalUnicast() && first != 0 && first < 224
}

// Delete removes a VPC with its default group. It must have no subnets and no
// other groups.
func (s *Service) Delete(ctx context.Context, who origami.Caller, id origami.VPCID) error {
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		v, err := tx.VPC(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		subnets, err := all(tx.Subnets(own(who, where("vpc-id", id))))
		if err != nil {
			return err
		}
		groups, err := all(tx.SecurityGroups(own(who, where("vpc-id", id))))
		if err != nil {
			return err
		}
		groups = slices.DeleteFunc(groups, func(g *origami.SecurityGroup) bool { return g.ID == v.DefaultGroup })
		if len(subnets) > 0 || len(groups) > 0 {
			return origami.Errorf(origami.CodeDependencyViolation, "The vpc '%s' has dependencies and cannot be deleted.", id)
		}
		if err := tx.DeleteSecurityGroup(who.Region, v.DefaultGroup); err != nil {
			return err
		}
		if v.Default {
			if err := tx.PutSetting(deletedDefault(who), nil); err != nil {
				return err
			}
		}
		return tx.DeleteVPC(who.Region, id)
	})
	if err == nil {
		s.fabric.dropVPC(id)
	}
	return err
}

// SetDNSHostnames says whether the instances of a VPC have public names.
func (s *Service) SetDNSHostnames(ctx context.Context, who origami.Caller, id origami.VPCID, on bool) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		if _, err := tx.VPC(who.Region, who.Account, id); err != nil {
			return err
		}
		_, err := tx.UpdateVPC(who.Region, id, func(v *origami.VPC) error {
			v.DNSHostnames = on
			return nil
		})
		return err
	})
}

// SubnetSpec describes a subnet to be made. Zone and ZoneID name its zone; none
// means the one with the fewest subnets of the VPC.
type SubnetSpec struct {
	VPC    origami.VPCID
	CIDR   string
	Zone   string
	ZoneID string
	Tags   origami.Tags
}

// CreateSubnet makes a subnet.
func (s *Service) CreateSubnet(ctx context.Context, who origami.Caller, spec SubnetSpec) (*origami.Subnet, error) {
	p, err := parseCIDR(spec.CIDR)
	if err != nil {
		return nil, err
	}
	sub := &origami.Subnet{ID: origami.NewSubnetID(), Region: who.Region, Owner: who.Account, VPC: spec.VPC, CIDR: p}
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		v, err := tx.VPC(who.Region, who.Account, spec.VPC)
		if err != nil {
			return err
		}
		have, err := all(tx.Subnets(own(who, where("vpc-id", v.ID))))
		if err != nil {
			return err
		}
		if err := fits(v, p, have); err != nil {
			return err
		}
		if sub.Zone, err = chooseZone(who.Region, spec, have); err != nil {
			return err
		}
		if err := tx.PutSubnet(sub); err != nil {
			return err
		}
		return putTags(tx, who, spec.Tags, string(sub.ID))
	})
	return sub, err
}

// fits checks that a new subnet lies in its VPC and beside the others.
func fits(v *origami.VPC, p netip.Prefix, have []*origami.Subnet) error {
	if p.Bits() < 16 || p.Bits() > 28 || !v.CIDR.Overlaps(p) || p.Bits() < v.CIDR.Bits() {
		return origami.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", p)
	}
	for _, other := range have {
		if other.CIDR.Overlaps(p) {
			return origami.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", p)
		}
	}
	if len(have) >= MaxSubnets {
		return origami.Errorf("SubnetLimitExceeded", "The maximum number of subnets for VPC '%s' has been reached.", v.ID)
	}
	return nil
}

// chooseZone decides the zone of a new subnet.
func chooseZone(region origami.Region, spec SubnetSpec, have []*origami.Subnet) (string, error) {
	used := make(map[string]int)
	for _, sub := range have {
		used[sub.Zone]++
	}
	best := ""
	var names []string
	for _, z := range Zones(region) {
		names = append(names, z.Name)
		if (spec.Zone == "" || z.Name == spec.Zone) && (spec.ZoneID == "" || z.ID == spec.ZoneID) &&
			(best == "" || used[z.Name] < used[best]) {
			best = z.Name
		}
	}
	if best == "" {
		return "", origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.64s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
			spec.Zone+spec.ZoneID, strings.Join(names, ", "))
	}
	return best, nil
}

// DeleteSubnet removes a subnet that has no instances.
func (s *Service) DeleteSubnet(ctx context.Context, who origami.Caller, id origami.SubnetID) error {
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		if _, err := tx.Subnet(who.Region, who.Account, id); err != nil {
			return err
		}
		for i, err := range tx.Instances(own(who, where("subnet-id", id))) {
			if err != nil {
				return err
			}
			if i.State != origami.InstanceTerminated {
				return origami.Errorf(origami.CodeDependencyViolation, "The subnet '%s' has dependencies and cannot be deleted.", id)
			}
		}
		return tx.DeleteSubnet(who.Region, id)
	})
	if err == nil {
		s.fabric.dropSubnet(id)
	}
	return err
}

// SetMapPublicIP says whether instances launched into a subnet get a public
// address when their launch does not say.
func (s *Service) SetMapPublicIP(ctx context.Context, who origami.Caller, id origami.SubnetID, on bool) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		if _, err := tx.Subnet(who.Region, who.Account, id); err != nil {
			return err
		}
		_, err := tx.UpdateSubnet(who.Region, id, func(sub *origami.Subnet) error {
			sub.MapPublicIP = on
			return nil
		})
		return err
	})
}
