package ami

import (
	"time"

	"origami"
	"origami/internal/metadb"
)

// cooldown is how long an image stays protected after its protection with a
// cooldown was switched off.
const cooldown = 24 * time.Hour

// Protect keeps an image of the caller's from being deregistered, and with a
// cooldown for another day after the protection was switched off. It returns
// the protection in the words of the attribute deregistrationProtection.
//
// Exchanging protection with a cooldown for one without begins the cooldown:
// otherwise that would be the way around it.
func (s *Service) Protect(tx *metadb.Tx, who origami.Caller, id origami.ImageID, withCooldown bool) (string, error) {
	return s.setProtection(tx, who, id, func(img *origami.Image) {
		mode := origami.Protected
		if withCooldown {
			mode = origami.ProtectedWithCooldown
		}
		s.leave(img, mode)
	})
}

// Unprotect switches off the protection of an image of the caller's against
// being deregistered, if it has one.
func (s *Service) Unprotect(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (string, error) {
	return s.setProtection(tx, who, id, func(img *origami.Image) { s.leave(img, origami.Unprotected) })
}

// leave exchanges the protection of an image.
func (s *Service) leave(img *origami.Image, mode origami.Protection) {
	if img.Protection == origami.ProtectedWithCooldown && mode != img.Protection {
		img.ProtectedUntil = s.now().UTC().Add(cooldown)
	}
	img.Protection = mode
}

func (s *Service) setProtection(tx *metadb.Tx, who origami.Caller, id origami.ImageID, f func(*origami.Image)) (string, error) {
	var state string
	err := s.change(tx, who, id, func(img *origami.Image) error {
		f(img)
		state = protection(img, s.now())
		return nil
	})
	return state, err
}

// protection is the value of the attribute deregistrationProtection.
func protection(img *origami.Image, now time.Time) string {
	switch {
	case img.Protection != origami.Unprotected:
		return string(img.Protection)
	case img.ProtectedUntil.After(now):
		return "disabled-after-" + img.ProtectedUntil.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return "disabled"
}

// unprotected refuses to deregister an image that is protected, or was less
// than a cooldown ago.
func (s *Service) unprotected(img *origami.Image) error {
	switch now := s.now(); {
	case img.Protection != origami.Unprotected:
		return origami.Errorf(origami.CodeOperationNotPermitted,
			"The image '%s' has deregistration protection. Disable the protection before you deregister it.", img.ID)
	case img.ProtectedUntil.After(now):
		return origami.Errorf(origami.CodeOperationNotPermitted,
			"The image '%s' has deregistration protection until %s, when its cooldown ends.", img.ID, img.ProtectedUntil.UTC().Format(time.RFC3339))
	}
	return nil
}
