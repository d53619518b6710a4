package metadb

import (
	"iter"

	"origami"
)

var vpcs = &table[origami.VPC]{
	name: "vpcs",
	doc:  documentOf[origami.VPC](),
	key: func(v *origami.VPC) (origami.Region, string, origami.AccountID) {
		return v.Region, string(v.ID), v.Owner
	},
	values:  func(*origami.VPC) []any { return nil },
	filters: map[string]filter{"vpc-id": {column: "id", selective: true}},
}

var subnets = &table[origami.Subnet]{
	name: "subnets",
	doc:  documentOf[origami.Subnet](),
	key: func(s *origami.Subnet) (origami.Region, string, origami.AccountID) {
		return s.Region, string(s.ID), s.Owner
	},
	columns: []string{"vpc"},
	values:  func(s *origami.Subnet) []any { return []any{string(s.VPC)} },
	filters: map[string]filter{
		"subnet-id": {column: "id", selective: true},
		"vpc-id":    {column: "vpc", selective: true},
	},
}

var securityGroups = &table[origami.SecurityGroup]{
	name: "security_groups",
	doc:  documentOf[origami.SecurityGroup](),
	key: func(g *origami.SecurityGroup) (origami.Region, string, origami.AccountID) {
		return g.Region, string(g.ID), g.Owner
	},
	columns: []string{"vpc", "name"},
	values:  func(g *origami.SecurityGroup) []any { return []any{string(g.VPC), g.Name} },
	filters: map[string]filter{
		"group-id":   {column: "id", selective: true},
		"group-name": {column: "name"},
		"vpc-id":     {column: "vpc", selective: true},
	},
}

var securityGroupRules = &table[origami.SecurityGroupRule]{
	name: "security_group_rules",
	doc:  documentOf[origami.SecurityGroupRule](),
	key: func(r *origami.SecurityGroupRule) (origami.Region, string, origami.AccountID) {
		return r.Region, string(r.ID), r.Owner
	},
	columns: []string{"group_id", "peer"},
	values:  func(r *origami.SecurityGroupRule) []any { return []any{string(r.Group), string(r.Peer)} },
	filters: map[string]filter{
		"security-group-rule-id": {column: "id", selective: true},
		"group-id":               {column: "group_id", selective: true},
	},
}

// PutVPC inserts a VPC.
func (tx *Tx) PutVPC(v *origami.VPC) error { return vpcs.put(tx, v) }

// VPC is viewer's VPC, or InvalidVpcID.NotFound.
func (tx *Tx) VPC(region origami.Region, viewer origami.AccountID, id origami.VPCID) (*origami.VPC, error) {
	return vpcs.get(tx, region, viewer, string(id))
}

// UpdateVPC changes a VPC by f, as UpdateImage does an image.
func (tx *Tx) UpdateVPC(region origami.Region, id origami.VPCID, f func(*origami.VPC) error) (*origami.VPC, error) {
	return vpcs.update(tx, region, string(id), f)
}

// DeleteVPC removes a VPC that has neither subnets nor security groups left.
func (tx *Tx) DeleteVPC(region origami.Region, id origami.VPCID) error {
	return vpcs.remove(tx, region, string(id))
}

// VPCs yields the VPCs that q selects, by ID.
func (tx *Tx) VPCs(q Query) iter.Seq2[*origami.VPC, error] { return vpcs.list(tx, q) }

// AllVPCs yields the VPCs of all accounts and regions: for recovery, never for
// a request.
func (tx *Tx) AllVPCs() iter.Seq2[*origami.VPC, error] { return vpcs.all(tx) }

// PutSubnet inserts a subnet. Its VPC must be there already.
func (tx *Tx) PutSubnet(s *origami.Subnet) error { return subnets.put(tx, s) }

// Subnet is viewer's subnet, or InvalidSubnetID.NotFound.
func (tx *Tx) Subnet(region origami.Region, viewer origami.AccountID, id origami.SubnetID) (*origami.Subnet, error) {
	return subnets.get(tx, region, viewer, string(id))
}

// UpdateSubnet changes a subnet by f, as UpdateImage does an image.
func (tx *Tx) UpdateSubnet(region origami.Region, id origami.SubnetID, f func(*origami.Subnet) error) (*origami.Subnet, error) {
	return subnets.update(tx, region, string(id), f)
}

// DeleteSubnet removes a subnet. That it has no instances is the caller's
// concern.
func (tx *Tx) DeleteSubnet(region origami.Region, id origami.SubnetID) error {
	return subnets.remove(tx, region, string(id))
}

