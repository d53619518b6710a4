package origami

import "time"

// Volume is a writable disk in a zone: a lazy view of its snapshot, and what
// was written since.
type Volume struct {
	ID          VolumeID
	Region      Region
	Owner       AccountID
	Zone        string
	Size        int64 // GiB
	Type        VolumeType
	IOPS        int64 // 0 for types that have none
	Throughput  int64 // MiB/s, 0 for types that have none
	Encrypted   bool
	KMSKey      string     // ARN of the key that it is encrypted with, "" if it is not
	Fault       string     // why its key cannot be used by its owner, "" if it can
	Snapshot    SnapshotID // "" if made empty
	Base        string     // manifest root that it began as; the overlay's own label is newer
	Lineage     string     // of its snapshots; "" if it began empty, and then it is its own
	Source      VolumeID   // that it is a copy of, "" if it is none
	State       VolumeState
	Created     time.Time
	Attachments []Attachment
	Bin         *BinStay // in the Recycle Bin, nil if it is not there

	// Copy is how far a copy is made; nil once all of it is there, and of
	// volumes that are no copies.
	Copy *VolumeCopy

	// Rekey is how far the content that it began with is encrypted with its key;
	// nil if it is, or was never otherwise.
	Rekey *VolumeRekey

	// Rekeyed is what came of it; nil if there was nothing to encrypt.
	Rekeyed *VolumeRekeyed

	FastRestored bool                // from a snapshot with fast restore
	AutoEnableIO bool                // as its owner set it
	Modification *VolumeModification // the last one; nil if there was none
	Modified     []time.Time         // when the modifications of the last 24 hours began
}

// VolumeCopy says how far the copy of a volume is made. While Layer is not 0 the
// volume is being created of that frozen layer of its source, whose files must be
// kept; then its content is in the store, and only its encryption is under way.
type VolumeCopy struct {
	Layer    uint64
	Progress int // percent
}

// VolumeRekey says how far the content of a volume that was made of a snapshot
// with another key, or none, is encrypted with the key of the volume. Until all
// of it is, the volume reads it as it is in the snapshot.
type VolumeRekey struct {
	From     string // manifest root of what it began with, which must be kept
	Part     string // of what is done: all blocks before Block; "" if nothing is
	Block    int64
	Progress int // percent
}

// VolumeRekeyed says which disk a volume was put on when what it began with was
// encrypted with its key. Other volumes that begin with the same and have the same
// key can be put on it too, as long as this one stands on it.
type VolumeRekeyed struct {
	From string // manifest root of what it began with
	Root string // in the encryption of the volume
}

// Line is the lineage of the volume's snapshots.
func (v *Volume) Line() string {
	switch {
	case v.Lineage != "":
		return v.Lineage
	case v.Snapshot != "":
		return string(v.Snapshot)
	}
	return string(v.ID)
}

// VolumeShape is what a modification can change about a volume.
type VolumeShape struct {
	Type       VolumeType
	Size       int64 // GiB
	IOPS       int64 // 0 for types that have none
	Throughput int64 // MiB/s, 0 for types that have none
}

// Shape is the shape that the volume has.
func (v *Volume) Shape() VolumeShape { return VolumeShape{v.Type, v.Size, v.IOPS, v.Throughput} }

// VolumeModification is a change of the shape of a volume, which may be in
// use meanwhile.
type VolumeModification struct {
	State            ModificationState
	StatusMessage    string // for people; may be ""
	Original, Target VolumeShape
	Progress         int // percent
	Started          time.Time
	Ended            time.Time // zero while it is under way
}

// ModificationState is the state of a modification.
type ModificationState string

// The states of modifications. In Optimizing the volume has its new shape, and
// guests are being told.
const (
	Modifying             ModificationState = "modifying"
	Optimizing            ModificationState = "optimizing"
	ModificationCompleted ModificationState = "completed"
	ModificationFailed    ModificationState = "failed"
)

// VolumeState is the state of a volume.
type VolumeState string

// The states of volumes. A deleted volume has no row.
const (
	VolumeCreating  VolumeState = "creating"
	VolumeAvailable VolumeState = "available"
	VolumeInUse     VolumeState = "in-use"
	VolumeDeleting  VolumeState = "deleting"
	VolumeError     VolumeState = "error"
)

// VolumeType is the kind of storage that a volume asks for.
type VolumeType string

// The volume types.
const (
	GP2      VolumeType = "gp2"
	GP3      VolumeType = "gp3"
	IO1      VolumeType = "io1"
	IO2      VolumeType = "io2"
	ST1      VolumeType = "st1"
	SC1      VolumeType = "sc1"
	Standard VolumeType = "standard"
)

// Attachment ties a volume to an instance under a device name.
type Attachment struct {
	Instance            InstanceID
	Device              string // "/dev/sda1"
	State               AttachmentState
	Attached            time.Time
	DeleteOnTermination bool
	Slot                int  // position on the machine's disk bus, the root at 0
	Forced              bool // is being detached whether or not the guest lets go
}

// AttachmentState is the state of an attachment.
type AttachmentState string

// The states of attachments.
const (
	Attaching AttachmentState = "attaching"
	Attached  AttachmentState = "attached"
	Detaching AttachmentState = "detaching"
	Detached  AttachmentState = "detached"
	Busy      AttachmentState = "busy" // detaching, and the guest has not let go yet
)
