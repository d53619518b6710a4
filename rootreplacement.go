package origami

import "time"

// RootReplacement puts another volume in the place of an instance's root
// volume.
type RootReplacement struct {
	ID        ReplaceRootTaskID
	Region    Region
	Owner     AccountID
	Instance  InstanceID
	Image     ImageID    // "" unless the new volume comes from an image
	Snapshot  SnapshotID // that the new volume comes from
	DeleteOld bool
	OldVolume VolumeID
	NewVolume VolumeID // "" before it is made
	State     RootReplacementState
	Reason    string // why it failed
	Started   time.Time
	Completed time.Time // zero while under way
}

// RootReplacementState is the state of the replacement of a root volume.
type RootReplacementState string

// The states of replacements.
const (
	ReplacementPending        RootReplacementState = "pending"
	ReplacementInProgress     RootReplacementState = "in-progress"
	ReplacementFailing        RootReplacementState = "failing"
	ReplacementSucceeded      RootReplacementState = "succeeded"
	ReplacementFailed         RootReplacementState = "failed" // the old volume is attached again
	ReplacementFailedDetached RootReplacementState = "failed-detached"
)
