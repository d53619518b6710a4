package kms

import (
	"context"
	"errors"
	"time"

	"origami"
	"origami/internal/metadb"
)

// sweepEvery is how often Serve looks for keys whose time has come. Nothing
// waits for it: a key whose deletion is due is gone for every caller at once.
const sweepEvery = time.Minute

// Serve rotates and destroys keys whose time has come, until ctx ends. What
// fails is logged and tried again.
func (s *Service) Serve(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("sweep of KMS keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweepBatch is how many keys one look takes.
const sweepBatch = 100

// Sweep rotates and destroys all keys whose time has come.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var due []*origami.KMSKey
		err := s.view(ctx, func(tx *metadb.Tx) (err error) {
			due, err = tx.KMSKeysDue(tx.Now(), sweepBatch)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, k := range due {
			if err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.sweepKey(tx, k) }); err != nil {
				return err
			}
		}
	}
}

// sweepKey does what is due to a key, if it still is.
func (s *Service) sweepKey(tx *metadb.Tx, seen *origami.KMSKey) error {
	k, err := tx.KMSKey(seen.Region, seen.ID)
	if errors.Is(err, metadb.ErrNotFound) {
		return nil
	}
	switch {
	case err != nil:
		return err
	case gone(tx, k):
		s.log.Info("KMS key destroyed", "key", k.ARN())
		return s.destroy(tx, k)
	case k.State == origami.KMSKeyEnabled && !k.NextRotation.IsZero() && !tx.Now().Before(k.NextRotation):
		return s.rotate(tx, k, rotatedAutomatically)
	}
	return nil
}
