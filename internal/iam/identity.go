package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// IdentitySpec describes a user, group or role to be made. Trust, Description
// and MaxSession are of roles; a MaxSession of 0 is an hour.
type IdentitySpec struct {
	Kind        origami.IdentityKind
	Path, Name  string
	Boundary    string // ARN of a managed policy
	Tags        origami.Tags
	Trust       string
	Description string
	MaxSession  time.Duration
}

// CreateIdentity makes a user, group or role of an account.
func (s *Service) CreateIdentity(ctx context.Context, account origami.AccountID, spec IdentitySpec) (*origami.Identity, error) {
	k := kinds[spec.Kind]
	if err := checkEntityName(k.parameter, spec.Name, k.longest); err != nil {
		return nil, err
	}
	path, err := checkPath(spec.Path)
	if err != nil {
		return nil, err
	}
	if err := checkTags(spec.Tags); err != nil {
		return nil, err
	}
	i := &origami.Identity{
		ID: newID(k.prefix), Kind: spec.Kind, Account: account, Path: path, Name: spec.Name,
		Tags: spec.Tags, Boundary: spec.Boundary,
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		i.Created = tx.Now().Truncate(time.Second)
		if spec.Kind == origami.KindRole {
			if err := setRole(tx, i, &spec.Description, &spec.MaxSession, &spec.Trust); err != nil {
				return err
			}
		}
		if err := checkNew(tx, i, k); err != nil {
			return err
		}
		return tx.PutIdentity(i)
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// checkNew checks what a new identity must find: room, a free name, and the
// policy that shall bound it.
func checkNew(tx *metadb.Tx, i *origami.Identity, k kindOf) error {
	if err := checkFree(tx, i.Account, i.Kind, i.Name); err != nil {
		return err
	}
	all, err := tx.Identities(i.Account, i.Kind)
	if err != nil {
		return err
	}
	if len(all) >= k.most {
		return origami.Errorf(codeLimit, "Cannot exceed quota for %s: %d", k.quota, k.most)
	}
	if i.Boundary != "" {
		_, err = managed(tx, i.Account, i.Boundary)
	}
	return err
}

func checkFree(tx *metadb.Tx, account origami.AccountID, kind origami.IdentityKind, name string) error {
	switch _, err := tx.Identity(account, kind, name); {
	case err == nil:
		return origami.Errorf(codeExists, "%s with name %s already exists.", kinds[kind].title, name)
	case !errors.Is(err, metadb.ErrNotFound):
		return err
	}
	return nil
}

// setRole sets what only roles have; nil leaves a thing as it is.
func setRole(tx *metadb.Tx, i *origami.Identity, description *string, longest *time.Duration, trust *string) error {
	if description != nil {
		if len(*description) > maxDescription {
			return origami.Errorf(codeValidation, "1 validation error detected: Value at 'description' failed to satisfy constraint: "+
				"Member must have length less than or equal to %d", maxDescription)
		}
		i.Description = *description
	}
	if longest != nil {
		if i.MaxSession = *longest; i.MaxSession == 0 {
			i.MaxSession = time.Hour
		}
		if i.MaxSession < minMaxSessionHours*time.Hour || i.MaxSession > maxMaxSessionHours*time.Hour {
			return origami.Errorf(codeValidation, "1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy "+
				"constraint: Member must have value between 3600 and 43200", int(i.MaxSession.Seconds()))
		}
	}
	if trust == nil {
		return nil
	}
	if size(*trust) > maxTrustSize {
		return origami.Errorf(codeLimit, "Cannot exceed quota for ACLSizePerRole: %d", maxTrustSize)
	}
	d, err := parse(*trust, policy.Trust)
	if err != nil {
		return err
	}
	ids, nobody, err := tx.PrincipalIDs(d.ARNs())
	if err != nil {
		return err
	}
	if nobody != "" {
		// A name that means nobody would mean whoever takes it later.
		return origami.Errorf(codeMalformed, "Invalid principal in policy: \"AWS\":\"%s\"", nobody)
	}
	i.Trust, i.TrustIDs = *trust, ids
	return nil
}

// showTrust makes a role's trust policy name principals as they are called now,
// and by their unique IDs if they are gone. It is for showing, not for keeping.
func showTrust(tx *metadb.Tx, i *origami.Identity) error {
	names, err := tx.PrincipalNames(i.TrustIDs)
	if err != nil {
		return err
	}
	i.Trust, err = policy.Rename(i.Trust, names)
	return err
}

// trustOf reads a role's trust policy.
func trustOf(i *origami.Identity) (*policy.Document, error) {
	d, err := parse(i.Trust, policy.Trust)
	if err != nil {
		return nil, err
	}
	return d.Bound(i.TrustIDs), nil
}

// parse reads a policy document; what it refuses is MalformedPolicyDocument.
func parse(text string, kind policy.Kind) (*policy.Document, error) {
	d, err := policy.Parse(text, kind)
	var refused *policy.Error
	if errors.As(err, &refused) {
		return nil, origami.Errorf(codeMalformed, "%s", refused.Reason)
	}
	return d, err
}

// size is the length of a document for the quotas: white space is free.
func size(document string) int {
	n := 0
	for _, r := range document {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			n++
		}
	}
	return n
}

// identity finds an identity of an account by its name.
func identity(tx *metadb.Tx, account origami.AccountID, kind origami.IdentityKind, name string) (*origami.Identity, error) {
	i, err := tx.Identity(account, kind, name)
	return found(i, err, "The %s with name %s cannot be found.", kind, name)
}

// Identity is the user, group or role of that name, or NoSuchEntity.
func (s *Service) Identity(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name string) (*origami.Identity, error) {
	var i *origami.Identity
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if i, err = identity(tx, account, kind, name); err != nil {
			return err
		}
		return showTrust(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Identities lists the users, groups or roles of an account whose path begins
// with prefix, by name.
func (s *Service) Identities(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, prefix string) ([]*origami.Identity, error) {
	var out []*origami.Identity
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		all, err := tx.Identities(account, kind)
		if err != nil {
			return err
		}
		for _, i := range all {
			if !strings.HasPrefix(i.Path, prefix) {
				continue
			}
			if err := showTrust(tx, i); err != nil {
				return err
			}
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// change changes an identity by f in a transaction.
func (s *Service) change(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name string, f func(*metadb.Tx, *origami.Identity) error) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		i, err := identity(tx, account, kind, name)
		if err != nil {
			return err
		}
		_, err = tx.UpdateIdentity(i.ID, func(i *origami.Identity) error { return f(tx, i) })
		return err
	})
}

// Rename gives a user or a group another path, another name, or both; "" keeps
// what it has.
func (s *Service) Rename(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, newPath, newName string) error {
	k := kinds[kind]
	if newName != "" {
		if err := checkEntityName("new"+k.title+"Name", newName, k.longest); err != nil {
			return err
		}
	}
	return s.change(ctx, account, kind, name, func(tx *metadb.Tx, i *origami.Identity) (err error) {
		if newPath != "" {
			if i.Path, err = checkPath(newPath); err != nil {
				return err
			}
		}
		if newName != "" {
			if !strings.EqualFold(newName, i.Name) {
				if err := checkFree(tx, account, kind, newName); err != nil {
					return err
				}
			}
			i.Name = newName
		}
		return nil
	})
}

// UpdateRole changes a role; nil leaves a thing as it is.
func (s *Service) UpdateRole(ctx context.Context, account origami.AccountID, name string, description *string, longest *time.Duration, trust *string) error {
	return s.change(ctx, account, origami.KindRole, name, func(tx *metadb.Tx, i *origami.Identity) error {
		return setRole(tx, i, description, longest, trust)
	})
}

// SetBoundary bounds what the policies of a user or role can allow by a managed
// policy, or lifts the bound if arn is "".
func (s *Service) SetBoundary(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, arn string) error {
	return s.change(ctx, account, kind, name, func(tx *metadb.Tx, i *origami.Identity) error {
		if arn != "" {
			if _, err := managed(tx, account, arn); err != nil {
				return err
			}
		} else if i.Boundary == "" {
			return origami.Errorf(CodeNoSuchEntity, "%s %s does not have a permissions boundary attached.", kinds[kind].title, name)
		}
		i.Boundary = arn
		return nil
	})
}

// DeleteIdentity removes a user, group or role that nothing hangs on any more;
// otherwise the error is DeleteConflict.
func (s *Service) DeleteIdentity(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name string) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		i, err := identity(tx, account, kind, name)
		if err != nil {
			return err
		}
		hanging, err := hanging(tx, i)
		if err != nil {
			return err
		}
		if hanging != "" {
			return origami.Errorf(codeConflict, "Cannot delete entity, must %s first.", hanging)
		}
		return tx.DeleteIdentity(i.ID)
	})
}

