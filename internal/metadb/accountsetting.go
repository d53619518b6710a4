package metadb

import "origami"

// AccountSetting is what an account has decided for a region, or ErrNotFound
// if it has not.
func (tx *Tx) AccountSetting(region origami.Region, account origami.AccountID, name string) (string, error) {
	value, ok, err := one[string](tx, `SELECT value FROM account_settings WHERE region = ? AND account = ? AND name = ?`,
		string(region), string(account), name)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return value, err
}

// PutAccountSetting keeps a decision of an account for a region.
func (tx *Tx) PutAccountSetting(region origami.Region, account origami.AccountID, name, value string) error {
	_, err := tx.exec(`INSERT INTO account_settings (region, account, name, value) VALUES (?, ?, ?, ?)
ON CONFLICT (region, account, name) DO UPDATE SET value = excluded.value`, string(region), string(account), name, value)
	return err
}

// DeleteAccountSetting forgets a decision, if there is one.
func (tx *Tx) DeleteAccountSetting(region origami.Region, account origami.AccountID, name string) error {
	_, err := tx.exec(`DELETE FROM account_settings WHERE region = ? AND account = ? AND name = ?`, string(region), string(account), name)
	return err
}
