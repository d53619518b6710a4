package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
)

// Bounds of snapshots that are written through the EBS direct APIs.
const (
	BlocksPerGiB     = GiB / blockstore.BlockSize
	maxUploadSize    = 65536 // GiB
	maxUploads       = 100   // pending ones of an account in a region
	minUploadTimeout = 10 * time.Minute
	maxUploadTimeout = 4320 * time.Minute
	uploadTimeout    = 60 * time.Minute // unless it is given
)

// UploadRequest is a request for a snapshot that its owner writes block by
// block. Zero values mean "not given".
type UploadRequest struct {
	Size        int64              // GiB
	Parent      origami.SnapshotID // it starts as the content of this one
	Description string
	Tags        origami.Tags
	Encrypted   *bool
	KMSKey      string
	Timeout     time.Duration // without a block, after which it fails

	// ClientToken makes the request safe to repeat; Fingerprint tells whether
	// a repetition asks for the same.
	ClientToken string
	Fingerprint [32]byte
}

// StartSnapshot begins a snapshot that [Service.PutBlock] writes and
// [Service.CompleteUpload] ends. It returns it with its tags.
func (s *Service) StartSnapshot(ctx context.Context, who origami.Caller, r UploadRequest) (*origami.Snapshot, origami.Tags, error) {
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	for {
		made, tags, err := s.startUpload(ctx, who, r)
		if !errors.Is(err, errOtherKey) {
			return made, tags, err
		}
	}
}

// errOtherKey says that what decides about the key of an upload has changed
// since its log was made.
var errOtherKey = errors.New("the upload is to be encrypted with another key")

// startUpload makes the log of an upload, and then its rows.
func (s *Service) startUpload(ctx context.Context, who origami.Caller, r UploadRequest) (*origami.Snapshot, origami.Tags, error) {
	snap := s.newSnapshot(who, &origami.Volume{ID: origami.NoVolume, Size: r.Size}, SnapshotSpec{Description: r.Description})
	snap.Upload = &origami.SnapshotUpload{Timeout: r.Timeout}
	var made *origami.Snapshot
	var tags origami.Tags
	err := s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		if made, tags, err = s.earlierUpload(tx, who, r); err != nil || made != nil {
			return err
		}
		_, snap.KMSKey, err = s.uploadBase(tx, who, r)
		return err
	})
	if err != nil || made != nil {
		return made, tags, err
	}
	// The log first: a row never names bytes that are not there. What no row
	// comes to name is removed by Recover, if not here.
	if err := s.store.CreateUpload(ctx, s.volumes, uploadName(snap.ID), r.Size*GiB, blockstore.Domain(snap.KMSKey)); err != nil {
		return nil, nil, keyError(snap.KMSKey, err)
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		made, tags, err = s.addUpload(tx, who, *snap, r)
		return err
	})
	if err != nil || made.ID != snap.ID {
		if removed := s.volumes.Remove(uploadName(snap.ID)); removed != nil {
			s.log.Warn("remove an upload that did not begin", "snapshot", snap.ID, "err", removed)
		}
	}
	return made, tags, err
}

// check refuses what the request alone says is wrong, and fills in defaults.
func (r *UploadRequest) check() error {
	if r.Size < 1 || r.Size > maxUploadSize {
		return origami.Errorf(origami.CodeValidationException, "The volume size must be between 1 and %d GiB.", maxUploadSize).
			Because(origami.ReasonInvalidVolumeSize)
	}
	if r.Timeout == 0 {
		r.Timeout = uploadTimeout
	}
	if r.Timeout < minUploadTimeout || r.Timeout > maxUploadTimeout {
		return badParameter("The timeout must be between %d and %d minutes.", minUploadTimeout/time.Minute, maxUploadTimeout/time.Minute)
	}
	if err := r.Tags.Validate(); err != nil {
		var e *origami.Error
		errors.As(err, &e)
		return origami.Errorf(origami.CodeValidationException, "%s", e.Message).Because(origami.ReasonInvalidTag)
	}
	switch {
	case r.Parent != "" && r.Encrypted != nil:
		return badParameter("Encrypted cannot be specified together with ParentSnapshotId: the snapshot is encrypted as its parent is.")
	case r.Parent != "" && r.KMSKey != "":
		return badParameter("KmsKeyArn cannot be specified together with ParentSnapshotId: the snapshot has the key of its parent.")
	case r.Encrypted != nil && !*r.Encrypted && r.KMSKey != "":
		return badParameter("KmsKeyArn cannot be specified when Encrypted is false.")
	case r.KMSKey != "" && !isKeyARN(r.KMSKey):
		return badKey("The value %.128q is not the ARN of a KMS key.", r.KMSKey)
	}
	return nil
}

