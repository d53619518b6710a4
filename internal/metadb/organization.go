package metadb

import (
	"database/sql"
	"errors"

	"origami"
)

// PutOrganization inserts an organization. The error is InvalidParameterValue
// if its account manages one already.
func (tx *Tx) PutOrganization(o *origami.Organization) error {
	id, taken, err := one[string](tx, `SELECT id FROM organizations WHERE management = ?`, string(o.Management))
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The account %s manages the organization %s already", o.Management, id)
	}
	_, err = tx.exec(`INSERT INTO organizations (id, management, created) VALUES (?, ?, ?)`,
		string(o.ID), string(o.Management), micros(o.Created))
	return err
}

// Organization is the organization of that ID, or ErrNotFound.
func (tx *Tx) Organization(id origami.OrganizationID) (*origami.Organization, error) {
	return first(collect(tx, scanOrganization, `SELECT id, management, created FROM organizations WHERE id = ?`, string(id)))
}

// Organizations lists all organizations, oldest first.
func (tx *Tx) Organizations() ([]*origami.Organization, error) {
	return collect(tx, scanOrganization, `SELECT id, management, created FROM organizations ORDER BY created, id`)
}

func scanOrganization(r *sql.Rows) (*origami.Organization, error) {
	var o origami.Organization
	var created int64
	if err := r.Scan(&o.ID, &o.Management, &created); err != nil {
		return nil, err
	}
	o.Created = fromMicros(created)
	return &o, nil
}

// DeleteOrganization removes an organization that has neither units nor
// members, or gives ErrNotFound.
func (tx *Tx) DeleteOrganization(id origami.OrganizationID) error {
	n, err := tx.exec(`DELETE FROM organizations WHERE id = ?`, string(id))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// PutUnit inserts an organizational unit. The error is InvalidParameterValue if
// there is one of that name at its place.
func (tx *Tx) PutUnit(u *origami.Unit) error {
	id, taken, err := one[string](tx, `SELECT id FROM organizational_units WHERE organization = ? AND parent = ? AND name = ?`,
		string(u.Organization), string(u.Parent), u.Name)
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf(origami.CodeInvalidParameterValue, "There is an organizational unit named '%s' already: %s", u.Name, id)
	}
	_, err = tx.exec(`INSERT INTO organizational_units (id, organization, parent, name) VALUES (?, ?, ?, ?)`,
		string(u.ID), string(u.Organization), string(u.Parent), u.Name)
	return err
}

const unitColumns = `id, organization, parent, name`

// Unit is the organizational unit of that ID, or ErrNotFound.
func (tx *Tx) Unit(id origami.UnitID) (*origami.Unit, error) {
	return first(collect(tx, scanUnit, `SELECT `+unitColumns+` FROM organizational_units WHERE id = ?`, string(id)))
}

// Units lists the units of an organization, by name.
func (tx *Tx) Units(o origami.OrganizationID) ([]*origami.Unit, error) {
	return collect(tx, scanUnit, `SELECT `+unitColumns+` FROM organizational_units WHERE organization = ? ORDER BY name, id`, string(o))
}

func scanUnit(r *sql.Rows) (*origami.Unit, error) {
	u := new(origami.Unit)
	return u, r.Scan(&u.ID, &u.Organization, &u.Parent, &u.Name)
}

// DeleteUnit removes an organizational unit that has neither units nor members,
// or gives ErrNotFound.
func (tx *Tx) DeleteUnit(id origami.UnitID) error {
	n, err := tx.exec(`DELETE FROM organizational_units WHERE id = ?`, string(id))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// PutMembership puts an account where m says, wherever it was before.
func (tx *Tx) PutMembership(m origami.Membership) error {
	clear(tx.known)
	_, err := tx.exec(`INSERT INTO organization_members (account, organization, unit) VALUES (?, ?, ?)
ON CONFLICT (account) DO UPDATE SET organization = excluded.organization, unit = excluded.unit`,
		string(m.Account), string(m.Organization), string(m.Unit))
	return err
}

// DeleteMembership takes an account out of its organization, or gives
// ErrNotFound.
func (tx *Tx) DeleteMembership(account origami.AccountID) error {
	clear(tx.known)
	n, err := tx.exec(`DELETE FROM organization_members WHERE account = ?`, string(account))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// Membership is the place of an account, or ErrNotFound if it is in no
// organization.
func (tx *Tx) Membership(account origami.AccountID) (*origami.Membership, error) {
	return first(collect(tx, scanMembership, `SELECT account, organization, unit FROM organization_members WHERE account = ?`, string(account)))
}

// Memberships lists the accounts of an organization, by number.
func (tx *Tx) Memberships(o origami.OrganizationID) ([]*origami.Membership, error) {
	return collect(tx, scanMembership, `SELECT account, organization, unit FROM organization_members
WHERE organization = ? ORDER BY account`, string(o))
}

func scanMembership(r *sql.Rows) (*origami.Membership, error) {
	m := new(origami.Membership)
	return m, r.Scan(&m.Account, &m.Organization, &m.Unit)
}

// Principals are the grantees of launch permissions that mean an account: its
// number, and the ARNs of its organization and of the organizational units that
// it is in, from the outermost to its own.
func (tx *Tx) Principals(account origami.AccountID) ([]string, error) {
	if known, ok := tx.known[account]; ok {
		return known, nil
	}
	out, err := tx.principals(account)
	if err != nil {
		return nil, err
	}
	if tx.known == nil {
		tx.known = make(map[origami.AccountID][]string)
	}
	tx.known[account] = out
	return out, nil
}

func (tx *Tx) principals(account origami.AccountID) ([]string, error) {
	out := []string{string(account)}
	m, err := tx.Membership(account)
	if errors.Is(err, ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := tx.Organization(m.Organization)
	if err != nil {
		return nil, err
	}
	var units []string
	for id := m.Unit; id != "" && len(units) < origami.MaxUnitDepth; {
		u, err := tx.Unit(id)
		if err != nil {
			return nil, err
		}
		units, id = append([]string{string(o.UnitARN(id))}, units...), u.Parent
	}
	return append(append(out, string(o.ARN())), units...), nil
}
