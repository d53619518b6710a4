package vpc

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"origami"
	"origami/internal/firewall"
	"origami/internal/metadb"
)

// defaultGroup is the name of the group that every VPC is made with.
const defaultGroup = "default"

// groupText is what names and descriptions of groups and rules are made of.
var groupText = regexp.MustCompile(`^[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}$`)

const allowedText = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

// GroupSpec describes a security group to be made. VPC "" means the default
// one.
type GroupSpec struct {
	VPC         origami.VPCID
	Name        string
	Description string
	Tags        origami.Tags
}

// CreateGroup makes a security group, which lets everything out and nothing
// in.
func (s *Service) CreateGroup(ctx context.Context, who origami.Caller, spec GroupSpec) (*origami.SecurityGroup, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if err := s.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	g := &origami.SecurityGroup{
		ID: origami.NewSecurityGroupID(), Region: who.Region, Owner: who.Account, VPC: spec.VPC,
		Name: spec.Name, Description: spec.Description,
	}
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		if spec.VPC == "" {
			v, err := s.DefaultVPC(tx, who)
			if err != nil {
				return err
			}
			g.VPC = v.ID
		} else if _, err := tx.VPC(who.Region, who.Account, spec.VPC); err != nil {
			return err
		}
		have, err := all(tx.SecurityGroups(own(who)))
		if err != nil {
			return err
		}
		if len(have) >= MaxGroups {
			return origami.Errorf("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
		}
		if err := tx.PutSecurityGroup(g); err != nil {
			return err
		}
		out := everything(true)
		out.CIDR = anywhere
		if err := putRules(tx, g, []*origami.SecurityGroupRule{out}); err != nil {
			return err
		}
		return putTags(tx, who, spec.Tags, string(g.ID))
	})
	return g, err
}

func (spec GroupSpec) check() error {
	switch {
	case spec.Name == "":
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter GroupName")
	case spec.Description == "":
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter GroupDescription")
	case strings.EqualFold(spec.Name, defaultGroup):
		return origami.Errorf(origami.CodeInvalidParameterValue, "Cannot use reserved security group name: %s", spec.Name)
	case strings.HasPrefix(spec.Name, "sg-"):
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.255s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", spec.Name)
	case !groupText.MatchString(spec.Name) || strings.TrimSpace(spec.Name) != spec.Name:
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.255s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", spec.Name)
	case !groupText.MatchString(spec.Description):
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  %s", allowedText)
	}
	return nil
}

// GroupRef names a security group by its ID, or by its name in the caller's
// default VPC.
type GroupRef struct {
	ID   origami.SecurityGroupID
	Name string
}

// group finds what a reference names.
func (s *Service) group(tx *metadb.Tx, who origami.Caller, ref GroupRef) (*origami.SecurityGroup, error) {
	switch {
	case ref.ID != "":
		g, err := tx.SecurityGroup(who.Region, who.Account, ref.ID)
		if err == nil && ref.Name != "" && ref.Name != g.Name {
			err = origami.Errorf(origami.CodeInvalidParameterCombination, "The group ID '%s' does not have the name '%.255s'", ref.ID, ref.Name)
		}
		return g, err
	case ref.Name != "":
		v, err := s.DefaultVPC(tx, who)
		if err != nil {
			return nil, err
		}
		return GroupByName(tx, who, v.ID, ref.Name)
	}
	return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter GroupName or GroupId")
}

// GroupByName is the caller's group of that name in its default VPC, whose ID
// is given. The error is InvalidGroup.NotFound if there is none.
func GroupByName(tx *metadb.Tx, who origami.Caller, vpc origami.VPCID, name string) (*origami.SecurityGroup, error) {
	groups, err := all(tx.SecurityGroups(own(who, where("vpc-id", vpc))))
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(groups, func(g *origami.SecurityGroup) bool { return g.Name == name })
	if at < 0 {
		return nil, origami.Errorf(origami.CodeInvalidGroupNotFound, "The security group '%.255s' does not exist in default VPC '%s'", name, vpc)
	}
	return groups[at], nil
}

// DeleteGroup removes a security group that no instance has and no rule of
// another group refers to.
func (s *Service) DeleteGroup(ctx context.Context, who origami.Caller, ref GroupRef) (origami.SecurityGroupID, error) {
	if err := s.EnsureDefault(ctx, who); err != nil {
		return "", err
	}
	var id origami.SecurityGroupID
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		g, err := s.group(tx, who, ref)
		if err != nil {
			return err
		}
		if g.Name == defaultGroup {
			return origami.Errorf("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
		}
		used, err := groupInUse(tx, who, g)
		if err != nil {
			return err
		}
		if used {
			return origami.Errorf(origami.CodeDependencyViolation, "resource %s has a dependent object", g.ID)
		}
		id = g.ID
		return tx.DeleteSecurityGroup(who.Region, id)
	})
	if err == nil {
		s.forgetGroup(id)
	}
	return id, err
}

// groupInUse reports whether an instance has a group, or a rule of another
// group refers to it.
func groupInUse(tx *metadb.Tx, who origami.Caller, g *origami.SecurityGroup) (bool, error) {
	for i, err := range tx.Instances(own(who, where("vpc-id", g.VPC))) {
		if err != nil {
			return false, err
		}
		if i.State != origami.InstanceTerminated && slices.Contains(i.SecurityGroups, g.ID) {
			return true, nil
		}
	}
	rules, err := tx.RulesAbout(who.Region, g.ID)
	return slices.ContainsFunc(rules, func(r *origami.SecurityGroupRule) bool { return r.Group != g.ID }), err
}

// forgetGroup drops the members of a group that is gone.
func (s *Service) forgetGroup(id origami.SecurityGroupID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, id)
}

// membersOf returns the addresses of a group's instances. The lock is held.
func (s *Service) membersOf(id origami.SecurityGroupID) *firewall.Group {
	g, ok := s.members[id]
	if !ok {
		g = new(firewall.Group)
		s.members[id] = g
	}
	return g
}
