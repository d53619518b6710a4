package instance

import (
	"origami"
	"origami/internal/metadb"
)

// Quotas are how much an account may have in a region. Zero means any number.
type Quotas struct {
	Instances int // pending and running
	KeyPairs  int
}

// instances is how many of n instances an account may have besides those that
// it has. The error is InstanceLimitExceeded if that is fewer than least.
func (q Quotas) instances(tx *metadb.Tx, who origami.Caller, least, n int) (int, error) {
	if q.Instances == 0 {
		return n, nil
	}
	used, err := tx.CountRunning(who.Region, who.Account)
	if err != nil {
		return 0, err
	}
	left := max(0, q.Instances-used)
	if left < least {
		return 0, origami.Errorf("InstanceLimitExceeded", "Your quota allows for %d more running instance(s). You requested at least %d.", left, least)
	}
	return min(left, n), nil
}

// keyPair checks that an account may have one key pair more.
func (q Quotas) keyPair(tx *metadb.Tx, who origami.Caller) error {
	if q.KeyPairs == 0 {
		return nil
	}
	n, err := tx.CountKeyPairs(who.Region, who.Account)
	if err != nil || n < q.KeyPairs {
		return err
	}
	return origami.Errorf("KeyPairLimitExceeded", "The maximum number of key pairs (%d) has been reached.", q.KeyPairs)
}