// hanging says what must be done before an identity can go.
func hanging(tx *metadb.Tx, i *origami.Identity) (string, error) {
	switch {
	case len(i.Attached) > 0:
		return "detach all policies", nil
	case len(i.Inline) > 0:
		return "delete policies", nil
	case len(i.Groups) > 0:
		return "remove users from group", nil
	}
	switch i.Kind {
	case origami.KindUser:
		keys, err := tx.AccessKeys(i.Account, i.ID)
		if len(keys) > 0 {
			return "delete access keys", err
		}
		return "", err
	case origami.KindGroup:
		users, err := tx.UsersOfGroup(i.ID)
		if len(users) > 0 {
			return "remove users from group", err
		}
		return "", err
	}
	profiles, err := tx.InstanceProfiles(i.Account, i.ID)
	if len(profiles) > 0 {
		return "remove roles from instance profile", err
	}
	return "", err
}

// SetGroup puts a user into a group, or takes it out.
func (s *Service) SetGroup(ctx context.Context, account origami.AccountID, user, group string, member bool) error {
	return s.change(ctx, account, origami.KindUser, user, func(tx *metadb.Tx, i *origami.Identity) error {
		g, err := identity(tx, account, origami.KindGroup, group)
		if err != nil {
			return err
		}
		left := without(i.Groups, g.ID)
		switch {
		case !member && len(left) == len(i.Groups):
			return origami.Errorf(CodeNoSuchEntity, "The user with name %s cannot be found in the group %s.", user, group)
		case member && len(left) == len(i.Groups) && len(left) >= maxGroupsOfUser:
			return origami.Errorf(codeLimit, "Cannot exceed quota for GroupsPerUser: %d", maxGroupsOfUser)
		case member:
			left = append(left, g.ID)
		}
		i.Groups = left
		return nil
	})
}

// Members lists the users in a group, by name.
func (s *Service) Members(ctx context.Context, account origami.AccountID, group string) (*origami.Identity, []*origami.Identity, error) {
	var g *origami.Identity
	var users []*origami.Identity
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if g, err = identity(tx, account, origami.KindGroup, group); err != nil {
			return err
		}
		users, err = tx.UsersOfGroup(g.ID)
		return err
	})
	byName(users)
	return g, users, err
}

// GroupsOf lists the groups that a user is in, by name.
func (s *Service) GroupsOf(ctx context.Context, account origami.AccountID, user string) ([]*origami.Identity, error) {
	var groups []*origami.Identity
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		u, err := identity(tx, account, origami.KindUser, user)
		if err != nil {
			return err
		}
		groups, err = groupsOf(tx, u)
		return err
	})
	byName(groups)
	return groups, err
}

func groupsOf(tx *metadb.Tx, u *origami.Identity) ([]*origami.Identity, error) {
	var groups []*origami.Identity
	for _, id := range u.Groups {
		g, err := tx.IdentityByID(id)
		if err != nil {
			return nil, fmt.Errorf("group %s of user %s: %w", id, u.ID, err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}
