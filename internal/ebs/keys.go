package ebs

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// Keys are the keys of the block store's domains. Each KMS key that something
// is encrypted with is one domain, named by the ARN of the key. The key of the
// domain is a data key of KMS, of which the database has what only KMS can
// open, and only while the KMS key is enabled.
type Keys struct {
	DB  *metadb.DB
	KMS *kms.Service
}

var _ blockstore.Keys = Keys{}

// domainSetting is before the name of a domain in the settings of the
// installation.
const domainSetting = "ebs-domain-key/"

// domainContext binds the key of a domain to its domain.
func domainContext(d blockstore.Domain) kms.Context { return kms.Context{"aws:ebs:domain": string(d)} }

// DomainKey implements [blockstore.Keys]. It fails while the KMS key is
// disabled, and for good when that is gone. Its errors are those of
// [kms.Service.ReopenDataKey].
func (k Keys) DomainKey(ctx context.Context, d blockstore.Domain) (blockstore.Key, error) {
	var key blockstore.Key
	if k.KMS == nil {
		return key, errNoKeys()
	}
	region, err := regionOfKey(string(d))
	if err != nil {
		return key, err
	}
	err = k.DB.View(ctx, func(tx *metadb.Tx) error {
		blob, err := tx.Setting(domainSetting + string(d))
		if err != nil {
			return fmt.Errorf("find the key of domain %s: %w", d, err)
		}
		data, err := k.KMS.ReopenDataKey(tx, region, blob, domainContext(d))
		if err == nil {
			key = blockstore.Key(data.Plain)
		}
		return err
	})
	return key, err
}

// volumeKey is the key of what is written to volumes, until it comes into the
// store: derived from that of the domain which the wrapped key names. Each
// volume mixes its own identifier in.
func (k Keys) volumeKey(ctx context.Context, w overlay.WrappedKey) ([]byte, error) {
	if k.KMS == nil {
		return nil, overlay.ErrNoKey
	}
	key, err := k.DomainKey(ctx, blockstore.Domain(w.KeyID))
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(sha256.New, key[:], "origami volume 1\x00"+w.KeyID, overlay.KeySize)
}

// Unwrap finds the key of an encrypted volume; see [overlay.Options].
func (k Keys) Unwrap(ctx context.Context) func(overlay.WrappedKey) ([]byte, error) {
	return func(w overlay.WrappedKey) ([]byte, error) { return k.volumeKey(ctx, w) }
}

// makeDomain makes the domain of a KMS key when the key is first used.
func (k Keys) makeDomain(tx *metadb.Tx, a kms.Access, key *origami.KMSKey) error {
	d := blockstore.Domain(key.ARN())
	_, err := tx.Setting(domainSetting + string(d))
	if !errors.Is(err, metadb.ErrNotFound) {
		return err
	}
	data, err := k.KMS.NewDataKey(tx, a, key, domainContext(d))
	if err != nil {
		return err
	}
	return tx.PutSetting(domainSetting+string(d), data.Blob)
}
