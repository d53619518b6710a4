package ebs

import (
	"context"
	"fmt"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/metadb"
)

// Content is what a completed snapshot holds: bytes that are durable in the
// block store and that no row names yet.
type Content struct {
	Root     blockstore.Root
	FullSize int64 // bytes of the blocks that hold data
	Stats    blockstore.WriterStats
}

// GiBs is the size in GiB of the smallest volume that holds n bytes.
func GiBs(n int64) int64 { return max(1, (n+GiB-1)/GiB) }

// Ingest stores a whole disk, padded with zeros to a full GiB as volumes are.
// It is the one way in for every disk that does not come from a volume. Key is
// that of the snapshot that it is for. Until [Service.CompleteSnapshot] names the
// content, it is garbage.
func (s *Service) Ingest(ctx context.Context, img disk.Image, key string, progress func(disk.Progress, blockstore.WriterStats)) (Content, error) {
	if img.Size() > disk.MaxSize {
		return Content{}, fmt.Errorf("disk of %d bytes is larger than the largest volume", img.Size())
	}
	w, err := s.store.NewWriter(GiBs(img.Size())*GiB, blockstore.Root{Domain: blockstore.Domain(key)})
	if err != nil {
		return Content{}, err
	}
	err = disk.Copy(ctx, w, img, func(p disk.Progress) { progress(p, w.Stats()) })
	if err == nil {
		err = w.Commit(ctx)
	}
	if err != nil {
		w.Abort()
		return Content{}, err
	}
	usage, err := s.store.Usage(ctx, w.Root())
	if err != nil {
		return Content{}, err
	}
	return Content{Root: w.Root(), FullSize: usage.DataBytes, Stats: w.Stats()}, nil
}

// NewSnapshot records a pending snapshot of the given size in GiB whose
// content comes from outside rather than from a volume. It is encrypted with the
// default key where encryption by default is on.
func (s *Service) NewSnapshot(tx *metadb.Tx, who origami.Caller, size int64, description string, tags origami.Tags) (*origami.Snapshot, error) {
	secrecy, err := s.Restore(tx, who, nil, Encryption{})
	if err != nil {
		return nil, err
	}
	if secrecy.Fault != "" {
		return nil, Failure(secrecy.Fault)
	}
	v := &origami.Volume{ID: origami.NoVolume, Size: size, Encrypted: secrecy.Key != "", KMSKey: secrecy.Key}
	return s.PromiseSnapshot(tx, who, v, SnapshotSpec{Description: description, Tags: tags})
}

// CompleteSnapshot gives a pending snapshot its content. One that is no longer
// pending is left as it is.
func (s *Service) CompleteSnapshot(tx *metadb.Tx, region origami.Region, id origami.SnapshotID, c Content) error {
	ended := false
	snap, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
		if ended = snap.State == origami.SnapshotPending; !ended {
			return nil
		}
		snap.State = origami.SnapshotCompleted
		snap.Progress = 100
		snap.Completed = s.now().UTC()
		snap.Root = c.Root.String()
		snap.FullSize = c.FullSize
		snap.Rekey = nil
		if snap.Copy != nil {
			snap.Copy.Root, snap.Copy.Part, snap.Copy.Block = "", "", 0
		}
		if snap.Lock != nil {
			beginLock(snap.Lock, snap.Completed)
		}
		return nil
	})
	if err == nil && ended {
		err = s.dropUpload(tx, snap)
	}
	if err != nil {
		return err
	}
	return s.onSnapshot(tx, snap)
}
