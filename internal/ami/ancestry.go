package ami

import (
	"errors"

	"origami"
	"origami/internal/metadb"
)

// maxAncestry is the most entries of an ancestry, the image's own among them.
const maxAncestry = 50

// Ancestor is an image that another was made from, and the alias of its owner.
type Ancestor struct {
	*origami.Image
	Alias string
}

// Ancestry follows an image that the caller sees to its root: itself, the image
// that it was copied from or whose instance it was made of, and so on, whoever
// owns them and even if they are deregistered. It ends at an image without a
// source, at a public one of Amazon or of the Marketplace, at a source that is
// not known here, and at 50 entries.
func (s *Service) Ancestry(tx *metadb.Tx, who origami.Caller, id origami.ImageID) ([]Ancestor, error) {
	v, img, err := s.find(tx, who, id)
	if err != nil {
		return nil, err
	}
	if img.Gone() {
		return nil, Unavailable(id)
	}
	var out []Ancestor
	for {
		alias := v.Alias(img)
		out = append(out, Ancestor{img, alias})
		published := img.Public && (alias == "amazon" || alias == "aws-marketplace")
		if img.SourceImage == "" || published || len(out) == maxAncestry {
			return out, nil
		}
		region := img.SourceImageRegion
		if region == "" {
			region = img.Region
		}
		img, err = tx.Image(region, metadb.System, img.SourceImage)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
