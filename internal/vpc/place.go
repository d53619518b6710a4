package vpc

import (
	"net/netip"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// Placement is where a launch wants its instances. Zero values mean "not
// given".
type Placement struct {
	Subnet     origami.SubnetID
	Zone       string
	PrivateIP  netip.Addr
	Groups     []origami.SecurityGroupID
	GroupNames []string
}

// Place decides the zone, subnet and groups of instances. It writes them into
// i, and returns the subnet.
func (s *Service) Place(tx *metadb.Tx, who origami.Caller, p Placement, i *origami.Instance) (*origami.Subnet, error) {
	def, err := ensureDefault(tx, who)
	if err != nil {
		return nil, err
	}
	subnets, err := all(tx.Subnets(own(who)))
	if err != nil {
		return nil, err
	}
	sub, err := chooseSubnet(who.Region, def, subnets, p)
	if err != nil {
		return nil, err
	}
	i.Zone, i.Subnet, i.VPC = sub.Zone, sub.ID, sub.VPC
	if p.PrivateIP.IsValid() {
		if err := checkAddress(sub.CIDR, p.PrivateIP); err != nil {
			return nil, err
		}
	}
	i.SecurityGroups, err = s.chooseGroups(tx, who, sub, p)
	return sub, err
}

// Preview tells in which subnet and groups Place would put instances, and makes
// nothing: without a default VPC, as before the first use of a region, the
// error is VPCIdNotSpecified.
func (s *Service) Preview(tx *metadb.Tx, who origami.Caller, p Placement) (*origami.Subnet, []origami.SecurityGroupID, error) {
	def, err := findDefault(tx, who)
	if err != nil {
		return nil, nil, err
	}
	subnets, err := all(tx.Subnets(own(who)))
	if err != nil {
		return nil, nil, err
	}
	sub, err := chooseSubnet(who.Region, def, subnets, p)
	if err != nil {
		return nil, nil, err
	}
	groups, err := s.chooseGroups(tx, who, sub, p)
	return sub, groups, err
}

func chooseSubnet(region origami.Region, def *origami.VPC, subnets []*origami.Subnet, p Placement) (*origami.Subnet, error) {
	if p.Zone != "" && !slices.ContainsFunc(Zones(region), func(z origami.Zone) bool { return z.Name == p.Zone }) {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid availability zone: [%s]", p.Zone)
	}
	// Without a wish, the first zone: EC2 chooses too, and always the same
	// zone keeps the instances of a small installation in one subnet.
	slices.SortFunc(subnets, func(a, b *origami.Subnet) int { return strings.Compare(a.Zone, b.Zone) })
	for _, sub := range subnets {
		switch {
		case p.Subnet != "" && sub.ID != p.Subnet:
		case p.Subnet != "" && p.Zone != "" && sub.Zone != p.Zone:
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter availabilityZone is invalid. The subnet '%s' is in the zone %s.", p.Zone, sub.ID, sub.Zone)
		case p.Subnet == "" && (!sub.Default || p.Zone != "" && sub.Zone != p.Zone):
		default:
			return sub, nil
		}
	}
	switch {
	case p.Subnet != "":
		return nil, origami.NotFound(p.Subnet)
	case def == nil:
		return nil, origami.Errorf(origami.CodeVPCIDNotSpecified, "No default VPC for this user")
	case p.Zone != "":
		return nil, origami.Errorf("MissingInput", "No default subnet for availability zone: '%s'.", p.Zone)
	}
	return nil, origami.Errorf("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", def.ID)
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

func reservedAddress(a netip.Addr) error {
	return origami.Errorf(origami.CodeInvalidParameterValue, "Address %s is in subnet's reserved address range", a)
}

// chooseGroups decides the groups of a launch into a subnet.
func (s *Service) chooseGroups(tx *metadb.Tx, who origami.Caller, sub *origami.Subnet, p Placement) ([]origami.SecurityGroupID, error) {
	ids := p.Groups
	if len(p.GroupNames) > 0 {
		if p.Subnet != "" {
			return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter groupName cannot be used with the parameter subnet")
		}
		if len(p.GroupNames) > MaxInstanceGroups {
			return nil, tooManyGroups()
		}
		for _, name := range p.GroupNames {
			g, err := GroupByName(tx, who, sub.VPC, name)
			if err != nil {
				return nil, err
			}
			ids = append(slices.Clip(ids), g.ID)
		}
	}
	if len(ids) == 0 {
		v, err := tx.VPC(who.Region, who.Account, sub.VPC)
		if err != nil {
			return nil, err
		}
		return []origami.SecurityGroupID{v.DefaultGroup}, nil
	}
	return s.Groups(tx, who, sub, ids)
}

// Groups checks the groups that instances in a subnet are to have: they exist,
// are of its VPC, and few enough. It returns each once.
func (s *Service) Groups(tx *metadb.Tx, who origami.Caller, sub *origami.Subnet, ids []origami.SecurityGroupID) ([]origami.SecurityGroupID, error) {
	var out []origami.SecurityGroupID
	for _, id := range ids {
		if slices.Contains(out, id) {
			continue
		}
		g, err := tx.SecurityGroup(who.Region, who.Account, id)
		if err != nil {
			return nil, err
		}
		if g.VPC != sub.VPC {
			return nil, origami.Errorf(origami.CodeInvalidParameter, "Security group %s and subnet %s belong to different networks.", id, sub.ID)
		}
		if out = append(out, id); len(out) > MaxInstanceGroups {
			return nil, tooManyGroups()
		}
	}
	if len(out) == 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "An instance must have at least one security group.")
	}
	return out, nil
}

func tooManyGroups() error {
	return origami.Errorf("SecurityGroupsPerInterfaceLimitExceeded",
		"The maximum number of security groups per interface has been reached. The limit is %d.", MaxInstanceGroups)
}
