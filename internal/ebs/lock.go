package ebs

import (
	"time"

	"origami"
	"origami/internal/metadb"
)

// Bounds of locks.
const (
	maxLockDays = 36500
	maxCoolOff  = 72 // hours
)

const day = 24 * time.Hour

// LockRequest is a request to lock a snapshot: for a number of days, or until
// a date.
type LockRequest struct {
	Compliance bool
	CoolOff    *int32 // hours; nil for none
	Days       *int32
	Until      time.Time
}

// LockSnapshot locks a snapshot of the caller's against deletion, or changes
// its lock as far as the lock's state allows. The lock of a pending snapshot
// begins when that is complete.
func (s *Service) LockSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, r LockRequest) (*origami.Snapshot, error) {
	now := s.now().UTC()
	if err := r.check(now); err != nil {
		return nil, err
	}
	snap, err := s.Owned(tx, who, id)
	if err != nil {
		return nil, err
	}
	if snap.State == origami.SnapshotError {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is in the error state.", id)
	}
	return tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		lock := r.lock(snap, now)
		if old := snap.Lock; old != nil && old.State(now) == origami.LockCompliance {
			if !r.Compliance || r.CoolOff != nil || !longer(lock, old) {
				return origami.Errorf(origami.CodeOperationNotPermitted,
					"The snapshot '%s' is locked in compliance mode. Its lock can only be extended.", id)
			}
			lock.CoolOff, lock.CoolOffEnds = old.CoolOff, old.CoolOffEnds
		}
		snap.Lock = lock
		return nil
	})
}

// longer reports whether a lock ends later than another.
func longer(lock, old *origami.SnapshotLock) bool {
	if lock.Expires.IsZero() || old.Expires.IsZero() {
		return lock.Duration > old.Duration // they begin together
	}
	return lock.Expires.After(old.Expires)
}

func (r *LockRequest) check(now time.Time) error {
	switch {
	case r.Days != nil && !r.Until.IsZero():
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter LockDuration cannot be used with the parameter ExpirationDate")
	case r.Days == nil && r.Until.IsZero():
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter LockDuration or ExpirationDate")
	case !r.Compliance && r.CoolOff != nil:
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter CoolOffPeriod can only be used in compliance mode")
	case r.CoolOff != nil && (*r.CoolOff < 1 || *r.CoolOff > maxCoolOff):
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter CoolOffPeriod is invalid. It must be between 1 and %d.", *r.CoolOff, maxCoolOff)
	case r.Days != nil && (*r.Days < 1 || *r.Days > maxLockDays):
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter LockDuration is invalid. It must be between 1 and %d.", *r.Days, maxLockDays)
	case !r.Until.IsZero() && (!r.Until.After(now) || r.Until.After(now.AddDate(0, 0, maxLockDays))):
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter ExpirationDate is invalid. It must be in the next %d days.",
			r.Until.UTC().Format(time.RFC3339), maxLockDays)
	}
	return nil
}

// lock is the lock that is asked for.
func (r *LockRequest) lock(snap *origami.Snapshot, now time.Time) *origami.SnapshotLock {
	l := &origami.SnapshotLock{Compliance: r.Compliance, Created: now}
	if r.CoolOff != nil {
		l.CoolOff, l.CoolOffEnds = int(*r.CoolOff), now.Add(time.Duration(*r.CoolOff)*time.Hour)
	}
	if r.Days != nil {
		l.Duration = int(*r.Days)
	} else {
		l.Expires = r.Until.UTC()
		l.Duration = int((r.Until.Sub(now) + day - 1) / day)
	}
	if snap.State == origami.SnapshotCompleted {
		beginLock(l, now)
	}
	return l
}

// beginLock begins the duration of a lock.
func beginLock(l *origami.SnapshotLock, now time.Time) {
	l.DurationStart = now
	if l.Expires.IsZero() {
		l.Expires = now.AddDate(0, 0, l.Duration)
	}
}

// UnlockSnapshot takes the lock off a snapshot of the caller's, if its state
// allows.
func (s *Service) UnlockSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) error {
	if _, err := s.Owned(tx, who, id); err != nil {
		return err
	}
	_, err := tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		switch {
		case snap.Lock == nil || snap.Lock.State(s.now()) == origami.LockExpired:
			return origami.Errorf(origami.CodeIncorrectState, "The snapshot '%s' is not locked.", id)
		case snap.Lock.State(s.now()) == origami.LockCompliance:
			return origami.Errorf(origami.CodeOperationNotPermitted, "The snapshot '%s' is locked in compliance mode. It cannot be unlocked.", id)
		}
		snap.Lock = nil
		return nil
	})
	return err
}

// unlocked refuses to delete a snapshot that is locked.
func (s *Service) unlocked(snap *origami.Snapshot) error {
	if snap.Lock == nil || snap.Lock.State(s.now()) == origami.LockExpired {
		return nil
	}
	return origami.Errorf(origami.CodeSnapshotLocked, "The snapshot '%s' is locked and cannot be deleted.", snap.ID)
}
