package ec2server

import (
	"slices"

	"origami"
	"origami/internal/ec2api"
)

// grantee is one entry of a list of permissions: an account or a group.
type grantee struct{ user, group *string }

// change is how a request changes who may use something. The structure names
// what is added and what is removed; the lists name users and groups, and the
// operation type says which of the two happens to them.
type change struct {
	name          string // of the attribute, as clients spell it
	add, remove   []grantee
	operation     *string
	users, groups []string
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
	listed, err := listedGrants(c.users, c.groups)
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
			return add, remove, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter operationType")
		}
		if repeated := named.Change(listed, origami.Grants{}); repeated.Public != named.Public || len(repeated.Accounts) != len(named.Accounts) {
			return add, remove, origami.Errorf(origami.CodeInvalidParameterCombination, "The users and groups of the request differ from those in %s.", c.name)
		}
	}
	if add.Empty() && remove.Empty() {
		return add, remove, origami.Errorf(origami.CodeInvalidParameterCombination, "No attributes specified.")
	}
	return add, remove, nil
}

// given reports whether the request says anything about permissions.
func (c change) given() bool {
	return len(c.add)+len(c.remove)+len(c.users)+len(c.groups) > 0 || c.operation != nil
}

func listedGrants(users, groups []string) (origami.Grants, error) {
	var list []grantee
	for _, u := range users {
		list = append(list, grantee{user: &u})
	}
	for _, g := range groups {
		list = append(list, grantee{group: &g})
	}
	return parseGrants(list)
}

func parseGrants(list []grantee) (origami.Grants, error) {
	var out origami.Grants
	for _, g := range list {
		switch {
		case g.user != nil && g.group != nil:
			return out, origami.Errorf(origami.CodeInvalidParameterCombination, "A permission names either a user or a group, not both.")
		case g.user == nil && g.group == nil:
			return out, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter userId or group")
		case g.group != nil:
			if *g.group != "all" {
				return out, invalidItem(*g.group, "group")
			}
			out.Public = true
		case !isAccountID(*g.user):
			return out, invalidItem(*g.user, "userId")
		case !slices.Contains(out.Accounts, origami.AccountID(*g.user)):
			out.Accounts = append(out.Accounts, origami.AccountID(*g.user))
		}
	}
	return out, nil
}

func invalidItem(value, kind string) error {
	return origami.Errorf(origami.CodeInvalidAMIAttributeItemValue, "Invalid attribute item value \"%.128s\" for %s item type.", value, kind)
}

// launchGrantees are the entries of a list of launch permissions.
func launchGrantees(list []ec2api.LaunchPermission) []grantee {
	var out []grantee
	for _, p := range list {
		out = append(out, grantee{p.UserId, p.Group})
	}
	return out
}

// volumeGrantees are the entries of a list of create-volume permissions.
func volumeGrantees(list []ec2api.CreateVolumePermission) []grantee {
	var out []grantee
	for _, p := range list {
		out = append(out, grantee{p.UserId, p.Group})
	}
	return out
}

// wireGrants writes who is permitted: the group first, then the accounts.
func wireGrants(public bool, accounts []origami.AccountID) []grantee {
	out := []grantee{}
	if public {
		out = append(out, grantee{group: ptr("all")})
	}
	for _, a := range accounts {
		out = append(out, grantee{user: text(a)})
	}
	return out
}
