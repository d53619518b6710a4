package ami

import (
	"origami"
	"origami/internal/metadb"
)

// FastLaunch is the refusal to prepare launches of an image of the caller's, or
// to stop doing so. Preparing runs sysprep in instances of Windows; images of
// anything else have nothing to prepare, and images of Windows cannot be
// prepared here.
func (s *Service) FastLaunch(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	img, err := s.Owned(tx, who, id)
	if err != nil {
		return err
	}
	if img.Platform != "windows" {
		return origami.Errorf(origami.CodeInvalidRequest, "Fast launch is only supported for Windows images: %s is not one.", id)
	}
	return origami.Errorf(origami.CodeUnsupportedOperation, "Fast launch of Windows images is not supported by this service.")
}
