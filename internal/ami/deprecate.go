package ami

import (
	"time"

	"origami"
	"origami/internal/metadb"
)

// longestLife is how far ahead the deprecation of an image may lie.
const longestLife = 10 // years

// Deprecate sets when an image of the caller's is deprecated, to the minute:
// in the future, and within ten years. A public image is deprecated two years
// after its creation, which can be moved to an earlier time but not to a later
// one. Deprecated images can be launched; other accounts no longer see them in
// lists.
func (s *Service) Deprecate(tx *metadb.Tx, who origami.Caller, id origami.ImageID, at time.Time) error {
	now := s.now().UTC()
	at = at.UTC().Round(time.Minute)
	return s.change(tx, who, id, func(img *origami.Image) error {
		if at.Before(now.Round(time.Minute)) {
			return invalidValue("deprecateAt", at.Format(time.RFC3339), "The time must not be in the past.")
		}
		if at.After(now.AddDate(longestLife, 0, 0)) {
			return invalidValue("deprecateAt", at.Format(time.RFC3339), "The time must be within 10 years.")
		}
		if img.Public {
			latest := lastPublic(img)
			if !img.DeprecationTime.IsZero() && img.DeprecationTime.Before(latest) {
				latest = img.DeprecationTime
			}
			if at.After(latest) {
				return invalidValue("deprecateAt", at.Format(time.RFC3339), "The deprecation of a public image cannot be moved to a later time.")
			}
		}
		img.DeprecationTime = at
		return nil
	})
}

// Undeprecate cancels the deprecation of an image of the caller's, passed or
// to come, unless the image is public.
func (s *Service) Undeprecate(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	return s.change(tx, who, id, func(img *origami.Image) error {
		if img.Public && !img.DeprecationTime.IsZero() {
			return origami.Errorf(origami.CodeOperationNotPermitted, "The deprecation of the public image %s cannot be cancelled. Make the image private first.", id)
		}
		img.DeprecationTime = time.Time{}
		return nil
	})
}
