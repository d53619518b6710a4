package origami

import "time"

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
	FullSize     int64  // bytes of all blocks that it represents
	Root         string // manifest root in the block store, "" until completed
	Layer        uint64 // frozen overlay layer of the source while pending
	// Public and SharedWith are the create-volume permissions that other
	// accounts have.
	Public     bool
	SharedWith []AccountID
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
