package ami

import (
	"errors"

	"origami"
	"origami/internal/metadb"
)

// DeletedSnapshot tells what became of one snapshot of a deregistered image.
type DeletedSnapshot struct {
	ID     origami.SnapshotID
	Result string // "success", "skipped", "client-error", "internal-error"
}

// Deregister removes an image of the caller's, with everybody's tags on it, or
// moves it to the Recycle Bin if a rule says so: it cannot be launched any more. Instances launched from it go on, and its
// snapshots stay unless deleteSnapshots asks for them too; then each that no
// other image maps is deleted, and every one is reported.
//
// A pending image is thereby cancelled. A protected one is refused with
// OperationNotPermitted.
func (s *Service) Deregister(tx *metadb.Tx, who origami.Caller, id origami.ImageID, deleteSnapshots bool) ([]DeletedSnapshot, error) {
	img, err := s.Owned(tx, who, id)
	if err != nil {
		return nil, err
	}
	if err := s.unprotected(img); err != nil {
		return nil, err
	}
	kept, err := s.bin(tx, img)
	if err == nil && !kept {
		err = s.remove(tx, img)
	}
	if err == nil {
		err = s.cancelCopies(tx, img)
	}
	if err != nil || !deleteSnapshots {
		return nil, err
	}
	var deleted []DeletedSnapshot
	for _, snap := range img.Snapshots() {
		result, err := s.deleteSnapshot(tx, who, snap)
		if err != nil {
			return nil, err
		}
		deleted = append(deleted, DeletedSnapshot{ID: snap, Result: result})
	}
	return deleted, nil
}

// cancelCopies ends the copies that an image waited for: their snapshots go with
// it.
func (s *Service) cancelCopies(tx *metadb.Tx, img *origami.Image) error {
	if img.State != origami.ImagePending {
		return nil
	}
	for _, id := range img.Snapshots() {
		if err := s.ebs.CancelCopy(tx, img.Region, id); err != nil {
			return err
		}
	}
	return nil
}

// remove deregisters an image for good. Its record stays for a while.
func (s *Service) remove(tx *metadb.Tx, img *origami.Image) error {
	_, err := tx.UpdateImage(img.Region, img.ID, func(img *origami.Image) error {
		img.State, img.Deregistered = origami.ImageDeregistered, s.now().UTC()
		img.Bin = nil
		return nil
	})
	if err != nil {
		return err
	}
	return tx.DropTags(img.Region, string(img.ID))
}

// deleteSnapshot deletes one snapshot and names the outcome as the answer to
// DeregisterImage does. Its error is one that aborts the transaction.
func (s *Service) deleteSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (string, error) {
	err := s.ebs.DeleteSnapshot(tx, who, id)
	var refused *origami.Error
	switch {
	case err == nil:
		return "success", nil
	case errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotInUse}):
		return "skipped", nil
	case errors.Is(err, &origami.Error{Code: origami.CodeUnauthorizedOperation}):
		return "missing-permissions", nil
	case errors.As(err, &refused):
		return "client-error", nil
	}
	return "", err
}
