// Package ami has the rules of machine images: registering them, resolving
// them for a launch, and removing them. An image is a record that points at
// snapshots; this room writes rows and never touches bytes.
package ami

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// Service has the verbs of images. Its methods may be called concurrently.
type Service struct {
	// Quotas may be set before the service is used.
	Quotas Quotas

	ebs *ebs.Service
	now func() time.Time
}

// New builds the service on the one that owns snapshots, and hears from it
// when a snapshot of a pending image completes or fails.
func New(snapshots *ebs.Service, now func() time.Time) *Service {
	s := &Service{ebs: snapshots, now: now}
	if s.now == nil {
		s.now = time.Now
	}
	snapshots.OnSnapshot(s.snapshotEnded)
	return s
}

// location is the ImageLocation of an image that is backed by snapshots. An
// alias stands in place of the owner's number.
func location(tx *metadb.Tx, owner origami.AccountID, name string) (string, error) {
	aliases, err := tx.OwnerAliases()
	return cmp.Or(aliases[owner], string(owner)) + "/" + name, err
}

// CheckName checks the characters and the length of an image name.
func CheckName(name string) error {
	if name == "" {
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Name")
	}
	ok := len(name) >= 3 && len(name) <= 128
	if !ok || strings.ContainsFunc(name, func(c rune) bool { return !nameCharacter(c) }) {
		return origami.Errorf(origami.CodeInvalidAMINameMalformed,
			"AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'")
	}
	return nil
}

// nameCharacter reports whether a name of an image may have c.
func nameCharacter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("()[] ./-'@_", c)
}

// CheckDescription checks the length of a description.
func CheckDescription(d string) error {
	if n := len([]rune(d)); n > 255 {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.64s) for parameter description is invalid. Character sets beyond ASCII are not supported, and its length must not exceed 255 characters.", d)
	}
	return nil
}

// find finds an image that the caller sees, and returns the view of the caller
// with it.
func (s *Service) find(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*View, *origami.Image, error) {
	v, err := s.View(tx, who)
	if err != nil {
		return nil, nil, err
	}
	img, err := v.Find(id)
	return v, img, err
}

// Resolve finds an image that the caller may launch now: it exists, the caller
// may see it and the caller's Allowed AMIs do not hide it, and it is available.
// As in EC2, who names an image that others keep to themselves is told so.
func (s *Service) Resolve(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*origami.Image, error) {
	_, img, err := s.find(tx, who, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return nil, unauthorized(tx, who, id, err)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case img.Gone():
		return nil, because(Unavailable(id), gone(img))
	case img.State != origami.ImageAvailable:
		return nil, because(Unavailable(id), fmt.Errorf("the image is %s", img.State))
	}
	return img, nil
}

// unauthorized is the error for an image that the caller does not see: the
// given one, unless another account has it and it is not gone.
func unauthorized(tx *metadb.Tx, who origami.Caller, id origami.ImageID, missing error) error {
	img, err := tx.Image(who.Region, metadb.System, id)
	switch {
	case errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}), err == nil && img.Gone():
		return missing
	case err != nil:
		return err
	}
	return because(origami.Errorf(origami.CodeAuthFailure, "Not authorized for images: [%s]", id), reasonOf(missing))
}

// Unavailable is the error for an image that exists but cannot be used, or no
// longer exists.
func Unavailable(id origami.ImageID) error {
	return origami.Errorf(origami.CodeInvalidAMIIDUnavailable, "The image id '[%s]' is no longer available", id)
}

// Owned finds an image that the caller may change: its own, neither deregistered
// nor in the recycle bin.
func (s *Service) Owned(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*origami.Image, error) {
	_, img, err := s.find(tx, who, id)
	if err != nil {
		return nil, err
	}
	if img.Owner != who.Account {
		return nil, origami.Errorf(origami.CodeAuthFailure, "Not authorized for image:%s", id)
	}
	if img.Gone() {
		return nil, Unavailable(id)
	}
	return img, nil
}

// Promise records a pending image whose snapshots are not complete yet. It
// becomes available with the last of them, or fails with the first that does.
func (s *Service) Promise(tx *metadb.Tx, img *origami.Image, tags origami.Tags) error {
	img.State = origami.ImagePending
	return s.put(tx, img, tags)
}

// put records a new image, with its tags.
func (s *Service) put(tx *metadb.Tx, img *origami.Image, tags origami.Tags) error {
	if err := s.room(tx, img.Region, img.Owner); err != nil {
		return err
	}
	where, err := location(tx, img.Owner, img.Name)
	if err != nil {
		return err
	}
	img.Created, img.Location = s.now().UTC().Truncate(time.Second), where // as EC2 shows it
	img.ImageType = "machine"
	img.Hypervisor = "xen"
	if img.PlatformDetails == "" {
		img.PlatformDetails, img.UsageOperation = "Linux/UNIX", "RunInstances"
	}
	if err := tags.Validate(); err != nil {
		return err
	}
	if err := tx.PutImage(img); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	return tx.PutTags(img.Region, img.Owner, []string{string(img.ID)}, tags)
}

// snapshotEnded moves the pending images that map a snapshot which has just
// completed or failed.
func (s *Service) snapshotEnded(tx *metadb.Tx, snap *origami.Snapshot) error {
	ids, err := tx.ImagesWithSnapshot(snap.Region, snap.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.settle(tx, snap, id); err != nil {
			return fmt.Errorf("settle image %s: %w", id, err)
		}
	}
	return nil
}

func (s *Service) settle(tx *metadb.Tx, ended *origami.Snapshot, id origami.ImageID) error {
	img, err := tx.Image(ended.Region, metadb.System, id)
	if err != nil || img.State != origami.ImagePending {
		return err
	}
	if ended.State == origami.SnapshotError {
		code := "Server.InternalError"
		if ended.StateMessage == ebs.FaultAccess || ended.StateMessage == ebs.FaultState {
			code = "Client.InternalError" // the owner's key
		}
		return s.Fail(tx, ended.Region, id, origami.StateReason{
			Code:    code,
			Message: fmt.Sprintf("%s: snapshot %s failed: %s", code, ended.ID, ended.StateMessage),
		})
	}
	for _, other := range img.Snapshots() {
		snap, err := tx.Snapshot(ended.Region, metadb.System, other)
		if err != nil {
			return err
		}
		if snap.State != origami.SnapshotCompleted {
			return nil
		}
	}
	_, err = tx.UpdateImage(ended.Region, id, func(img *origami.Image) error {
		if img.State == origami.ImagePending {
			img.State = origami.ImageAvailable
		}
		return nil
	})
	return err
}

// Fail ends a pending image with a reason that its owner sees. An image that
// is not pending is left alone.
func (s *Service) Fail(tx *metadb.Tx, region origami.Region, id origami.ImageID, reason origami.StateReason) error {
	_, err := tx.UpdateImage(region, id, func(img *origami.Image) error {
		if img.State == origami.ImagePending {
			img.State, img.StateReason = origami.ImageFailed, &reason
		}
		return nil
	})
	return err
}
