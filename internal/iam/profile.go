package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
)

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, account origami.AccountID, path, name string, tags origami.Tags) (*origami.InstanceProfile, error) {
	if err := checkEntityName("instanceProfileName", name, 128); err != nil {
		return nil, err
	}
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	p := &origami.InstanceProfile{ID: newID("AIPA"), Account: account, Path: path, Name: name, Tags: tags}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		switch _, err := tx.InstanceProfile(account, name); {
		case err == nil:
			return origami.Errorf(codeExists, "Instance Profile %s already exists.", name)
		case !errors.Is(err, metadb.ErrNotFound):
			return err
		}
		all, err := tx.InstanceProfiles(account, "")
		if err != nil {
			return err
		}
		if len(all) >= maxProfiles {
			return origami.Errorf(codeLimit, "Cannot exceed quota for InstanceProfilesPerAccount: %d", maxProfiles)
		}
		p.Created = tx.Now().Truncate(time.Second)
		return tx.PutInstanceProfile(p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Profile is an instance profile with its role, which is nil if it has none.
type Profile struct {
	*origami.InstanceProfile
	Role *origami.Identity
}

func profile(tx *metadb.Tx, account origami.AccountID, name string) (*origami.InstanceProfile, error) {
	p, err := tx.InstanceProfile(account, name)
	return found(p, err, "Instance Profile %s cannot be found.", name)
}

func withRole(tx *metadb.Tx, p *origami.InstanceProfile) (Profile, error) {
	out := Profile{InstanceProfile: p}
	if p.Role == "" {
		return out, nil
	}
	var err error
	if out.Role, err = tx.IdentityByID(p.Role); err != nil {
		return out, err
	}
	return out, showTrust(tx, out.Role)
}

// InstanceProfile is the instance profile of that name, or NoSuchEntity.
func (s *Service) InstanceProfile(ctx context.Context, account origami.AccountID, name string) (out Profile, err error) {
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		p, err := profile(tx, account, name)
		if err != nil {
			return err
		}
		out, err = withRole(tx, p)
		return err
	})
	return out, err
}

// InstanceProfiles lists the instance profiles of an account whose path begins
// with prefix, by name; if role is not "", those with that role only.
func (s *Service) InstanceProfiles(ctx context.Context, account origami.AccountID, role, prefix string) ([]Profile, error) {
	var out []Profile
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		id := ""
		if role != "" {
			r, err := identity(tx, account, origami.KindRole, role)
			if err != nil {
				return err
			}
			id = r.ID
		}
		all, err := tx.InstanceProfiles(account, id)
		if err != nil {
			return err
		}
		for _, p := range all {
			if !strings.HasPrefix(p.Path, prefix) {
				continue
			}
			one, err := withRole(tx, p)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// changeProfile changes an instance profile by f.
func (s *Service) changeProfile(ctx context.Context, account origami.AccountID, name string, f func(*metadb.Tx, *origami.InstanceProfile) error) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		p, err := profile(tx, account, name)
		if err != nil {
			return err
		}
		_, err = tx.UpdateInstanceProfile(p.ID, func(p *origami.InstanceProfile) error { return f(tx, p) })
		return err
	})
}

// SetProfileRole puts a role into an instance profile, or takes it out.
func (s *Service) SetProfileRole(ctx context.Context, account origami.AccountID, name, role string, inside bool) error {
	return s.changeProfile(ctx, account, name, func(tx *metadb.Tx, p *origami.InstanceProfile) error {
		r, err := identity(tx, account, origami.KindRole, role)
		switch {
		case err != nil:
			return err
		case inside && p.Role != "":
			return origami.Errorf(codeLimit, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		case !inside && p.Role != r.ID:
			return origami.Errorf(CodeNoSuchEntity, "The role with name %s cannot be found in the instance profile %s.", role, name)
		case inside:
			p.Role = r.ID
		default:
			p.Role = ""
		}
		return nil
	})
}

// DeleteInstanceProfile removes an instance profile that has no role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, account origami.AccountID, name string) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		p, err := profile(tx, account, name)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return origami.Errorf(codeConflict, "Cannot delete entity, must remove roles from instance profile first.")
		}
		return tx.DeleteInstanceProfile(p.ID)
	})
}
