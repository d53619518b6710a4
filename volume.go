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
	Snapshot    SnapshotID // "" if made empty
	Base        string     // manifest root that it began as; the overlay's own label is newer
	State       VolumeState
	Created     time.Time
	Attachments []Attachment
}

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
	Slot                int // position on the machine's disk bus, the root at 0
}

// AttachmentState is the state of an attachment.
type AttachmentState string

// The states of attachments.
const (
	Attaching AttachmentState = "attaching"
	Attached  AttachmentState = "attached"
	Detaching AttachmentState = "detaching"
	Detached  AttachmentState = "detached"
)
