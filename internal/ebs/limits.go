package ebs

import (
	"cmp"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Limits bound how volumes are snapshotted, and what is copied at a time. The zero
// value bounds no snapshots, and copies as EC2 does.
type Limits struct {
	Pending  int           // snapshots of one volume at a time
	Interval time.Duration // between snapshots of one volume

	// How many copies an account may have under way into a region; zero values
	// mean what EC2 begins with.
	SnapshotCopies int // that were asked for by themselves, not with an image: 20
	VolumeCopies   int // 5
}

func (l Limits) snapshotCopies() int { return cmp.Or(l.SnapshotCopies, 20) }
func (l Limits) volumeCopies() int   { return cmp.Or(l.VolumeCopies, 5) }

// room refuses a snapshot of a volume that would be one too many, whichever
// operation takes it. Snapshots that are of no volume, as copies are, have
// limits of their own.
func (l Limits) room(tx *metadb.Tx, v *origami.Volume) error {
	if v.ID == origami.NoVolume {
		return nil
	}
	l.Interval = 0
	return l.check(tx, v, time.Time{})
}

// check refuses a snapshot of a volume that would be one too many, or too soon.
func (l Limits) check(tx *metadb.Tx, v *origami.Volume, now time.Time) error {
	if l.Pending == 0 && l.Interval == 0 {
		return nil
	}
	pending := 0
	for snap, err := range snapshotsOf(tx, v.Region, v.ID) {
		if err != nil {
			return err
		}
		if snap.State == origami.SnapshotPending {
			pending++
		}
		if l.Interval > 0 && now.Sub(snap.Started) < l.Interval {
			return origami.Errorf(origami.CodeSnapshotCreationRate, "The maximum per volume CreateSnapshot request rate has been exceeded. "+
				"Use an increasing or variable sleep interval between requests.")
		}
	}
	if l.Pending > 0 && pending >= l.Pending {
		return origami.Errorf(origami.CodeConcurrentSnapshotLimit, "Maximum allowed in-progress snapshots for a single volume exceeded.")
	}
	return nil
}
