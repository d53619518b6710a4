package metadb

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"origami"
)

// Global is the region of what an account has in all regions alike.
const Global origami.Region = "aws-global"

var identities = &table[origami.Identity]{
	name: "identities",
	doc:  documentOf[origami.Identity](),
	key: func(i *origami.Identity) (origami.Region, string, origami.AccountID) {
		return Global, i.ID, i.Account
	},
	columns: []string{"kind", "folded", "boundary"},
	values:  func(i *origami.Identity) []any { return []any{string(i.Kind), strings.ToLower(i.Name), i.Boundary} },
	children: []child[origami.Identity]{
		{name: "identity_policies", key: "identity", column: "policy", values: func(i *origami.Identity) []string { return i.Attached }},
		{name: "identity_groups", key: "identity", column: "group_id", values: func(i *origami.Identity) []string { return i.Groups }},
	},
}

// PutIdentity inserts a user, group or role, whose name must be free.
func (tx *Tx) PutIdentity(i *origami.Identity) error { return identities.put(tx, i) }

// Identity is the account's user, group or role of a name in any case, or
// ErrNotFound.
func (tx *Tx) Identity(account origami.AccountID, kind origami.IdentityKind, name string) (*origami.Identity, error) {
	return first(identities.where(tx, `t.region = ? AND t.owner = ? AND t.kind = ? AND t.folded = ?`,
		string(Global), string(account), string(kind), strings.ToLower(name)))
}

// IdentityByID is the identity of that ID of any account, or ErrNotFound.
func (tx *Tx) IdentityByID(id string) (*origami.Identity, error) {
	return first(identities.where(tx, `t.region = ? AND t.id = ?`, string(Global), id))
}

// UpdateIdentity changes an identity by f, as UpdateImage does an image.
func (tx *Tx) UpdateIdentity(id string, f func(*origami.Identity) error) (*origami.Identity, error) {
	return identities.update(tx, Global, id, f)
}

// DeleteIdentity removes an identity, and its temporary credentials with it.
func (tx *Tx) DeleteIdentity(id string) error {
	if _, err := tx.exec(`DELETE FROM sessions WHERE identity = ?`, id); err != nil {
		return err
	}
	return identities.remove(tx, Global, id)
}

// Identities lists the identities of one kind of an account, by name.
func (tx *Tx) Identities(account origami.AccountID, kind origami.IdentityKind) ([]*origami.Identity, error) {
	return collect(tx, identities.scanDoc, `SELECT doc FROM identities WHERE region = ? AND owner = ? AND kind = ? ORDER BY folded`,
		string(Global), string(account), string(kind))
}

// IdentitiesOfPolicy lists the identities of an account that a managed policy
// is attached to or, if boundary is set, bounds.
func (tx *Tx) IdentitiesOfPolicy(account origami.AccountID, arn string, boundary bool) ([]*origami.Identity, error) {
	if boundary {
		return identities.where(tx, `t.region = ? AND t.owner = ? AND t.boundary = ?`, string(Global), string(account), arn)
	}
	return identities.where(tx, `t.region = ? AND t.owner = ? AND t.id IN (SELECT p.identity FROM identity_policies p WHERE p.region = t.region AND p.policy = ?)`,
		string(Global), string(account), arn)
}

// UsersOfGroup lists the users who are in a group.
func (tx *Tx) UsersOfGroup(group string) ([]*origami.Identity, error) {
	return identities.where(tx, `t.region = ? AND t.id IN (SELECT g.identity FROM identity_groups g WHERE g.region = t.region AND g.group_id = ?)`,
		string(Global), group)
}

var policies = &table[origami.Policy]{
	name: "policies",
	doc:  documentOf[origami.Policy](),
	key: func(p *origami.Policy) (origami.Region, string, origami.AccountID) {
		return Global, p.ID, p.Account
	},
	columns: []string{"folded"},
	values:  func(p *origami.Policy) []any { return []any{strings.ToLower(p.Name)} },
}

// PutPolicy inserts a managed policy, whose name must be free.
func (tx *Tx) PutPolicy(p *origami.Policy) error { return policies.put(tx, p) }