// Subnets yields the subnets that q selects, by ID.
func (tx *Tx) Subnets(q Query) iter.Seq2[*origami.Subnet, error] { return subnets.list(tx, q) }

// AllSubnets yields the subnets of all accounts and regions: for recovery,
// never for a request.
func (tx *Tx) AllSubnets() iter.Seq2[*origami.Subnet, error] { return subnets.all(tx) }

// PutSecurityGroup inserts a security group. Its VPC must be there already.
// The error is InvalidGroup.Duplicate if the VPC has one of that name.
func (tx *Tx) PutSecurityGroup(g *origami.SecurityGroup) error {
	_, taken, err := one[string](tx, `SELECT id FROM security_groups WHERE region = ? AND owner = ? AND vpc = ? AND name = ?`,
		string(g.Region), string(g.Owner), string(g.VPC), g.Name)
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf(origami.CodeInvalidGroupDuplicate, "The security group '%s' already exists for VPC '%s'", g.Name, g.VPC)
	}
	return securityGroups.put(tx, g)
}

// SecurityGroup is viewer's security group, or InvalidGroup.NotFound.
func (tx *Tx) SecurityGroup(region origami.Region, viewer origami.AccountID, id origami.SecurityGroupID) (*origami.SecurityGroup, error) {
	return securityGroups.get(tx, region, viewer, string(id))
}

// UpdateSecurityGroup changes a security group by f, as UpdateImage does an
// image.
func (tx *Tx) UpdateSecurityGroup(region origami.Region, id origami.SecurityGroupID, f func(*origami.SecurityGroup) error) (*origami.SecurityGroup, error) {
	return securityGroups.update(tx, region, string(id), f)
}

// DeleteSecurityGroup removes a security group with its rules. Rules of other
// groups must not refer to it.
func (tx *Tx) DeleteSecurityGroup(region origami.Region, id origami.SecurityGroupID) error {
	rules, err := tx.RulesOf(region, id)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if err := tx.DeleteSecurityGroupRule(region, r.ID); err != nil {
			return err
		}
	}
	return securityGroups.remove(tx, region, string(id))
}

// SecurityGroups yields the security groups that q selects, by ID.
func (tx *Tx) SecurityGroups(q Query) iter.Seq2[*origami.SecurityGroup, error] {
	return securityGroups.list(tx, q)
}

// PutSecurityGroupRule inserts a rule. Its group must be there already, and so
// must the group it refers to.
func (tx *Tx) PutSecurityGroupRule(r *origami.SecurityGroupRule) error {
	return securityGroupRules.put(tx, r)
}

// SecurityGroupRule is viewer's rule, or InvalidSecurityGroupRuleId.NotFound.
func (tx *Tx) SecurityGroupRule(region origami.Region, viewer origami.AccountID, id origami.SecurityGroupRuleID) (*origami.SecurityGroupRule, error) {
	return securityGroupRules.get(tx, region, viewer, string(id))
}

// UpdateSecurityGroupRule changes a rule by f, as UpdateImage does an image.
func (tx *Tx) UpdateSecurityGroupRule(region origami.Region, id origami.SecurityGroupRuleID, f func(*origami.SecurityGroupRule) error) (*origami.SecurityGroupRule, error) {
	return securityGroupRules.update(tx, region, string(id), f)
}

// DeleteSecurityGroupRule removes a rule.
func (tx *Tx) DeleteSecurityGroupRule(region origami.Region, id origami.SecurityGroupRuleID) error {
	return securityGroupRules.remove(tx, region, string(id))
}

// SecurityGroupRules yields the rules that q selects, by ID.
func (tx *Tx) SecurityGroupRules(q Query) iter.Seq2[*origami.SecurityGroupRule, error] {
	return securityGroupRules.list(tx, q)
}

// RulesOf are the rules of a security group, by ID.
func (tx *Tx) RulesOf(region origami.Region, group origami.SecurityGroupID) ([]*origami.SecurityGroupRule, error) {
	return securityGroupRules.where(tx, `t.region = ? AND t.group_id = ?`, string(region), string(group))
}

// RulesAbout are the rules of any group that refer to a security group, by ID.
func (tx *Tx) RulesAbout(region origami.Region, peer origami.SecurityGroupID) ([]*origami.SecurityGroupRule, error) {
	return securityGroupRules.where(tx, `t.region = ? AND t.peer = ?`, string(region), string(peer))
}
