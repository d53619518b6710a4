// Package ami has the rules of machine images: registering them, resolving
// them for a launch, and removing them. An image is a record that points at
// snapshots; this room writes rows and never touches bytes.
package ami

import (
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

// location is the ImageLocation of an image that is backed by snapshots.
func location(owner origami.AccountID, name string) string {
	return string(owner) + "/" + name
}

// CheckName checks the characters and the length of an image name.
func CheckName(name string) error {
	if name == "" {
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Name")
	}
	ok := len(name) >= 3 && len(name) <= 128
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("()[] ./-'@_", c) {
			ok = false
		}
	}
	if !ok {
		return origami.Errorf(origami.CodeInvalidAMINameMalformed,
			"AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'")
	}
	return nil
}

// CheckDescription checks the length of a description.
func CheckDescription(d string) error {
	if n := len([]rune(d)); n > 255 {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%s) for parameter description is invalid. Character sets beyond ASCII are not supported, and its length must not exceed 255 characters.", d[:min(len(d), 64)])
	}
	return nil
}

// Resolve finds an image that the caller may launch now: it exists, the caller
// may see it, and it is available. As in EC2, who names an image that others
// keep to themselves is told so.
func (s *Service) Resolve(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*origami.Image, error) {
	img, err := tx.Image(who.Region, who.Account, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return nil, unauthorized(tx, who, id, err)
	}
	if err != nil {
		return nil, err
	}
	if img.State != origami.ImageAvailable {
		return nil, Unavailable(id)
	}
	return img, nil
}

// unauthorized is the error for an image that the caller does not see: the
// given one, unless another account has it and it is not gone.
func unauthorized(tx *metadb.Tx, who origami.Caller, id origami.ImageID, missing error) error {
	img, err := tx.Image(who.Region, metadb.System, id)
	switch {
	case errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}), err == nil && img.State == origami.ImageDeregistered:
		return missing
	case err != nil:
		return err
	}
	return origami.Errorf(origami.CodeAuthFailure, "Not authorized for images: [%s]", id)
}

// Unavailable is the error for an image that exists but cannot be used, or no
// longer exists.
func Unavailable(id origami.ImageID) error {
	return origami.Errorf(origami.CodeInvalidAMIIDUnavailable, "The image id '[%s]' is no longer available", id)
}

// Owned finds an image that the caller may change: its own, not deregistered.
func (s *Service) Owned(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*origami.Image, error) {
	img, err := tx.Image(who.Region, who.Account, id)
	if err != nil {
		return nil, err
	}
	if img.Owner != who.Account {
		return nil, origami.Errorf(origami.CodeAuthFailure, "Not authorized for image:%s", id)
	}
	if img.State == origami.ImageDeregistered {
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
	img.Created = s.now().UTC()
	img.Location = location(img.Owner, img.Name)
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
