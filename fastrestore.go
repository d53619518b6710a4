package origami

import "time"

// FastRestore is a snapshot's fast restore in one zone.
type FastRestore struct {
	Snapshot   SnapshotID
	Region     Region
	Zone       string
	Owner      AccountID // who asked for it
	State      FastRestoreState
	Reason     string // of the last change
	Enabling   time.Time
	Optimizing time.Time
	Enabled    time.Time
	Disabling  time.Time
	Disabled   time.Time
	// Credits are volumes that can be made at once, as of CreditsAt.
	Credits   float64
	CreditsAt time.Time
}

// Key names the fast restore inside its region.
func (f *FastRestore) Key() string { return string(f.Snapshot) + "/" + f.Zone }

// FastRestoreState is the state of a fast restore.
type FastRestoreState string

// The states of fast restores.
const (
	FastRestoreEnabling   FastRestoreState = "enabling"
	FastRestoreOptimizing FastRestoreState = "optimizing"
	FastRestoreEnabled    FastRestoreState = "enabled"
	FastRestoreDisabling  FastRestoreState = "disabling"
	FastRestoreDisabled   FastRestoreState = "disabled"
)