func badParameter(format string, args ...any) error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(origami.ReasonInvalidParameterValue)
}

// addUpload writes the rows of an upload, or finds that they are there.
func (s *Service) addUpload(tx *metadb.Tx, who origami.Caller, snap origami.Snapshot, r UploadRequest) (*origami.Snapshot, origami.Tags, error) {
	earlier, tags, err := s.earlierUpload(tx, who, r)
	if err != nil || earlier != nil {
		return earlier, tags, err
	}
	if err := s.uploadsLeft(tx, who); err != nil {
		return nil, nil, err
	}
	parent, key, err := s.uploadBase(tx, who, r)
	if err != nil {
		return nil, nil, err
	}
	if key != snap.KMSKey {
		return nil, nil, errOtherKey
	}
	snap.Encrypted = key != ""
	if parent != nil {
		up := *snap.Upload
		up.Parent, up.Base = parent.ID, parent.Root
		snap.Upload, snap.Lineage = &up, parent.Line()
	}
	if err := tx.PutSnapshot(&snap); err != nil {
		return nil, nil, err
	}
	if len(r.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(snap.ID)}, r.Tags); err != nil {
			return nil, nil, err
		}
	}
	if err := s.later(tx, snapshotTask(taskUploadTimeout, &snap), snap.Started.Add(r.Timeout)); err != nil {
		return nil, nil, err
	}
	return &snap, r.Tags, tx.SetOnce(who.Account, who.Region, startSnapshot, r.ClientToken, r.Fingerprint, string(snap.ID))
}

// startSnapshot is the name of the operation that client tokens belong to.
const startSnapshot = "StartSnapshot"

// earlierUpload answers a request that was made before. It returns nil if it was
// not.
func (s *Service) earlierUpload(tx *metadb.Tx, who origami.Caller, r UploadRequest) (*origami.Snapshot, origami.Tags, error) {
	earlier, done, err := tx.Once(who.Account, who.Region, startSnapshot, r.ClientToken, r.Fingerprint)
	if errors.Is(err, &origami.Error{Code: origami.CodeIdempotentParameterMismatch}) {
		return nil, nil, origami.Errorf(origami.CodeConflictException, "A request with this client token and other parameters was made before.")
	}
	if err != nil || !done {
		return nil, nil, err
	}
	id := origami.SnapshotID(earlier)
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return nil, nil, noSnapshot(id, err)
	}
	tags, err := tx.Tags(who.Region, who.Account, earlier)
	return snap, tags[earlier], err
}

// uploadsLeft refuses an upload that is one too many.
func (s *Service) uploadsLeft(tx *metadb.Tx, who origami.Caller) error {
	n := 0
	pending := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, Filters: []origami.Filter{
		{Name: "status", Values: []string{string(origami.SnapshotPending)}},
	}}
	for snap, err := range tx.Snapshots(pending) {
		if err != nil {
			return err
		}
		if snap.State == origami.SnapshotPending && snap.Upload != nil {
			n++
		}
	}
	if n >= maxUploads {
		return origami.Errorf(origami.CodeConcurrentLimitExceeded, "There are %d pending snapshots, which is the limit. Complete or delete some.", n)
	}
	return nil
}

// later queues a task for a time by the clock of the service.
func (s *Service) later(tx *metadb.Tx, t *origami.Task, at time.Time) error {
	return s.queue.AddAt(tx, t, tx.Now().Add(at.Sub(s.now())))
}

