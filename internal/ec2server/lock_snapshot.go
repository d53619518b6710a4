package ec2server

import (
	"context"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// LockSnapshot locks a snapshot against deletion.
func (s *Server) LockSnapshot(ctx context.Context, who origami.Caller, in *ec2api.LockSnapshotInput) (*ec2api.LockSnapshotOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	r := ebs.LockRequest{Compliance: deref(in.LockMode) == "compliance", CoolOff: in.CoolOffPeriod,
		Days: in.LockDuration, Until: deref(in.ExpirationDate)}
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.LockSnapshot(tx, who, id, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	l := s.wireLock(snap)
	return &ec2api.LockSnapshotOutput{
		CoolOffPeriod: l.CoolOffPeriod, CoolOffPeriodExpiresOn: l.CoolOffPeriodExpiresOn, LockCreatedOn: l.LockCreatedOn,
		LockDuration: l.LockDuration, LockDurationStartTime: l.LockDurationStartTime, LockExpiresOn: l.LockExpiresOn,
		LockState: l.LockState, SnapshotId: l.SnapshotId,
	}, nil
}

// UnlockSnapshot takes the lock off a snapshot.
func (s *Server) UnlockSnapshot(ctx context.Context, who origami.Caller, in *ec2api.UnlockSnapshotInput) (*ec2api.UnlockSnapshotOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.UnlockSnapshot(tx, who, id) })
	return &ec2api.UnlockSnapshotOutput{SnapshotId: text(id)}, err
}

// wireLock writes the lock of a snapshot that has one.
func (s *Server) wireLock(snap *origami.Snapshot) ec2api.LockedSnapshotsInfo {
	l := snap.Lock
	out := ec2api.LockedSnapshotsInfo{
		CoolOffPeriodExpiresOn: instant(l.CoolOffEnds), LockCreatedOn: instant(l.Created), LockDuration: ptr(int32(l.Duration)),
		LockDurationStartTime: instant(l.DurationStart), LockExpiresOn: instant(l.Expires),
		LockState: text(l.State(s.ebs.Now())), OwnerId: text(snap.Owner), SnapshotId: text(snap.ID),
	}
	if l.CoolOff != 0 {
		out.CoolOffPeriod = ptr(int32(l.CoolOff))
	}
	return out
}

// instant returns a pointer to a time, or nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
