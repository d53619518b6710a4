package ec2server

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"origami"
	"origami/internal/ec2api"
)

// snapshotProperties are the filters of DescribeSnapshots.
var snapshotProperties = properties[*origami.Snapshot]{
	"description":   func(s *origami.Snapshot) []string { return one(s.Description) },
	"encrypted":     func(s *origami.Snapshot) []string { return boolean(s.Encrypted) },
	"owner-alias":   func(s *origami.Snapshot) []string { return nil },
	"owner-id":      func(s *origami.Snapshot) []string { return one(s.Owner) },
	"progress":      func(s *origami.Snapshot) []string { return one(progress(s.Progress)) },
	"snapshot-id":   func(s *origami.Snapshot) []string { return one(s.ID) },
	"start-time":    func(s *origami.Snapshot) []string { return timestamp(s.Started) },
	"status":        func(s *origami.Snapshot) []string { return one(s.State) },
	"storage-tier":  func(s *origami.Snapshot) []string { return one(storageTier(s)) },
	"transfer-type": func(s *origami.Snapshot) []string { return one(transferType(s)) },
	"volume-id":     func(s *origami.Snapshot) []string { return one(s.Volume) },
	"volume-size":   func(s *origami.Snapshot) []string { return number(s.VolumeSize) },
}

func progress(percent int) string { return strconv.Itoa(percent) + "%" }

// wireSnapshot writes a snapshot as the caller sees it.
func wireSnapshot(s *origami.Snapshot, tags origami.Tags) ec2api.Snapshot {
	out := ec2api.Snapshot{
		Description:  ptr(s.Description),
		Encrypted:    ptr(s.Encrypted),
		OwnerId:      text(s.Owner),
		Progress:     text(progress(s.Progress)),
		SnapshotId:   text(s.ID),
		StartTime:    ptr(s.Started),
		State:        text(s.State),
		StateMessage: text(s.StateMessage),
		StorageTier:  text(storageTier(s)),
		Tags:         wireTags(tags),
		VolumeId:     text(s.Volume),
		VolumeSize:   ptr(int32(s.VolumeSize)),
	}
	if s.Encrypted {
		out.KmsKeyId = text(s.KMSKey)
		out.DataEncryptionKeyId = text(dataKeyID(s.KMSKey))
		out.SseType = ptr("sse-kms")
	}
	if s.Copy != nil {
		out.TransferType = text(transferType(s))
		if s.Copy.Minutes != 0 {
			out.CompletionDurationMinutes = ptr(int32(s.Copy.Minutes))
		}
	}
	if t := s.Tiering; t != nil {
		out.RestoreExpiryTime = instant(t.Expires)
	}
	if s.State == origami.SnapshotCompleted {
		out.CompletionTime = ptr(s.Completed)
		out.FullSnapshotSizeInBytes = ptr(s.FullSize)
	}
	return out
}

// transferType says whether a copy has a time to be complete in; "" for what is
// no copy.
func transferType(s *origami.Snapshot) string {
	switch {
	case s.Copy == nil:
		return ""
	case s.Copy.Minutes != 0:
		return "time-based"
	}
	return "standard"
}

// dataKeyID names the key that data are encrypted with, which all that is
// encrypted with one KMS key has in common.
func dataKeyID(key string) string {
	sum := sha256.Sum256([]byte("data key " + key))
	return "dek-" + hex.EncodeToString(sum[:])[:17]
}
