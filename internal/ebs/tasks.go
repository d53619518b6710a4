package ebs

import "origami"

// The kinds of tasks that this room handles.
const (
	taskSnapshot = "ebs.snapshot" // move a frozen layer's blocks into the store
	taskCopy     = "ebs.copy"     // copy a snapshot

	taskUpload        = "ebs.upload"         // move the blocks of an upload into the store
	taskUploadDrop    = "ebs.upload.drop"    // remove the log of an upload that has ended
	taskUploadTimeout = "ebs.upload.timeout" // fail an upload that was left alone

	taskExpire      = "ebs.expire"      // remove a snapshot or a volume from the Recycle Bin
	taskTier        = "ebs.tier"        // move a snapshot between tiers
	taskTierExpire  = "ebs.tier.expire" // end a temporary restore
	taskFastRestore = "ebs.fastrestore" // move a fast restore to its next state

	taskCreate     = "ebs.create"      // make the files of a new volume
	taskCopyVolume = "ebs.volume.copy" // make a copy of a volume
	taskRekey      = "ebs.rekey"       // encrypt what a volume began with by its own key
	taskRemove     = "ebs.remove"      // remove the files of a deleted volume
)

// snapshotTask is a task about a snapshot.
func snapshotTask(kind string, snap *origami.Snapshot) *origami.Task {
	return &origami.Task{Kind: kind, Region: snap.Region, Owner: snap.Owner, Resource: string(snap.ID)}
}

// volumeTask is a task about a volume.
func volumeTask(kind string, v *origami.Volume) *origami.Task {
	return &origami.Task{Kind: kind, Region: v.Region, Owner: v.Owner, Resource: string(v.ID)}
}
