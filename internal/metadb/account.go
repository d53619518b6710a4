package metadb

import (
	"database/sql"

	"origami"
)

// PutAccount inserts an account. The error is InvalidParameterValue if there
// is one of that name.
func (tx *Tx) PutAccount(a *origami.Account) error {
	_, taken, err := one[string](tx, `SELECT id FROM accounts WHERE name = ?`, a.Name)
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf(origami.CodeInvalidParameterValue, "An account named '%s' already exists", a.Name)
	}
	_, err = tx.exec(`INSERT INTO accounts (id, name, created) VALUES (?, ?, ?)`, string(a.ID), a.Name, micros(a.Created))
	return err
}

// Account is the account of that ID, or ErrNotFound.
func (tx *Tx) Account(id origami.AccountID) (*origami.Account, error) {
	return first(collect(tx, scanAccount, `SELECT id, name, created FROM accounts WHERE id = ?`, string(id)))
}

// AccountByName is the account of that name, or ErrNotFound.
func (tx *Tx) AccountByName(name string) (*origami.Account, error) {
	return first(collect(tx, scanAccount, `SELECT id, name, created FROM accounts WHERE name = ?`, name))
}

// Accounts lists all accounts, oldest first.
func (tx *Tx) Accounts() ([]*origami.Account, error) {
	return collect(tx, scanAccount, `SELECT id, name, created FROM accounts ORDER BY created, id`)
}

func scanAccount(r *sql.Rows) (*origami.Account, error) {
	var a origami.Account
	var created int64
	if err := r.Scan(&a.ID, &a.Name, &created); err != nil {
		return nil, err
	}
	a.Created = fromMicros(created)
	return &a, nil
}

// PutAccessKey inserts an access key. Its account must be there already.
func (tx *Tx) PutAccessKey(k *origami.AccessKey) error {
	_, err := tx.exec(`INSERT INTO access_keys (id, account, secret, created, user_id, disabled) VALUES (?, ?, ?, ?, ?, ?)`,
		k.ID, string(k.Account), k.Secret, micros(k.Created), k.User, flag(k.Disabled))
	return err
}

// accessKeyColumns are those that scanAccessKey reads.
const accessKeyColumns = `id, account, secret, created, user_id, disabled`

// AccessKey is the access key of that ID, or ErrNotFound.
func (tx *Tx) AccessKey(id string) (*origami.AccessKey, error) {
	return first(collect(tx, scanAccessKey, `SELECT `+accessKeyColumns+` FROM access_keys WHERE id = ?`, id))
}

// AccessKeys lists the access keys of a user, or of the root of the account
// if user is "", oldest first.
func (tx *Tx) AccessKeys(account origami.AccountID, user string) ([]*origami.AccessKey, error) {
	return collect(tx, scanAccessKey,
		`SELECT `+accessKeyColumns+` FROM access_keys WHERE account = ? AND user_id = ? ORDER BY created, id`, string(account), user)
}

// SetAccessKeyDisabled switches an access key off or on, or gives ErrNotFound.
func (tx *Tx) SetAccessKeyDisabled(account origami.AccountID, user, id string, disabled bool) error {
	n, err := tx.exec(`UPDATE access_keys SET disabled = ? WHERE account = ? AND user_id = ? AND id = ?`,
		flag(disabled), string(account), user, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// DeleteAccessKey removes an access key of a user, or of the root of the
// account if user is "". It gives ErrNotFound if there is none.
func (tx *Tx) DeleteAccessKey(account origami.AccountID, user, id string) error {
	n, err := tx.exec(`DELETE FROM access_keys WHERE account = ? AND user_id = ? AND id = ?`, string(account), user, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

func scanAccessKey(r *sql.Rows) (*origami.AccessKey, error) {
	var k origami.AccessKey
	var created, disabled int64
	if err := r.Scan(&k.ID, &k.Account, &k.Secret, &created, &k.User, &disabled); err != nil {
		return nil, err
	}
	k.Created, k.Disabled = fromMicros(created), disabled != 0
	return &k, nil
}

// flag is a truth value as the database holds it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// first is the only one of found, or ErrNotFound.
func first[T any](found []*T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return found[0], nil
}
