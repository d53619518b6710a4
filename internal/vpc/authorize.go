package vpc

import (
	"context"
	"slices"

	"origami"
	"origami/internal/metadb"
)

// changeRules changes the rules of one group in a transaction, and then what
// packets obey.
func (s *Service) changeRules(ctx context.Context, who origami.Caller, ref GroupRef, f func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error) error {
	if err := s.EnsureDefault(ctx, who); err != nil {
		return err
	}
	var id origami.SecurityGroupID
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		g, err := s.group(tx, who, ref)
		if err != nil {
			return err
		}
		id = g.ID
		have, err := tx.RulesOf(who.Region, g.ID)
		if err != nil {
			return err
		}
		return f(tx, g, have)
	})
	if err != nil {
		return err
	}
	return s.enforce(ctx, who.Region, id)
}

// Authorize adds rules to a group: all of them or, after an error, none.
func (s *Service) Authorize(ctx context.Context, who origami.Caller, ref GroupRef, egress bool, specs []RuleSpec, tags origami.Tags) ([]*origami.SecurityGroupRule, error) {
	if len(specs) == 0 {
		return nil, noPermissions()
	}
	var added []*origami.SecurityGroupRule
	err := s.changeRules(ctx, who, ref, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		var err error
		if added, err = s.rules(tx, who, g, egress, specs); err != nil {
			return err
		}
		n := len(added)
		for _, r := range have {
			if r.Egress == egress {
				n++
			}
			if slices.ContainsFunc(added, func(a *origami.SecurityGroupRule) bool { return trafficOf(a) == trafficOf(r) }) {
				return duplicate(r)
			}
		}
		if n > MaxRules {
			return origami.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
		if err := putRules(tx, g, added); err != nil {
			return err
		}
		ids := make([]string, len(added))
		for i, r := range added {
			ids[i] = string(r.ID)
		}
		return putTags(tx, who, tags, ids...)
	})
	return added, err
}

func noPermissions() error {
	return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter IpPermissions")
}

// rules makes the rules that a request describes. The same one twice is an
// error.
func (s *Service) rules(tx *metadb.Tx, who origami.Caller, g *origami.SecurityGroup, egress bool, specs []RuleSpec) ([]*origami.SecurityGroupRule, error) {
	// No group can have as many; the check keeps the work below in bounds.
	if len(specs) > 10*MaxRules {
		return nil, origami.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	out := make([]*origami.SecurityGroupRule, 0, len(specs))
	seen := make(map[traffic]bool)
	for _, spec := range specs {
		r, err := s.rule(tx, who, g, egress, spec)
		if err != nil {
			return nil, err
		}
		if seen[trafficOf(r)] {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The same permission must not appear multiple times")
		}
		seen[trafficOf(r)] = true
		out = append(out, r)
	}
	return out, nil
}

// Revoke removes the rules that a request describes from a group. As in EC2, a
// rule that the group does not have is an error, except in a default VPC, where
// such rules are returned and the others removed.
func (s *Service) Revoke(ctx context.Context, who origami.Caller, ref GroupRef, egress bool, specs []RuleSpec) (gone, unknown []*origami.SecurityGroupRule, err error) {
	if len(specs) == 0 {
		return nil, nil, noPermissions()
	}
	err = s.changeRules(ctx, who, ref, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		gone, unknown = nil, nil
		wanted, err := s.rules(tx, who, g, egress, specs)
		if err != nil {
			return err
		}
		for _, w := range wanted {
			if at := indexOf(have, w); at >= 0 {
				gone = append(gone, have[at])
			} else {
				unknown = append(unknown, w)
			}
		}
		if len(unknown) > 0 {
			v, err := tx.VPC(who.Region, who.Account, g.VPC)
			if err != nil {
				return err
			}
			if !v.Default {
				return origami.Errorf(origami.CodeInvalidPermissionNotFound, "The specified rule does not exist in this security group.")
			}
		}
		return deleteRules(tx, gone)
	})
	return gone, unknown, err
}

// indexOf finds the rule about the same traffic.
func indexOf(have []*origami.SecurityGroupRule, r *origami.SecurityGroupRule) int {
	return slices.IndexFunc(have, func(h *origami.SecurityGroupRule) bool { return trafficOf(h) == trafficOf(r) })
}

