package ebs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// VolumeSpec says which volume to make.
type VolumeSpec struct {
	Zone     string
	Snapshot *origami.Snapshot   // completed; nil for an empty volume
	Shape    Shape               // Size 0 takes the snapshot's
	State    origami.VolumeState // available, if it is empty
	Attach   *origami.Attachment // attached from the start, as at a launch
	Secrecy  Secrecy             // as Restore or VolumeCopySecrecy decides it

	// Source, if not empty, is what the volume is a copy of, with the content of a
	// frozen layer.
	Source origami.VolumeID
	Layer  overlay.LayerID
}

// NewVolume makes a volume in the caller's account and region. It writes rows
// only, whatever the volume's size: its data is a reference to the snapshot's
// manifest until it is first written.
func (s *Service) NewVolume(tx *metadb.Tx, who origami.Caller, spec VolumeSpec) (*origami.Volume, error) {
	v := &origami.Volume{
		ID:      origami.NewVolumeID(),
		Region:  who.Region,
		Owner:   who.Account,
		Zone:    spec.Zone,
		State:   origami.VolumeAvailable,
		Created: s.now().UTC(),

		Encrypted: spec.Secrecy.Key != "", KMSKey: spec.Secrecy.Key, Fault: spec.Secrecy.Fault,
	}
	if spec.Source != "" {
		v.Source, v.Copy = spec.Source, &origami.VolumeCopy{Layer: uint64(spec.Layer)}
	}
	shape := spec.Shape
	if snap := spec.Snapshot; snap != nil {
		if err := Usable(snap); err != nil {
			return nil, err
		}
		if shape.Size == 0 {
			shape.Size = snap.VolumeSize
		}
		v.Snapshot, v.Base, v.Lineage = snap.ID, snap.Root, snap.Line()
		fast, err := s.spendCredit(tx, snap, spec.Zone)
		if err != nil {
			return nil, err
		}
		v.FastRestored = fast
	}
	shape, err := shape.Decide()
	if err != nil {
		return nil, err
	}
	if spec.State != "" {
		v.State = spec.State
	}
	v.Type, v.Size, v.IOPS, v.Throughput = shape.Type, shape.Size, shape.IOPS, shape.Throughput
	if spec.Attach != nil {
		v.State = origami.VolumeInUse
		v.Attachments = []origami.Attachment{*spec.Attach}
	}
	root, err := parseRoot(v.Base)
	if err != nil {
		return nil, err
	}
	rekey := v.Encrypted && v.Fault == "" && foreign(root, blockstore.Domain(v.KMSKey))
	if rekey {
		v.Rekey = &origami.VolumeRekey{From: v.Base}
	}
	if err := tx.PutVolume(v); err != nil {
		return nil, err
	}
	if rekey {
		return v, s.queueRekey(tx, v)
	}
	return v, nil
}

// Usable refuses a snapshot that nothing can be made from now: it is pending,
// failed, or archived.
func Usable(snap *origami.Snapshot) error {
	switch {
	case snap.Bin != nil:
		return origami.NotFound(snap.ID)
	case snap.State != origami.SnapshotCompleted:
		return origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is not in the completed state.", snap.ID)
	case !snap.Usable():
		return origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is archived. Restore it first.", snap.ID)
	}
	return nil
}

// EraseVolume deletes a volume that nothing uses any more, whatever the rules of
// the Recycle Bin say: its row at once, its files in a task of the same
// transaction. Snapshots of it stay.
func (s *Service) EraseVolume(tx *metadb.Tx, v *origami.Volume) error {
	if err := bequeathRekey(tx, v); err != nil {
		return err
	}
	if err := tx.DeleteVolume(v.Region, v.ID); err != nil {
		return err
	}
	return s.queue.Add(tx, volumeTask(taskRemove, v))
}

// openDevice opens the overlay of a volume, making it at first use. A volume
// whose row is gone can still be opened while its files are there, so that a
// snapshot taken before the deletion completes.
func (s *Service) openDevice(ctx context.Context, region origami.Region, d *device) error {
	resolve := func(label string) (disk.Image, error) {
		img, err := s.rootImage(ctx, label)
		if err != nil {
			return nil, err
		}
		d.base = img
		return img, nil
	}
	dir := string(d.id)
	dev, err := s.openOverlay(ctx, dir, resolve)
	if errors.Is(err, fs.ErrNotExist) {
		var v *origami.Volume
		err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
			v, err = tx.Volume(region, metadb.System, d.id)
			return err
		})
		if err != nil {
			return err
		}
		if err := s.createOverlay(ctx, v); err != nil {
			return fmt.Errorf("create overlay of %s: %w", d.id, err)
		}
		dev, err = s.openOverlay(ctx, dir, resolve)
		if err != nil {
			return fmt.Errorf("open volume %s: %w", d.id, err)
		}
	} else if err != nil {
		return fmt.Errorf("open volume %s: %w", d.id, err)
	}
	d.dev = dev
	return nil
}

// createOverlay makes the files of a volume.
func (s *Service) createOverlay(ctx context.Context, v *origami.Volume) error {
	dir := string(v.ID)
	switch {
	case v.Copy != nil && v.Copy.Layer != 0:
		return wrongState(v) // what it begins with is not known yet
	case v.Fault != "":
		return faultError(v.Fault)
	case v.KMSKey == "":
		return overlay.Create(s.volumes, dir, v.Size*GiB, v.Base)
	}
	wrapped := overlay.WrappedKey{KeyID: v.KMSKey}
	key, err := s.keys.volumeKey(ctx, wrapped)
	if err != nil {
		return err
	}
	return overlay.CreateEncrypted(s.volumes, dir, v.Size*GiB, v.Base, key, wrapped)
}

// openOverlay opens the files of a volume.
func (s *Service) openOverlay(ctx context.Context, dir string, resolve func(string) (disk.Image, error)) (*overlay.Device, error) {
	return overlay.OpenWith(s.volumes, dir, overlay.Options{
		Resolve: resolve, Boot: s.boot,
		Unwrap: s.keys.Unwrap(ctx),
	})
}

// parseRoot reads the manifest root that a row or an overlay names. A volume
// that was made empty has none.
func parseRoot(label string) (blockstore.Root, error) {
	if label == "" {
		return blockstore.Root{}, nil
	}
	return blockstore.ParseRoot(label)
}

// rootImage opens the disk that a manifest root stands for.
func (s *Service) rootImage(ctx context.Context, label string) (*blockstore.Image, error) {
	root, err := blockstore.ParseRoot(label)
	if err != nil {
		return nil, err
	}
	return s.store.Image(ctx, root)
}

// domain is where what is written to a volume goes in the store.
func (v *Volume) domain() blockstore.Domain {
	key, _ := v.Key()
	return blockstore.Domain(key.KeyID)
}
