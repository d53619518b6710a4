package ec2server

import (
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
)

// grantee is one entry of a list of permissions: an account, a group, an
// organization or an organizational unit.
type grantee struct{ user, group, organization, unit *string }

// given lists the members that an entry has: one, if it is a good one.
func (g grantee) given() []*string {
	return slices.DeleteFunc([]*string{g.user, g.group, g.organization, g.unit}, func(p *string) bool { return p == nil })
}

// change is how a request changes who may use something. The structure names
// what is added and what is removed; the lists name users, groups, organizations
// and units, and the operation type says which of the two happens to them.
type change struct {
	name          string // of the attribute, as clients spell it
	add, remove   []grantee
	operation     *string
	users, groups []string

	organizations, units []string // of images only
}

// grants reads the change. Some clients send the same users and groups twice,
// in the structure and in the lists, and then no operation type.
func (c change) grants() (add, remove origami.Grants, err error) {
	if add, err = parseGrants(c.add); err != nil {
		return add, remove, err
	}
	if remove, err = parseGrants(c.remove); err != nil {
		return add, remove, err
	}
	listed, err := c.listed()
	if err != nil {
		return add, remove, err
	}
	switch deref(c.operation) {
	case "add":
		add = add.Change(listed, origami.Grants{})
	case "remove":
		remove = remove.Change(listed, origami.Grants{})
	default:
		named := add.Change(remove, origami.Grants{})
		if listed.Empty() {
			break
		}
		if named.Empty() {
			return add, remove, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter %s", strings.ToUpper(c.name[:1])+c.name[1:])
		}
		if repeated := named.Change(listed, origami.Grants{}); repeated.Public != named.Public || repeated.Entities() != named.Entities() {
			return add, remove, origami.Errorf(origami.CodeInvalidParameterCombination, "The users, groups, organizations and units of the request differ from those in %s.", c.name)
		}
	}
	if add.Empty() && remove.Empty() {
		return add, remove, origami.Errorf(origami.CodeInvalidParameterCombination, "No attributes specified.")
	}
	return add, remove, nil
}

// given reports whether the request says anything about permissions.
func (c change) given() bool {
	return len(c.add)+len(c.remove)+len(c.users)+len(c.groups)+len(c.organizations)+len(c.units) > 0 || c.operation != nil
}

// listed reads the lists.
func (c change) listed() (origami.Grants, error) {
	var list []grantee
	for _, u := range c.users {
		list = append(list, grantee{user: &u})
	}
	for _, g := range c.groups {
		list = append(list, grantee{group: &g})
	}
	for _, o := range c.organizations {
		list = append(list, grantee{organization: &o})
	}
	for _, u := range c.units {
		list = append(list, grantee{unit: &u})
	}
	return parseGrants(list)
}

// maxGrantees bounds the accounts that one request can name.
const maxGrantees = 10_000

func parseGrants(list []grantee) (origami.Grants, error) {
	if len(list) > maxGrantees {
		return origami.Grants{}, origami.Errorf(origami.CodeInvalidParameterValue, "A request can name at most %d accounts.", maxGrantees)
	}
	var out origami.Grants
	for _, g := range list {
		switch len(g.given()) {
		case 0:
			return out, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter userId or group")
		case 1:
		default:
			return out, origami.Errorf(origami.CodeInvalidParameterCombination, "A permission names a user, a group, an organization or an organizational unit, and only one of them.")
		}
		if err := addGrantee(&out, g); err != nil {
			return out, err
		}
	}
	return origami.Grants{}.Change(out, origami.Grants{}), nil // each once
}

// addGrantee adds one entry, which has one member.
func addGrantee(out *origami.Grants, g grantee) error {
	var arn origami.OrganizationARN
	var err error
	switch {
	case g.group != nil:
		if *g.group != "all" {
			return invalidItem(*g.group, "group")
		}
		out.Public = true
		return nil
	case g.user != nil:
		if !isAccountID(*g.user) {
			return invalidItem(*g.user, "userId")
		}
		out.Accounts = append(out.Accounts, origami.AccountID(*g.user))
		return nil
	case g.organization != nil:
		arn, err = origami.ParseOrganizationARN(*g.organization)
	default:
		arn, err = origami.ParseUnitARN(*g.unit)
	}
	out.Organizations = append(out.Organizations, arn)
	return err
}

func invalidItem(value, kind string) error {
	return origami.Errorf(origami.CodeInvalidAMIAttributeItemValue, "Invalid attribute item value \"%.128s\" for %s item type.", value, kind)
}

// launchGrantees are the entries of a list of launch permissions.
func launchGrantees(list []ec2api.LaunchPermission) []grantee {
	var out []grantee
	for _, p := range list {
		out = append(out, grantee{p.UserId, p.Group, p.OrganizationArn, p.OrganizationalUnitArn})
	}
	return out
}

// volumeGrantees are the entries of a list of create-volume permissions.
func volumeGrantees(list []ec2api.CreateVolumePermission) []grantee {
	var out []grantee
	for _, p := range list {
		out = append(out, grantee{user: p.UserId, group: p.Group})
	}
	return out
}

// wireGrants writes who is permitted: the group first, then the accounts, then
// organizations and units.
func wireGrants(g origami.Grants) []grantee {
	out := []grantee{}
	if g.Public {
		out = append(out, grantee{group: ptr("all")})
	}
	for _, a := range g.Accounts {
		out = append(out, grantee{user: text(a)})
	}
	for _, o := range g.Organizations {
		if o.IsUnit() {
			out = append(out, grantee{unit: text(o)})
		} else {
			out = append(out, grantee{organization: text(o)})
		}
	}
	return out
}
