package ebs

// The kinds of tasks that this room handles.
const (
	taskSnapshot = "ebs.snapshot" // move a frozen layer's blocks into the store
	taskCreate   = "ebs.create"   // make the files of a new volume
	taskCopy     = "ebs.copy"     // copy a snapshot
	taskRemove   = "ebs.remove"   // remove the files of a deleted volume

	taskUpload        = "ebs.upload"         // move the blocks of an upload into the store
	taskUploadTimeout = "ebs.upload.timeout" // fail an upload that was left alone
	taskExpire        = "ebs.expire"         // remove a snapshot from the Recycle Bin
	taskTier          = "ebs.tier"           // move a snapshot between tiers
	taskTierExpire    = "ebs.tier.expire"    // end a temporary restore
	taskFastRestore   = "ebs.fastrestore"    // move a fast restore to its next state

	taskUploadDrop = "ebs.upload.drop" // remove the log of an upload that has ended
)
