package iamserver

import (
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
)

type identityOutput struct {
	User  *wireUser  `xml:"User"`
	Group *wireGroup `xml:"Group"`
	Role  *wireRole  `xml:"Role"`
}

func oneIdentity(i *origami.Identity) *identityOutput {
	switch i.Kind {
	case origami.KindUser:
		return &identityOutput{User: new(toUser(i, true))}
	case origami.KindGroup:
		return &identityOutput{Group: new(toGroup(i, true))}
	}
	return &identityOutput{Role: new(toRole(i, true))}
}

func create(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	i, err := c.iam.CreateIdentity(c.ctx, c.who.Account, iam.IdentitySpec{
		Kind: c.kind, Path: optional.Value(c.Path), Name: c.name(), Boundary: optional.Value(c.PermissionsBoundary), Tags: tags,
		Trust: optional.Value(c.AssumeRolePolicyDocument), Description: optional.Value(c.Description),
		MaxSession: time.Duration(optional.Value(c.MaxSessionDuration)) * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return oneIdentity(i), nil
}

// get answers with one identity. The root that asks for itself is a user
// without a name.
func get(c *call) (any, error) {
	if c.kind == origami.KindUser && c.name() == "" {
		if !iam.Root(c.who) {
			return nil, origami.Errorf(codeValidation, "Must specify userName when calling with non-User credentials")
		}
		account := string(c.who.Account)
		created, err := c.rootCreated()
		return &identityOutput{User: &wireUser{Path: new("/"), UserID: &account, ARN: &c.who.ARN, CreateDate: created}}, err
	}
	i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, c.name())
	if err != nil {
		return nil, err
	}
	return oneIdentity(i), nil
}

// rootCreated is when the caller's account was made.
func (c *call) rootCreated() (*time.Time, error) {
	all, err := c.iam.Accounts(c.ctx)
	for _, a := range all {
		if a.ID == c.who.Account {
			return &a.Created, nil
		}
	}
	return nil, err
}

type identitiesOutput struct {
	Users       []wireUser  `xml:"Users>member" nil:"omit"`
	Groups      []wireGroup `xml:"Groups>member" nil:"omit"`
	Roles       []wireRole  `xml:"Roles>member" nil:"omit"`
	IsTruncated *bool       `xml:"IsTruncated"`
	Marker      *string     `xml:"Marker"`
}

func listIdentities(c *call) (any, error) {
	all, err := c.iam.Identities(c.ctx, c.who.Account, c.kind, optional.Value(c.PathPrefix))
	if err != nil {
		return nil, err
	}
	return c.identities(c.kind, all)
}

// identities answers with a page of identities of one kind.
func (c *call) identities(kind origami.IdentityKind, all []*origami.Identity) (*identitiesOutput, error) {
	items, truncated, next, err := page(c, all, func(i *origami.Identity) string { return i.Name })
	out := &identitiesOutput{IsTruncated: truncated, Marker: next}
	switch kind { // an empty list is an element, the others are none
	case origami.KindUser:
		out.Users = mapped(items, toUser)
	case origami.KindGroup:
		out.Groups = mapped(items, toGroup)
	default:
		out.Roles = mapped(items, toRole)
	}
	return out, err
}

func mapped[T any](items []*origami.Identity, f func(*origami.Identity, bool) T) []T {
	out := make([]T, len(items))
	for n, i := range items {
		out[n] = f(i, false)
	}
	return out
}

func rename(c *call) (any, error) {
	newName := c.NewUserName
	if c.kind == origami.KindGroup {
		newName = c.NewGroupName
	}
	return nil, c.iam.Rename(c.ctx, c.who.Account, c.kind, c.name(), optional.Value(c.NewPath), optional.Value(newName))
}

func remove(c *call) (any, error) {
	return nil, c.iam.DeleteIdentity(c.ctx, c.who.Account, c.kind, c.name())
}

func updateRole(c *call) (any, error) {
	var longest *time.Duration
	if c.MaxSessionDuration != nil {
		longest = new(time.Duration(*c.MaxSessionDuration) * time.Second)
	}
	return &nothing{}, c.iam.UpdateRole(c.ctx, c.who.Account, c.name(), c.Description, longest, nil)
}

func updateRoleDescription(c *call) (any, error) {
	if err := c.iam.UpdateRole(c.ctx, c.who.Account, c.name(), c.Description, nil, nil); err != nil {
		return nil, err
	}
	return get(c)
}

func updateTrust(c *call) (any, error) {
	return nil, c.iam.UpdateRole(c.ctx, c.who.Account, c.name(), nil, nil, c.PolicyDocument)
}

func putBoundary(c *call) (any, error) {
	return nil, c.iam.SetBoundary(c.ctx, c.who.Account, c.kind, c.name(), *c.PermissionsBoundary)
}

func deleteBoundary(c *call) (any, error) {
	return nil, c.iam.SetBoundary(c.ctx, c.who.Account, c.kind, c.name(), "")
}

type groupOutput struct {
	Group       *wireGroup `xml:"Group"`
	Users       []wireUser `xml:"Users>member"`
	IsTruncated *bool      `xml:"IsTruncated"`
	Marker      *string    `xml:"Marker"`
}

func getGroup(c *call) (any, error) {
	g, users, err := c.iam.Members(c.ctx, c.who.Account, *c.GroupName)
	if err != nil {
		return nil, err
	}
	list, err := c.identities(origami.KindUser, users)
	if err != nil {
		return nil, err
	}
	return &groupOutput{new(toGroup(g, true)), list.Users, list.IsTruncated, list.Marker}, nil
}

func addToGroup(c *call) (any, error) {
	return nil, c.iam.SetGroup(c.ctx, c.who.Account, *c.UserName, *c.GroupName, true)
}

func removeFromGroup(c *call) (any, error) {
	return nil, c.iam.SetGroup(c.ctx, c.who.Account, *c.UserName, *c.GroupName, false)
}

func groupsOfUser(c *call) (any, error) {
	all, err := c.iam.GroupsOf(c.ctx, c.who.Account, *c.UserName)
	if err != nil {
		return nil, err
	}
	return c.identities(origami.KindGroup, all)
}
