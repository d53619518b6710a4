package iam

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Organizations of this installation. Whoever runs it decides about them: no
// account can join or leave one by itself.

// OrganizationTree is an organization with what is in it.
type OrganizationTree struct {
	origami.Organization
	Units   []origami.Unit
	Members []origami.Membership
}

// CreateOrganization makes an organization that an account manages, and puts
// the account into it. The error is InvalidParameterValue if the account is in
// one already.
func (s *Service) CreateOrganization(ctx context.Context, management origami.AccountID) (origami.Organization, error) {
	var o origami.Organization
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := accountExists(tx, management); err != nil {
			return err
		}
		m, err := tx.Membership(management)
		if err == nil {
			return origami.Errorf(origami.CodeInvalidParameterValue, "The account %s is in the organization %s", management, m.Organization)
		}
		if !errors.Is(err, metadb.ErrNotFound) {
			return err
		}
		o = origami.Organization{ID: origami.NewOrganizationID(), Management: management, Created: tx.Now().Truncate(time.Microsecond)}
		if err := tx.PutOrganization(&o); err != nil {
			return err
		}
		return tx.PutMembership(origami.Membership{Account: management, Organization: o.ID})
	})
	if err != nil {
		return origami.Organization{}, fmt.Errorf("create organization: %w", err)
	}
	return o, nil
}

// CreateUnit makes an organizational unit of an organization, below its root or
// another unit of it. Names count beside each other.
func (s *Service) CreateUnit(ctx context.Context, organization origami.OrganizationID, parent origami.UnitID, name string) (origami.Unit, error) {
	var u origami.Unit
	if err := checkName(name); err != nil {
		return u, err
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := organizationExists(tx, organization); err != nil {
			return err
		}
		depth := 1
		for at := parent; at != ""; depth++ {
			above, err := unitOf(tx, organization, at)
			if err != nil {
				return err
			}
			at = above.Parent
		}
		if depth > origami.MaxUnitDepth {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Organizational units can be nested %d deep at most", origami.MaxUnitDepth)
		}
		u = origami.Unit{ID: origami.NewUnitID(organization), Organization: organization, Parent: parent, Name: name}
		return tx.PutUnit(&u)
	})
	if err != nil {
		return origami.Unit{}, fmt.Errorf("create organizational unit: %w", err)
	}
	return u, nil
}

// PutAccount puts an account into an organization, at its root or in a unit of
// it, wherever it was before. The account that manages an organization stays in
// it.
func (s *Service) PutAccount(ctx context.Context, account origami.AccountID, organization origami.OrganizationID, unit origami.UnitID) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := errors.Join(accountExists(tx, account), organizationExists(tx, organization)); err != nil {
			return err
		}
		if unit != "" {
			if _, err := unitOf(tx, organization, unit); err != nil {
				return err
			}
		}
		if err := manages(tx, account, organization); err != nil {
			return err
		}
		return tx.PutMembership(origami.Membership{Account: account, Organization: organization, Unit: unit})
	})
	if err != nil {
		return fmt.Errorf("put account into organization: %w", err)
	}
	return nil
}

// RemoveAccount takes an account out of the organization that it is in, unless
// it manages it.
func (s *Service) RemoveAccount(ctx context.Context, account origami.AccountID) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := accountExists(tx, account); err != nil {
			return err
		}
		if err := manages(tx, account, ""); err != nil {
			return err
		}
		err := tx.DeleteMembership(account)
		if errors.Is(err, metadb.ErrNotFound) {
			return origami.Errorf(origami.CodeInvalidParameterValue, "The account %s is in no organization", account)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove account from organization: %w", err)
	}
	return nil
}

// DeleteUnit removes an organizational unit that is empty.
func (s *Service) DeleteUnit(ctx context.Context, id origami.UnitID) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		u, err := tx.Unit(id)
		if errors.Is(err, metadb.ErrNotFound) {
			return noUnit(id)
		}
		if err != nil {
			return err
		}
		tree, err := tree(tx, &origami.Organization{ID: u.Organization})
		if err != nil {
			return err
		}
		for _, m := range tree.Members {
			if m.Unit == id {
				return origami.Errorf(origami.CodeDependencyViolation, "The organizational unit %s has accounts", id)
			}
		}
		for _, below := range tree.Units {
			if below.Parent == id {
				return origami.Errorf(origami.CodeDependencyViolation, "The organizational unit %s has units", id)
			}
		}
		return tx.DeleteUnit(id)
	})
	if err != nil {
		return fmt.Errorf("delete organizational unit: %w", err)
	}
	return nil
}

// DeleteOrganization removes an organization that has no units and no account
// but the one that manages it.
func (s *Service) DeleteOrganization(ctx context.Context, id origami.OrganizationID) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		o, err := tx.Organization(id)
		if errors.Is(err, metadb.ErrNotFound) {
			return noOrganization(id)
		}
		if err != nil {
			return err
		}
		tree, err := tree(tx, o)
		if err != nil {
			return err
		}
		if len(tree.Units) > 0 || len(tree.Members) > 1 {
			return origami.Errorf(origami.CodeDependencyViolation, "The organization %s has units or other accounts", id)
		}
		if err := tx.DeleteMembership(o.Management); err != nil {
			return err
		}
		return tx.DeleteOrganization(id)
	})
	if err != nil {
		return fmt.Errorf("delete organization: %w", err)
	}
	return nil
}

// Organizations lists the organizations with what is in them, oldest first.
func (s *Service) Organizations(ctx context.Context) ([]OrganizationTree, error) {
	var out []OrganizationTree
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		all, err := tx.Organizations()
		if err != nil {
			return err
		}
		for _, o := range all {
			t, err := tree(tx, o)
			if err != nil {
				return err
			}
			out = append(out, t)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return out, nil
}

func tree(tx *metadb.Tx, o *origami.Organization) (OrganizationTree, error) {
	t := OrganizationTree{Organization: *o}
	units, err := tx.Units(o.ID)
	if err != nil {
		return t, err
	}
	members, err := tx.Memberships(o.ID)
	t.Units, t.Members = values(units), values(members)
	return t, err
}

// manages refuses to take an account that manages an organization to another,
// or out of it.
func manages(tx *metadb.Tx, account origami.AccountID, to origami.OrganizationID) error {
	m, err := tx.Membership(account)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && m.Organization == to {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := tx.Organization(m.Organization)
	if err == nil && o.Management == account {
		err = origami.Errorf(origami.CodeInvalidParameterValue, "The account %s manages the organization %s and stays in it", account, o.ID)
	}
	return err
}

func accountExists(tx *metadb.Tx, id origami.AccountID) error {
	_, err := tx.Account(id)
	if errors.Is(err, metadb.ErrNotFound) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "There is no account %s", id)
	}
	return err
}

func organizationExists(tx *metadb.Tx, id origami.OrganizationID) error {
	_, err := tx.Organization(id)
	if errors.Is(err, metadb.ErrNotFound) {
		return noOrganization(id)
	}
	return err
}

// unitOf finds a unit that must be in an organization.
func unitOf(tx *metadb.Tx, organization origami.OrganizationID, id origami.UnitID) (*origami.Unit, error) {
	u, err := tx.Unit(id)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && u.Organization != organization {
		return nil, noUnit(id)
	}
	return u, err
}

func noOrganization(id origami.OrganizationID) error {
	return origami.Errorf(origami.CodeInvalidParameterValue, "There is no organization %s", id)
}

func noUnit(id origami.UnitID) error {
	return origami.Errorf(origami.CodeInvalidParameterValue, "There is no organizational unit %s in the organization", id)
}
