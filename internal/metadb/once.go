package metadb

import (
	"bytes"
	"database/sql"
	"time"

	"origami"
)

// tokenLife is how long the result of a request with a client token is kept.
const tokenLife = 24 * time.Hour

// Once looks up a request that carries a client token. If one with the same
// token and the same fingerprint of its parameters was made before, done is
// true and result is what SetOnce kept of it. If the fingerprint differs, the
// error is IdempotentParameterMismatch. Tokens count per account, region and
// operation; the empty token is none.
//
// Once and SetOnce belong in the transaction that does what is asked for: of
// two such requests at the same time one finds the result of the other.
func (tx *Tx) Once(account origami.AccountID, region origami.Region, operation, token string, fingerprint [32]byte) (result string, done bool, err error) {
	if token == "" {
		return "", false, nil
	}
	type kept struct {
		fingerprint []byte
		result      string
	}
	found, err := collect(tx, func(r *sql.Rows) (kept, error) {
		var k kept
		return k, r.Scan(&k.fingerprint, &k.result)
	}, `SELECT fingerprint, result FROM once WHERE account = ? AND region = ? AND operation = ? AND token = ? AND expires > ?`,
		string(account), string(region), operation, token, micros(tx.Now()))
	if err != nil || len(found) == 0 {
		return "", false, err
	}
	if !bytes.Equal(found[0].fingerprint, fingerprint[:]) {
		return "", false, origami.Errorf(origami.CodeIdempotentParameterMismatch,
			"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return found[0].result, true, nil
}

// SetOnce keeps the result of a request with a client token for 24 hours.
func (tx *Tx) SetOnce(account origami.AccountID, region origami.Region, operation, token string, fingerprint [32]byte, result string) error {
	if token == "" {
		return nil
	}
	now := tx.Now()
	if _, err := tx.exec(`DELETE FROM once WHERE expires <= ?`, micros(now)); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO once (account, region, operation, token, fingerprint, result, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(account), string(region), operation, token, fingerprint[:], result, micros(now.Add(tokenLife)))
	return err
}
