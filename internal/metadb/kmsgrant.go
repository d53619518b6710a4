package metadb

import (
	"cmp"
	"iter"

	"origami"
)

var kmsAliases = &table[origami.KMSAlias]{
	name: "kms_aliases",
	doc:  documentOf[origami.KMSAlias](),
	key: func(a *origami.KMSAlias) (origami.Region, string, origami.AccountID) {
		return a.Region, kmsAliasID(a.Owner, a.Name), a.Owner
	},
	columns: []string{"kms_key"},
	values:  func(a *origami.KMSAlias) []any { return []any{string(a.Key)} },
	filters: map[string]filter{"key-id": {column: "kms_key", selective: true}},
}

var kmsGrants = &table[origami.KMSGrant]{
	name: "kms_grants",
	doc:  documentOf[origami.KMSGrant](),
	key: func(g *origami.KMSGrant) (origami.Region, string, origami.AccountID) {
		return g.Region, g.ID, g.Owner
	},
	columns: []string{"kms_key", "grantee", "retiring"},
	values: func(g *origami.KMSGrant) []any {
		// Principals are found by their unique IDs, accounts by their ARNs.
		return []any{string(g.Key), cmp.Or(g.PrincipalIDs[g.Grantee], g.Grantee), cmp.Or(g.PrincipalIDs[g.Retiring], g.Retiring)}
	},
	filters: map[string]filter{
		"key-id":             {column: "kms_key", selective: true},
		"grantee-principal":  {column: "grantee", selective: true},
		"retiring-principal": {column: "retiring", selective: true},
	},
}

// kmsAliasID is the ID of an alias: names count for each account.
func kmsAliasID(owner origami.AccountID, name string) string { return string(owner) + ":" + name }

// PutKMSAlias inserts an alias. Its key must be there.
func (tx *Tx) PutKMSAlias(a *origami.KMSAlias) error { return kmsAliases.put(tx, a) }

// KMSAlias is the alias of that name, or ErrNotFound.
func (tx *Tx) KMSAlias(region origami.Region, owner origami.AccountID, name string) (*origami.KMSAlias, error) {
	a, err := kmsAliases.get(tx, region, owner, kmsAliasID(owner, name))
	return a, notFound(err)
}

// UpdateKMSAlias changes an alias by f. The error is ErrNotFound if there is
// none.
func (tx *Tx) UpdateKMSAlias(region origami.Region, owner origami.AccountID, name string, f func(*origami.KMSAlias)) error {
	_, err := kmsAliases.update(tx, region, kmsAliasID(owner, name), func(a *origami.KMSAlias) error {
		f(a)
		return nil
	})
	return notFound(err)
}

// DeleteKMSAlias removes an alias, or gives ErrNotFound.
func (tx *Tx) DeleteKMSAlias(region origami.Region, owner origami.AccountID, name string) error {
	return notFound(kmsAliases.remove(tx, region, kmsAliasID(owner, name)))
}

// KMSAliases yields the aliases that q selects, by account and name. The filter
// key-id selects those of one key; IDs of q are an account, a colon and a name.
func (tx *Tx) KMSAliases(q Query) iter.Seq2[*origami.KMSAlias, error] { return kmsAliases.list(tx, q) }

// PutKMSGrant inserts a grant. Its key must be there.
func (tx *Tx) PutKMSGrant(g *origami.KMSGrant) error { return kmsGrants.put(tx, g) }

// KMSGrant is the grant of that ID, or ErrNotFound.
func (tx *Tx) KMSGrant(region origami.Region, id string) (*origami.KMSGrant, error) {
	g, err := kmsGrants.get(tx, region, System, id)
	return g, notFound(err)
}

// DeleteKMSGrant removes a grant, or gives ErrNotFound.
func (tx *Tx) DeleteKMSGrant(region origami.Region, id string) error {
	return notFound(kmsGrants.remove(tx, region, id))
}

// KMSGrants yields the grants that q selects, by ID. The filters key-id,
// grantee-principal and retiring-principal narrow.
func (tx *Tx) KMSGrants(q Query) iter.Seq2[*origami.KMSGrant, error] { return kmsGrants.list(tx, q) }
