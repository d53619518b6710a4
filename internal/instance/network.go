package instance

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// The network that every account has in every region, as AWS makes it.
var (
	defaultVPC = netip.MustParsePrefix("172.31.0.0/16")
	// defaultSubnets are the /20 networks of the zones, in order.
	defaultSubnets = []netip.Prefix{
		netip.MustParsePrefix("172.31.0.0/20"),
		netip.MustParsePrefix("172.31.16.0/20"),
		netip.MustParsePrefix("172.31.32.0/20"),
	}
)

// Zones lists the availability zones of a region.
func Zones(r origami.Region) []origami.Zone {
	zones := make([]origami.Zone, len(defaultSubnets))
	for n := range zones {
		letter := string(rune('a' + n))
		zones[n] = origami.Zone{Name: string(r) + letter, ID: zonePrefix(r) + "-az" + string(rune('1'+n)), Region: r}
	}
	return zones
}

// zonePrefix shortens a region name as zone IDs do: us-east-1 to use1,
// ap-southeast-2 to apse2.
func zonePrefix(r origami.Region) string {
	parts := strings.Split(string(r), "-")
	out := parts[0]
	for _, p := range parts[1:] {
		switch p {
		case "northeast", "northwest", "southeast", "southwest":
			out += p[:1] + p[5:6]
		default:
			if p != "" {
				out += p[:1]
			}
		}
	}
	return out
}

// EnsureNetwork makes the caller's default VPC, with a subnet in each zone and
// a default security group, unless it exists.
func (s *Service) EnsureNetwork(ctx context.Context, who origami.Caller) error {
	missing := false
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		v, err := findDefaultVPC(tx, who)
		missing = v == nil
		return err
	})
	if err != nil || !missing {
		return err
	}
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := ensureNetwork(tx, who)
		return err
	})
}

// findDefaultVPC returns the caller's default VPC, or nil.
func findDefaultVPC(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	for v, err := range tx.VPCs(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		if v.Default {
			return v, nil
		}
	}
	return nil, nil
}

// ensureNetwork returns the caller's default VPC, made at need.
func ensureNetwork(tx *metadb.Tx, who origami.Caller) (*origami.VPC, error) {
	v, err := findDefaultVPC(tx, who)
	if v != nil || err != nil {
		return v, err
	}
	v = &origami.VPC{
		ID: origami.NewVPCID(), Region: who.Region, Owner: who.Account,
		CIDR: defaultVPC, Default: true, DefaultGroup: origami.NewSecurityGroupID(),
	}
	if err := tx.PutVPC(v); err != nil {
		return nil, err
	}
	err = tx.PutSecurityGroup(&origami.SecurityGroup{
		ID: v.DefaultGroup, Region: v.Region, Owner: v.Owner, VPC: v.ID,
		Name: "default", Description: "default VPC security group",
	})
	if err != nil {
		return nil, err
	}
	for n, z := range Zones(who.Region) {
		err := tx.PutSubnet(&origami.Subnet{
			ID: origami.NewSubnetID(), Region: v.Region, Owner: v.Owner, VPC: v.ID,
			Zone: z.Name, CIDR: defaultSubnets[n], Default: true, MapPublicIP: true,
		})
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// placeInstance decides the zone, subnet and groups of a launch, and returns
// the subnet.
func (s *Service) placeInstance(tx *metadb.Tx, who origami.Caller, l Launch, i *origami.Instance) (*origami.Subnet, error) {
	vpc, err := ensureNetwork(tx, who)
	if err != nil {
		return nil, err
	}
	subnets, err := all(tx.Subnets(metadb.Query{Region: who.Region, Viewer: who.Account}))
	if err != nil {
		return nil, err
	}
	sub, err := chooseSubnet(who.Region, subnets, l)
	if err != nil {
		return nil, err
	}
	i.Zone, i.Subnet, i.VPC = sub.Zone, sub.ID, sub.VPC
	if l.PrivateIP.IsValid() {
		if err := checkAddress(sub.CIDR, l.PrivateIP); err != nil {
			return nil, err
		}
	}
	i.SecurityGroups, err = chooseGroups(tx, who, vpc, l)
	return sub, err
}

func chooseSubnet(region origami.Region, subnets []*origami.Subnet, l Launch) (*origami.Subnet, error) {
	if l.Zone != "" && !slices.ContainsFunc(Zones(region), func(z origami.Zone) bool { return z.Name == l.Zone }) {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid availability zone: [%s]", l.Zone)
	}
	// Without a wish, the first zone: EC2 chooses too, and always the same
	// zone keeps the instances of a small installation in one subnet.
	slices.SortFunc(subnets, func(a, b *origami.Subnet) int { return strings.Compare(a.Zone, b.Zone) })
	for _, sub := range subnets {
		switch {
		case l.Subnet != "" && sub.ID != l.Subnet:
		case l.Subnet != "" && l.Zone != "" && sub.Zone != l.Zone:
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter availabilityZone is invalid. The subnet '%s' is in the zone %s.", l.Zone, sub.ID, sub.Zone)
		case l.Subnet == "" && (!sub.Default || l.Zone != "" && sub.Zone != l.Zone):
		default:
			return sub, nil
		}
	}
	if l.Subnet == "" {
		return nil, origami.Errorf("MissingInput", "No default subnet for availability zone: '%s'.", l.Zone)
	}
	return nil, origami.NotFound(l.Subnet)
}

// checkAddress refuses addresses that EC2 keeps for itself.
func checkAddress(p netip.Prefix, a netip.Addr) error {
	if !a.Is4() || !p.Contains(a) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Address %s does not fall within the subnet's address range", a)
	}
	first := p.Masked().Addr()
	for range 4 {
		if a == first {
			return reservedAddress(a)
		}
		first = first.Next()
	}
	if !p.Contains(a.Next()) {
		return reservedAddress(a)
	}
	return nil
}

// all collects what a query yields.
func all[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func reservedAddress(a netip.Addr) error {
	return origami.Errorf(origami.CodeInvalidParameterValue, "Address %s is in subnet's reserved address range", a)
}

func chooseGroups(tx *metadb.Tx, who origami.Caller, vpc *origami.VPC, l Launch) ([]origami.SecurityGroupID, error) {
	if len(l.SecurityGroups) == 0 && len(l.GroupNames) == 0 {
		return []origami.SecurityGroupID{vpc.DefaultGroup}, nil
	}
	groups, err := all(tx.SecurityGroups(metadb.Query{Region: who.Region, Viewer: who.Account}))
	if err != nil {
		return nil, err
	}
	var ids []origami.SecurityGroupID
	add := func(match func(*origami.SecurityGroup) bool, missing error) error {
		at := slices.IndexFunc(groups, match)
		if at < 0 {
			return missing
		}
		if !slices.Contains(ids, groups[at].ID) {
			ids = append(ids, groups[at].ID)
		}
		return nil
	}
	for _, id := range l.SecurityGroups {
		err := add(func(g *origami.SecurityGroup) bool { return g.ID == id }, origami.NotFound(id))
		if err != nil {
			return nil, err
		}
	}
	for _, name := range l.GroupNames {
		err := add(func(g *origami.SecurityGroup) bool { return g.Name == name && g.VPC == vpc.ID },
			origami.Errorf(origami.CodeInvalidGroupNotFound, "The security group '%s' does not exist in default VPC '%s'", name, vpc.ID))
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}
