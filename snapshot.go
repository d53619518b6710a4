package origami

import (
	"slices"
	"time"
)

// Snapshot is the content of a volume at one instant. It stands alone:
// deleting any other snapshot, volume or image does not change it.
type Snapshot struct {
	ID           SnapshotID
	Region       Region
	Owner        AccountID
	Volume       VolumeID // the source, "vol-ffffffff" if there was none
	State        SnapshotState
	StateMessage string // of a failed one
	Progress     int    // percent
	Started      time.Time
	Completed    time.Time // zero until then
	Description  string
	VolumeSize   int64 // GiB
	Encrypted    bool
	KMSKey       string // ARN of the key that it is encrypted with, "" if it is not
	FullSize     int64  // bytes of all blocks that it represents
	Root         string // manifest root in the block store, "" until completed
	Layer        uint64 // frozen overlay layer of the source while pending
	// Public and SharedWith are the create-volume permissions that other
	// accounts have. PublicBlocked withholds the first, because the owner
	// blocks public access.
	Public        bool
	SharedWith    []AccountID
	PublicBlocked bool
	// Lineage is the same for snapshots that come from one disk: the ID of the
	// volume or snapshot that it began with. Use Line.
	Lineage string
	Copy    *SnapshotCopy   // how it is copied, nil of others
	Rekey   *VolumeRekey    // of its volume, while it is pending and the volume is gone
	Upload  *SnapshotUpload // how it is being written block by block, nil of others
	Lock    *SnapshotLock   // against deletion, nil if it never had one
	Tiering *Tiering        // between tiers, nil if it was never archived
	Bin     *BinStay        // in the Recycle Bin, nil if it is not there
}

// Usable reports whether the content of the snapshot can be read: it is
// complete, and neither archived nor in the Recycle Bin.
func (s *Snapshot) Usable() bool {
	return s.State == SnapshotCompleted && s.Bin == nil && s.Tier() == TierStandard
}

// SharedBy reports whether the owner has shared the snapshot with an account by
// name.
func (s *Snapshot) SharedBy(account AccountID) bool { return slices.Contains(s.SharedWith, account) }

// Line is the lineage of the snapshot: two snapshots can be compared if it is
// the same.
func (s *Snapshot) Line() string {
	switch {
	case s.Lineage != "":
		return s.Lineage
	case s.Volume != NoVolume:
		return string(s.Volume)
	}
	return string(s.ID)
}

// SnapshotCopy says what a snapshot is a copy of.
type SnapshotCopy struct {
	Source       SnapshotID
	SourceRegion Region
	ForImage     bool // it was asked for with an image, and not by itself
	Minutes      int  // in which the caller wants it to be complete, 0 if that does not matter

	// While the copy is pending, Root is the content of the source, which must
	// be kept, and Part what of it is there in the encryption of the copy: all
	// blocks before Block. Fault is why it cannot succeed.
	Root  string
	Part  string
	Block int64
	Fault string
}

// SnapshotUpload says how a snapshot is written through the EBS direct APIs.
type SnapshotUpload struct {
	Parent  SnapshotID    // it starts as the content of this one, "" if it starts empty
	Base    string        // manifest root of the parent
	Timeout time.Duration // without a write after which the snapshot fails
	// Completing is true once the snapshot was declared complete, with that
	// many blocks put.
	Completing bool
	Changed    int64
	Sum        []byte // SHA-256 of their SHA-256s, nil if it was not said
}

// SnapshotLock keeps a snapshot from being deleted.
type SnapshotLock struct {
	Compliance    bool // the mode: compliance, or else governance
	Created       time.Time
	CoolOff       int       // hours in which a lock in compliance mode can be taken away
	CoolOffEnds   time.Time // zero without
	DurationStart time.Time // zero while the snapshot is pending
	Duration      int       // days
	Expires       time.Time // zero while the snapshot is pending
}

// SnapshotLockState is the state of a lock at some time.
type SnapshotLockState string

// The states of locks.
const (
	LockGovernance SnapshotLockState = "governance"
	LockCoolOff    SnapshotLockState = "compliance-cooloff"
	LockCompliance SnapshotLockState = "compliance"
	LockExpired    SnapshotLockState = "expired"
)

// State is the state of the lock at a time.
func (l *SnapshotLock) State(now time.Time) SnapshotLockState {
	switch {
	case !l.Expires.IsZero() && !now.Before(l.Expires):
		return LockExpired
	case !l.Compliance:
		return LockGovernance
	case now.Before(l.CoolOffEnds):
		return LockCoolOff
	}
	return LockCompliance
}

// Tiering is where a snapshot is stored that was archived, and how it came
// there.
type Tiering struct {
	Archived bool // and not restored, unless Restored is true
	Restored bool // for a time
	Status   TieringStatus
	Detail   string
	Progress int // percent of the last operation
	Started  time.Time
	Stored   time.Time // when it was archived
	Days     int       // of the temporary restore
	Expires  time.Time // end of the temporary restore
}

// TieringStatus is the state of the last move between tiers.
type TieringStatus string

// The states of moves between tiers.
const (
	ArchivalInProgress         TieringStatus = "archival-in-progress"
	ArchivalCompleted          TieringStatus = "archival-completed"
	ArchivalFailed             TieringStatus = "archival-failed"
	TemporaryRestoreInProgress TieringStatus = "temporary-restore-in-progress"
	TemporaryRestoreCompleted  TieringStatus = "temporary-restore-completed"
	TemporaryRestoreFailed     TieringStatus = "temporary-restore-failed"
	PermanentRestoreInProgress TieringStatus = "permanent-restore-in-progress"
	PermanentRestoreCompleted  TieringStatus = "permanent-restore-completed"
	PermanentRestoreFailed     TieringStatus = "permanent-restore-failed"
)

// StorageTier is where a snapshot is stored.
type StorageTier string

// The storage tiers.
const (
	TierStandard StorageTier = "standard"
	TierArchive  StorageTier = "archive"
)

// Tier is the tier from which the snapshot can be read, or cannot.
func (s *Snapshot) Tier() StorageTier {
	if t := s.Tiering; t != nil && t.Archived && !t.Restored {
		return TierArchive
	}
	return TierStandard
}

// NoVolume is the volume ID of snapshots that were not taken of a volume.
const NoVolume VolumeID = "vol-ffffffff"

// SnapshotState is the state of a snapshot.
type SnapshotState string

// The states of snapshots.
const (
	SnapshotPending   SnapshotState = "pending"
	SnapshotCompleted SnapshotState = "completed"
	SnapshotError     SnapshotState = "error"
)
