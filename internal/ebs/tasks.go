package ebs

// The kinds of tasks that this room handles.
const (
	taskSnapshot = "ebs.snapshot" // move a frozen layer's blocks into the store
	taskCreate   = "ebs.create"   // make the files of a new volume
	taskRemove   = "ebs.remove"   // remove the files of a deleted volume
)
