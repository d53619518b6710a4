package metadb

// Setting is a value that belongs to the installation, such as the secret that
// page tokens are sealed with, or ErrNotFound.
func (tx *Tx) Setting(name string) ([]byte, error) {
	value, ok, err := one[[]byte](tx, `SELECT value FROM settings WHERE name = ?`, name)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return value, err
}

// PutSetting sets a value of the installation.
func (tx *Tx) PutSetting(name string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	_, err := tx.exec(`INSERT INTO settings (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// DeleteSetting removes a value of the installation, if it is there.
func (tx *Tx) DeleteSetting(name string) error {
	_, err := tx.exec(`DELETE FROM settings WHERE name = ?`, name)
	return err
}
