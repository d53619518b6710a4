package vpc

import (
	"context"
	"errors"
	"net/netip"

	"origami"
	"origami/internal/metadb"
)

// The network that every account has in every region, as AWS makes it: a VPC
// and a /20 in each zone.
var defaultCIDR = netip.MustParsePrefix("172.31.0.0/16")

const defaultSubnetBits = 20

// hostPrefix is where the clients of public addresses are: the loopback
// network of the installation's own host.
var hostPrefix = netip.MustParsePrefix("127.0.0.0/8")

// EnsureDefault makes the caller's default VPC, with a subnet in each zone and
// a default security group, unless it exists or the caller deleted it.
func (s *Service) EnsureDefault(ctx context.Context, who origami.Caller) error {
	missing := false
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		v, err := findDefault(tx, who)
		if v == nil && err == nil {
			missing, err = mayMakeDefault(tx, who)
		}
		return err
	})
	if err != nil || !missing {
		return err
	}
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := ensureDefault(tx, who)
		return err
	})
}

// CreateDefault makes a default VPC for a caller that deleted its own. The
// error is DefaultVpcAlreadyExists if there is one.
func (s *Service) CreateDefault(ctx context.Context, who origami.Caller) (*origami.VPC, error) {
	var v *origami.VPC
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		// One that is missing only because nobody looked for it exists.
		old, err := ensureDefault(tx, who)
		if err != nil {
			return err
		}
		if old != nil {
			return origami.Errorf("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
		}
		v, err = makeDefault(tx, who)
		return err
	})
	return v, err
}

// findDefault returns the caller's default VPC, or nil.
func findDefault(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	for v, err := range tx.VPCs(own(who)) {
		if err != nil {
			return nil, err
		}
		if v.Default {
			return v, nil
		}
	}
	return nil, nil
}

// DefaultVPC is the caller's default VPC. The error is VPCIdNotSpecified if
// there is none.
func (s *Service) DefaultVPC(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	v, err := findDefault(tx, who)
	if err == nil && v == nil {
		err = origami.Errorf(origami.CodeVPCIDNotSpecified, "No default VPC for this user")
	}
	return v, err
}

// ensureDefault returns the caller's default VPC, made at need, or nil if the
// caller deleted it.
func ensureDefault(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	v, err := findDefault(tx, who)
	if v != nil || err != nil {
		return v, err
	}
	if ok, err := mayMakeDefault(tx, who); !ok || err != nil {
		return nil, err
	}
	return makeDefault(tx, who)
}

// deletedDefault names the setting that says that an account deleted its
// default VPC in a region.
func deletedDefault(who origami.Caller) string {
	return "default-vpc-deleted/" + string(who.Region) + "/" + string(who.Account)
}

func mayMakeDefault(tx *metadb.Tx, who origami.Caller) (bool, error) {
	_, err := tx.Setting(deletedDefault(who))
	if errors.Is(err, metadb.ErrNotFound) {
		return true, nil
	}
	return false, err
}

func makeDefault(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	if err := tx.DeleteSetting(deletedDefault(who)); err != nil {
		return nil, err
	}
	v := &origami.VPC{
		ID: origami.NewVPCID(), Region: who.Region, Owner: who.Account,
		CIDR: defaultCIDR, Default: true, DNSHostnames: true,
	}
	if err := putVPC(tx, v); err != nil {
		return nil, err
	}
	cidr := netip.PrefixFrom(defaultCIDR.Addr(), defaultSubnetBits)
	for _, z := range Zones(who.Region) {
		err := tx.PutSubnet(&origami.Subnet{
			ID: origami.NewSubnetID(), Region: v.Region, Owner: v.Owner, VPC: v.ID,
			Zone: z.Name, CIDR: cidr, Default: true, MapPublicIP: true,
		})
		if err != nil {
			return nil, err
		}
		cidr = netip.PrefixFrom(after(cidr), defaultSubnetBits)
	}
	return v, nil
}

// after is the first address behind an IPv4 prefix.
func after(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i, carry := (p.Bits()-1)/8, 1<<(7-(p.Bits()-1)%8); i >= 0 && carry > 0; i-- {
		sum := int(b[i]) + carry
		b[i], carry = byte(sum), sum>>8
	}
	return netip.AddrFrom4(b)
}

// putVPC writes a new VPC with its default group.
func putVPC(tx *metadb.Tx, v *origami.VPC) error {
	v.DefaultGroup = origami.NewSecurityGroupID()
	if err := tx.PutVPC(v); err != nil {
		return err
	}
	g := &origami.SecurityGroup{
		ID: v.DefaultGroup, Region: v.Region, Owner: v.Owner, VPC: v.ID,
		Name: defaultGroup, Description: "default VPC security group",
	}
	if err := tx.PutSecurityGroup(g); err != nil {
		return err
	}
	rules := []*origami.SecurityGroupRule{everything(false)}
	rules[0].Peer = g.ID
	if v.Default {
		rules = append(rules, &origami.SecurityGroupRule{
			Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: hostPrefix, Description: "SSH from the host of this installation",
		})
	}
	out := everything(true)
	out.CIDR = anywhere
	return putRules(tx, g, append(rules, out))
}

// anywhere is every IPv4 address.
var anywhere = netip.MustParsePrefix("0.0.0.0/0")

// everything is a rule about all protocols, without its other end.
func everything(egress bool) *origami.SecurityGroupRule {
	return &origami.SecurityGroupRule{Egress: egress, Protocol: allProtocols, FromPort: -1, ToPort: -1}
}

// putRules writes new rules of a group, and gives them their IDs.
func putRules(tx *metadb.Tx, g *origami.SecurityGroup, rules []*origami.SecurityGroupRule) error {
	for _, r := range rules {
		r.ID, r.Region, r.Owner, r.Group = origami.NewSecurityGroupRuleID(), g.Region, g.Owner, g.ID
		if err := tx.PutSecurityGroupRule(r); err != nil {
			return err
		}
	}
	return nil
}