// Policy is the account's managed policy of a name in any case, or ErrNotFound.
func (tx *Tx) Policy(account origami.AccountID, name string) (*origami.Policy, error) {
	return first(policies.where(tx, `t.region = ? AND t.owner = ? AND t.folded = ?`, string(Global), string(account), strings.ToLower(name)))
}

// UpdatePolicy changes a managed policy by f, as UpdateImage does an image.
func (tx *Tx) UpdatePolicy(id string, f func(*origami.Policy) error) (*origami.Policy, error) {
	return policies.update(tx, Global, id, f)
}

// DeletePolicy removes a managed policy, which must be attached to nobody.
func (tx *Tx) DeletePolicy(id string) error { return policies.remove(tx, Global, id) }

// Policies lists the managed policies of an account, by name.
func (tx *Tx) Policies(account origami.AccountID) ([]*origami.Policy, error) {
	return collect(tx, policies.scanDoc, `SELECT doc FROM policies WHERE region = ? AND owner = ? ORDER BY folded`,
		string(Global), string(account))
}

var instanceProfiles = &table[origami.InstanceProfile]{
	name: "instance_profiles",
	doc:  documentOf[origami.InstanceProfile](),
	key: func(p *origami.InstanceProfile) (origami.Region, string, origami.AccountID) {
		return Global, p.ID, p.Account
	},
	columns: []string{"folded", "role"},
	values:  func(p *origami.InstanceProfile) []any { return []any{strings.ToLower(p.Name), p.Role} },
}

// PutInstanceProfile inserts an instance profile, whose name must be free.
func (tx *Tx) PutInstanceProfile(p *origami.InstanceProfile) error {
	return instanceProfiles.put(tx, p)
}

// InstanceProfile is the account's instance profile of a name in any case, or
// ErrNotFound.
func (tx *Tx) InstanceProfile(account origami.AccountID, name string) (*origami.InstanceProfile, error) {
	return first(instanceProfiles.where(tx, `t.region = ? AND t.owner = ? AND t.folded = ?`, string(Global), string(account), strings.ToLower(name)))
}

// UpdateInstanceProfile changes an instance profile by f, as UpdateImage does
// an image.
func (tx *Tx) UpdateInstanceProfile(id string, f func(*origami.InstanceProfile) error) (*origami.InstanceProfile, error) {
	return instanceProfiles.update(tx, Global, id, f)
}

// DeleteInstanceProfile removes an instance profile.
func (tx *Tx) DeleteInstanceProfile(id string) error { return instanceProfiles.remove(tx, Global, id) }

// InstanceProfiles lists the instance profiles of an account by name, those
// with one role only unless that is "".
func (tx *Tx) InstanceProfiles(account origami.AccountID, role string) ([]*origami.InstanceProfile, error) {
	return collect(tx, instanceProfiles.scanDoc, `SELECT doc FROM instance_profiles WHERE region = ? AND owner = ? AND (? = '' OR role = ?) ORDER BY folded`,
		string(Global), string(account), role, role)
}

// expiredLife is how long credentials are kept after they expired, so that who
// uses them learns that they have.
const expiredLife = 24 * time.Hour

var sessions = documentOf[origami.Session]()

// PutSession inserts temporary credentials, and removes those that have
// expired.
func (tx *Tx) PutSession(s *origami.Session) error {
	doc, err := sessions.encode(s)
	if err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM sessions WHERE expires <= ?`, micros(tx.Now().Add(-expiredLife))); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO sessions (id, identity, expires, doc_version, doc) VALUES (?, ?, ?, ?, ?)`,
		s.AccessKey, s.Identity, micros(s.Expires), docVersion, string(doc))
	return err
}

// Session is the session with that access key, or ErrNotFound. It may have
// expired.
func (tx *Tx) Session(accessKey string) (*origami.Session, error) {
	return first(collect(tx, func(r *sql.Rows) (*origami.Session, error) {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return nil, err
		}
		s, err := sessions.decode(doc)
		if err != nil {
			return nil, fmt.Errorf("decode a session: %w", err)
		}
		return s, nil
	}, `SELECT doc FROM sessions WHERE id = ?`, accessKey))
}
