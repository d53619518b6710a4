package kms

import (
	"context"
	"strconv"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Bounds of how long a deletion waits, in days.
const (
	minWindow     = 7
	maxWindow     = 30
	defaultWindow = 30
)

// ScheduleKeyDeletion makes a key unusable and has it destroyed after a number
// of days, 7 to 30; 0 means 30. A primary key with replicas waits until they
// are gone first. CancelKeyDeletion takes it back.
func (s *Service) ScheduleKeyDeletion(ctx context.Context, a Access, ref string, days int) (*origami.KMSKey, error) {
	if days == 0 {
		days = defaultWindow
	}
	if days < minWindow || days > maxWindow {
		return nil, invalid("PendingWindowInDays must be between %d and %d", minWindow, maxWindow)
	}
	var out *origami.KMSKey
	q := ask{action: "ScheduleKeyDeletion", extra: oneKey("kms:ScheduleKeyDeletionPendingWindowInDays", strconv.Itoa(days))}
	err := s.changeKey(ctx, a, ref, q, func(tx *metadb.Tx, k *origami.KMSKey) error {
		if err := checkKept(k); err != nil {
			return err
		}
		family, err := relatives(tx, k)
		if err != nil {
			return err
		}
		k.DeletionDays = days
		if family != nil && !k.Replica() && len(family.Replicas) > 0 {
			k.State = origami.KMSKeyPendingReplicaDeletion
		} else {
			scheduleDeletion(k, tx.Now())
		}
		out = k
		return nil
	})
	return out, err
}

// scheduleDeletion starts the wait for a key's deletion.
func scheduleDeletion(k *origami.KMSKey, now time.Time) {
	k.State = origami.KMSKeyPendingDeletion
	k.Deletion = now.Truncate(time.Microsecond).AddDate(0, 0, k.DeletionDays)
}

// CancelKeyDeletion keeps a key whose deletion was scheduled, disabled.
func (s *Service) CancelKeyDeletion(ctx context.Context, a Access, ref string) (*origami.KMSKey, error) {
	var out *origami.KMSKey
	err := s.changeKey(ctx, a, ref, ask{action: "CancelKeyDeletion"}, func(_ *metadb.Tx, k *origami.KMSKey) error {
		if checkKept(k) == nil {
			return origami.Errorf(CodeInvalidState, "%s is not pending deletion.", k.ARN())
		}
		k.State, k.Deletion, k.DeletionDays = origami.KMSKeyDisabled, time.Time{}, 0
		out = k
		return nil
	})
	return out, err
}

// destroy removes a key whose wait is over. The primary that waits for its last
// replica begins to wait for itself.
func (s *Service) destroy(tx *metadb.Tx, k *origami.KMSKey) error {
	if err := tx.DeleteKMSKey(k.Region, k.ID); err != nil {
		return err
	}
	if !k.Replica() {
		return nil
	}
	left, err := tx.KMSKeysOf(k.ID)
	if err != nil || len(left) != 1 || left[0].State != origami.KMSKeyPendingReplicaDeletion {
		return err
	}
	_, err = tx.UpdateKMSKey(left[0].Region, k.ID, func(p *origami.KMSKey) error {
		scheduleDeletion(p, tx.Now())
		return nil
	})
	return err
}
