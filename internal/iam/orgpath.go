package iam

import (
	"errors"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// place is where an account is in an organization; the zero place is in none.
type place struct {
	organization origami.OrganizationID
	path         string // aws:PrincipalOrgPaths
}

// placeOf finds an account in its organization.
func placeOf(tx *metadb.Tx, account origami.AccountID) (place, error) {
	m, err := tx.Membership(account)
	if errors.Is(err, metadb.ErrNotFound) {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	path, err := orgPath(tx, m)
	return place{m.Organization, path}, err
}

// ownerKeys adds whose the resource is: as whoever asks says (the key
// aws:ResourceAccount), or as the ARN does.
func (p *principal) ownerKeys(tx *metadb.Tx, keys policy.Keys, arn string) error {
	const owner = "aws:resourceaccount"
	if len(keys[owner]) == 0 {
		part := strings.SplitN(arn, ":", 6)
		if len(part) < 6 || len(part[4]) != 12 {
			return nil
		}
		keys.Set(owner, part[4])
	}
	at, err := p.place, error(nil)
	if account := origami.AccountID(keys[owner][0]); account != p.who.Account {
		at, err = placeOf(tx, account)
	}
	if err == nil && at.organization != "" {
		keys.Set("aws:ResourceOrgID", string(at.organization))
		keys.Set("aws:ResourceOrgPaths", at.path)
	}
	return err
}

// orgPath is the way to an account from the organization through its root and
// the units, in the form of the condition key aws:PrincipalOrgPaths:
// "o-…/r-…/ou-…/ou-…/". The root has the four characters that begin the IDs of
// units.
func orgPath(tx *metadb.Tx, m *origami.Membership) (string, error) {
	below := ""
	for at := m.Unit; at != ""; {
		u, err := tx.Unit(at)
		if err != nil {
			return "", err
		}
		below = string(u.ID) + "/" + below
		at = u.Parent
	}
	o := string(m.Organization)
	return strings.Join([]string{o, "r-" + o[len(o)-4:], below}, "/"), nil
}
