package ami

import (
	"origami"
	"origami/internal/metadb"
)

// Describe changes the description of an image of the caller's.
func (s *Service) Describe(tx *metadb.Tx, who origami.Caller, id origami.ImageID, description string) error {
	if err := CheckDescription(description); err != nil {
		return err
	}
	return s.change(tx, who, id, func(img *origami.Image) error {
		img.Description = description
		return nil
	})
}

// RequireTokens makes instances of an image of the caller's ask the metadata
// service with tokens. Nothing undoes it. The only version is "v2.0".
func (s *Service) RequireTokens(tx *metadb.Tx, who origami.Caller, id origami.ImageID, version string) error {
	if version != "v2.0" {
		return invalidValue("imdsSupport", version, "The only valid value is v2.0.")
	}
	return s.change(tx, who, id, func(img *origami.Image) error {
		img.IMDSSupport = version
		return nil
	})
}

// change changes an image of the caller's by f.
func (s *Service) change(tx *metadb.Tx, who origami.Caller, id origami.ImageID, f func(*origami.Image) error) error {
	if _, err := s.Owned(tx, who, id); err != nil {
		return err
	}
	_, err := tx.UpdateImage(who.Region, id, f)
	return err
}
