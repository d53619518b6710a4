package kms

import (
	"crypto/sha256"
	"errors"
	"sync"

	"origami/internal/keywrap"
	"origami/internal/metadb"
)

// keyring is the master keys that this process has opened, by the checksum of
// their records. There is one, until [Service.Rewrap] replaces it: a
// transaction that began before goes on with the one that it sees.
type keyring struct {
	mu   sync.RWMutex
	keys []ringKey // the newest first; by mu
}

type ringKey struct {
	record [sha256.Size]byte
	key    *keywrap.Key
}

// add adds the master key of a record, unless it is there.
func (r *keyring) add(record masterRecord, key *keywrap.Key) {
	sum := record.sum()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.keys {
		if k.record == sum {
			return
		}
	}
	r.keys = append([]ringKey{{sum, key}}, r.keys...)
}

// all are the keys, the newest first.
func (r *keyring) all() []ringKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys // which is never changed, only replaced
}

// open opens what one of the keys sealed for a purpose.
func (r *keyring) open(sealed []byte, purpose string) ([]byte, error) {
	for _, k := range r.all() {
		if plain, err := k.key.Open(sealed, purpose); err == nil {
			return plain, nil
		}
	}
	return nil, keywrap.ErrDamaged
}

// errOtherMaster is the error of a process whose keys another one changed.
var errOtherMaster = errors.New("another process changed the master key; this one must be started again")

// current is the master key that a transaction must seal with.
func (s *Service) current(tx *metadb.Tx) (*keywrap.Key, error) {
	record, err := storedMaster(tx)
	if err != nil {
		return nil, err
	}
	sum := record.sum()
	for _, k := range s.ring.all() {
		if k.record == sum {
			return k.key, nil
		}
	}
	return nil, errOtherMaster
}