// ReadableSnapshot finds a snapshot whose blocks the caller may read: a
// completed one of its own, or one shared with it by name; and if it is
// encrypted, the caller may use its key. Public ones are refused, as EBS does.
func (s *Service) ReadableSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return nil, noSnapshot(id, err)
	}
	if snap.Owner != who.Account && !snap.SharedBy(who.Account) {
		return nil, origami.Errorf(origami.CodeAccessDeniedException, "The snapshot %s is not shared with your account.", id).
			Because(origami.ReasonUnauthorizedAccount)
	}
	if !snap.Usable() {
		return nil, origami.Errorf(origami.CodeValidationException, "The snapshot %s is not in a state in which it can be read.", id).
			Because(origami.ReasonInvalidSnapshotID)
	}
	if snap.Encrypted {
		if err := s.mayDecrypt(tx, who, snap); err != nil {
			return nil, keyError(snap.KMSKey, err)
		}
	}
	return snap, nil
}

// noSnapshot makes the error about an unknown snapshot that of the direct APIs.
func noSnapshot(id origami.SnapshotID, err error) error {
	if isNoSnapshot(err) {
		return origami.Errorf(origami.CodeResourceNotFoundException, "The snapshot '%s' does not exist.", id).Because(origami.ReasonSnapshotNotFound)
	}
	return err
}

// ListBlocks lists the numbers of the blocks of a snapshot that hold data, from
// the given one on, at most limit.
func (s *Service) ListBlocks(ctx context.Context, snap *origami.Snapshot, from int64, limit int) (list []int64, more bool, err error) {
	root, err := parseRoot(snap.Root)
	if err != nil {
		return nil, false, err
	}
	for n, err := range s.store.Blocks(ctx, root, from) {
		if err != nil {
			return nil, false, keyError(snap.KMSKey, err)
		}
		if len(list) == limit {
			return list, true, nil
		}
		list = append(list, n)
	}
	return list, false, nil
}

// BlockChange is a block in which two snapshots differ, and in which of them
// it holds data.
type BlockChange struct {
	Block         int64
	First, Second bool
}

// ListChanges lists the blocks in which two snapshots of one lineage differ,
// from the given one on, at most limit. It costs what changed, not what the
// snapshots hold.
func (s *Service) ListChanges(ctx context.Context, first, second *origami.Snapshot, from int64, limit int) (list []BlockChange, more bool, err error) {
	if first.Line() != second.Line() {
		return nil, false, origami.Errorf(origami.CodeValidationException, "The snapshots %s and %s do not come from the same volume.",
			first.ID, second.ID).Because(origami.ReasonUnrelatedSnapshots)
	}
	a, err := parseRoot(first.Root)
	if err != nil {
		return nil, false, err
	}
	b, err := parseRoot(second.Root)
	if err != nil {
		return nil, false, err
	}
	if a.Domain != b.Domain {
		return nil, false, origami.Errorf(origami.CodeValidationException, "The snapshots %s and %s are encrypted with different keys.",
			first.ID, second.ID).Because(origami.ReasonUnrelatedSnapshots)
	}
	for c, err := range s.store.DiffFrom(ctx, a, b, from) {
		if err != nil {
			return nil, false, keyError(second.KMSKey, err)
		}
		if len(list) == limit {
			return list, true, nil
		}
		list = append(list, BlockChange{c.Block, !c.A.IsZero(), !c.B.IsZero()})
	}
	return list, false, nil
}

// ReadSnapshotBlock fills p, of 512 KiB, with a block of a snapshot and returns
// its SHA-256.
func (s *Service) ReadSnapshotBlock(ctx context.Context, snap *origami.Snapshot, n int64, p []byte) ([32]byte, error) {
	if n < 0 || n >= snap.VolumeSize*BlocksPerGiB {
		return [32]byte{}, badBlock(snap, n)
	}
	root, err := parseRoot(snap.Root)
	if err != nil {
		return [32]byte{}, err
	}
	img, err := s.store.Image(ctx, root)
	if err != nil {
		return [32]byte{}, keyError(snap.KMSKey, fmt.Errorf("read %s: %w", snap.ID, err))
	}
	return img.ReadBlock(p, n)
}

func badBlock(snap *origami.Snapshot, n int64) error {
	return origami.Errorf(origami.CodeValidationException, "The block %d is outside of the volume of %d GiB.", n, snap.VolumeSize).
		Because(origami.ReasonInvalidBlock)
}