func deleteRules(tx *metadb.Tx, rules []*origami.SecurityGroupRule) error {
	for _, r := range rules {
		if err := tx.DeleteSecurityGroupRule(r.Region, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// RevokeByID removes rules of a group by their IDs: all of them or, after an
// error, none.
func (s *Service) RevokeByID(ctx context.Context, who origami.Caller, ref GroupRef, egress bool, ids []origami.SecurityGroupRuleID) ([]*origami.SecurityGroupRule, error) {
	var gone []*origami.SecurityGroupRule
	err := s.changeRules(ctx, who, ref, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		gone = nil
		for _, id := range ids {
			r, err := byID(g, have, id)
			if err != nil {
				return err
			}
			if r.Egress != egress {
				return notInGroup(id, g)
			}
			if !slices.Contains(gone, r) {
				gone = append(gone, r)
			}
		}
		return deleteRules(tx, gone)
	})
	return gone, err
}

// byID finds a rule of a group by its ID.
func byID(g *origami.SecurityGroup, have []*origami.SecurityGroupRule, id origami.SecurityGroupRuleID) (*origami.SecurityGroupRule, error) {
	at := slices.IndexFunc(have, func(r *origami.SecurityGroupRule) bool { return r.ID == id })
	if at < 0 {
		return nil, notInGroup(id, g)
	}
	return have[at], nil
}

func notInGroup(id origami.SecurityGroupRuleID, g *origami.SecurityGroup) error {
	return origami.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist in the security group '%s'", id, g.ID)
}

// RuleUpdate says what a rule becomes. Its direction stays.
type RuleUpdate struct {
	ID   origami.SecurityGroupRuleID
	Spec RuleSpec
}

// ModifyRules replaces what rules of a group say: all of them or, after an
// error, none.
func (s *Service) ModifyRules(ctx context.Context, who origami.Caller, group origami.SecurityGroupID, updates []RuleUpdate) error {
	return s.changeRules(ctx, who, GroupRef{ID: group}, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		next := make(map[origami.SecurityGroupRuleID]*origami.SecurityGroupRule)
		for _, u := range updates {
			old, err := byID(g, have, u.ID)
			if err != nil {
				return err
			}
			if next[u.ID] != nil {
				return origami.Errorf(origami.CodeInvalidParameterValue, "The security group rule '%s' must not appear multiple times", u.ID)
			}
			r, err := s.rule(tx, who, g, old.Egress, u.Spec)
			if err != nil {
				return err
			}
			r.ID = u.ID
			next[u.ID] = r
		}
		if err := distinct(have, next); err != nil {
			return err
		}
		return replaceRules(tx, next)
	})
}

// distinct checks that no two rules of a group are the same after an update.
func distinct(have []*origami.SecurityGroupRule, next map[origami.SecurityGroupRuleID]*origami.SecurityGroupRule) error {
	seen := make(map[traffic]bool)
	for _, r := range have {
		if n := next[r.ID]; n != nil {
			r = n
		}
		if seen[trafficOf(r)] {
			return duplicate(r)
		}
		seen[trafficOf(r)] = true
	}
	return nil
}

func replaceRules(tx *metadb.Tx, next map[origami.SecurityGroupRuleID]*origami.SecurityGroupRule) error {
	for id, n := range next {
		_, err := tx.UpdateSecurityGroupRule(n.Region, id, func(r *origami.SecurityGroupRule) error {
			*r = *n
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// DescribeRulesAs changes the descriptions of the rules that a request
// describes. One without a description loses it.
func (s *Service) DescribeRulesAs(ctx context.Context, who origami.Caller, ref GroupRef, egress bool, specs []RuleSpec) error {
	if len(specs) == 0 {
		return noPermissions()
	}
	return s.changeRules(ctx, who, ref, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		wanted, err := s.rules(tx, who, g, egress, specs)
		if err != nil {
			return err
		}
		next := make(map[origami.SecurityGroupRuleID]*origami.SecurityGroupRule)
		for _, w := range wanted {
			at := indexOf(have, w)
			if at < 0 {
				return origami.Errorf(origami.CodeInvalidPermissionNotFound, "The specified rule does not exist in this security group.")
			}
			w.ID = have[at].ID
			next[w.ID] = w
		}
		return replaceRules(tx, next)
	})
}

// DescribeRulesByID changes the descriptions of rules, by ID.
func (s *Service) DescribeRulesByID(ctx context.Context, who origami.Caller, ref GroupRef, egress bool, texts map[origami.SecurityGroupRuleID]string) error {
	return s.changeRules(ctx, who, ref, func(tx *metadb.Tx, g *origami.SecurityGroup, have []*origami.SecurityGroupRule) error {
		next := make(map[origami.SecurityGroupRuleID]*origami.SecurityGroupRule)
		for id, text := range texts {
			old, err := byID(g, have, id)
			if err != nil {
				return err
			}
			if old.Egress != egress {
				return notInGroup(id, g)
			}
			r := *old
			if r.Description, err = parseDescription(text); err != nil {
				return err
			}
			next[id] = &r
		}
		return replaceRules(tx, next)
	})
}
