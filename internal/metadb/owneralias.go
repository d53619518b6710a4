package metadb

import (
	"database/sql"

	"origami"
)

// SetOwnerAlias makes an account publish its images under an alias, such as
// "amazon"; "" takes it away.
func (tx *Tx) SetOwnerAlias(account origami.AccountID, alias string) error {
	if alias == "" {
		_, err := tx.exec(`DELETE FROM image_owner_aliases WHERE account = ?`, string(account))
		return err
	}
	_, err := tx.exec(`INSERT INTO image_owner_aliases (account, alias) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET alias = excluded.alias`, string(account), alias)
	return err
}

// OwnerAliases are the aliases of the accounts that publish images under one.
func (tx *Tx) OwnerAliases() (map[origami.AccountID]string, error) {
	type pair struct {
		account origami.AccountID
		alias   string
	}
	found, err := collect(tx, func(r *sql.Rows) (pair, error) {
		var p pair
		return p, r.Scan(&p.account, &p.alias)
	}, `SELECT account, alias FROM image_owner_aliases`)
	out := make(map[origami.AccountID]string, len(found))
	for _, p := range found {
		out[p.account] = p.alias
	}
	return out, err
}
