package metadb

import "origami"

// CountKeyPairs is how many key pairs an account has in a region.
func (tx *Tx) CountKeyPairs(region origami.Region, owner origami.AccountID) (int, error) {
	return tx.number(`SELECT COUNT(*) FROM key_pairs WHERE region = ? AND owner = ?`, string(region), string(owner))
}

// CountVolumes is how many volumes an account has in a region.
func (tx *Tx) CountVolumes(region origami.Region, owner origami.AccountID) (int, error) {
	return tx.number(`SELECT COUNT(*) FROM volumes WHERE region = ? AND owner = ?`, string(region), string(owner))
}

// CountRunning is how many instances of an account in a region run, or are
// about to.
func (tx *Tx) CountRunning(region origami.Region, owner origami.AccountID) (int, error) {
	return tx.number(`SELECT COUNT(*) FROM instances WHERE region = ? AND owner = ? AND state IN (?, ?)`,
		string(region), string(owner), string(origami.InstancePending), string(origami.InstanceRunning))
}

func (tx *Tx) number(query string, args ...any) (int, error) {
	n, _, err := one[int64](tx, query, args...)
	return int(n), err
}
