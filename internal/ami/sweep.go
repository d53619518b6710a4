package ami

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"origami"
	"origami/internal/metadb"
)

// How often time's work on images is done, and how long the record of a
// deregistered image says that it is gone.
const (
	sweepEvery    = 10 * time.Minute
	tombstoneLife = 24 * time.Hour
	sweepBatch    = 500
)

// Serve does what time does to images until ctx ends: see [Service.Sweep].
func (s *Service) Serve(ctx context.Context, db *metadb.DB, log *slog.Logger) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx, db); err != nil && ctx.Err() == nil {
			log.Error("sweep images", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Sweep removes usage reports that expired, images whose time in the recycle
// bin is over, and the records of images that were deregistered a day ago,
// unless an instance or the ancestry of another image needs them.
func (s *Service) Sweep(ctx context.Context, db *metadb.DB) error {
	return errors.Join(s.expireReports(ctx, db), s.emptyBin(ctx, db), s.bury(ctx, db))
}

func (s *Service) expireReports(ctx context.Context, db *metadb.DB) error {
	for more := true; more; {
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			found, err := tx.ExpiredImageUsageReports(s.now(), sweepBatch)
			if err != nil {
				return err
			}
			more = len(found) == sweepBatch
			for _, r := range found {
				if err := tx.DeleteImageUsageReport(r.Region, r.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// emptyBin deregisters for good what has been in the recycle bin long enough.
func (s *Service) emptyBin(ctx context.Context, db *metadb.DB) error {
	due := func(img *origami.Image) bool { return img.State == origami.ImageBinned && !img.Bin.Exit.After(s.now()) }
	expired, err := inState(ctx, db, origami.ImageBinned, due)
	if err != nil {
		return err
	}
	for _, img := range expired {
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			if img, err := still(tx, img, due); img == nil || err != nil {
				return err
			}
			return s.remove(tx, img)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bury deletes the records of images that are long deregistered.
func (s *Service) bury(ctx context.Context, db *metadb.DB) error {
	due := func(img *origami.Image) bool {
		return img.State == origami.ImageDeregistered && s.now().Sub(img.Deregistered) >= tombstoneLife
	}
	old, err := inState(ctx, db, origami.ImageDeregistered, due)
	if err != nil || len(old) == 0 {
		return err
	}
	// No image gets a deregistered one as its source but by an instance of it,
	// which is looked for below.
	sources, err := sourceImages(ctx, db)
	if err != nil {
		return err
	}
	for _, img := range old {
		if sources[imageKey{img.Region, img.ID}] {
			continue
		}
		err := db.Update(ctx, func(tx *metadb.Tx) error {
			img, err := still(tx, img, due)
			if img == nil || err != nil {
				return err
			}
			used, err := hasInstance(tx, img)
			if used || err != nil {
				return err
			}
			return tx.DeleteImage(img.Region, img.ID)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inState lists the images of all accounts and regions in a state that a
// condition wants.
func inState(ctx context.Context, db *metadb.DB, state origami.ImageState, want func(*origami.Image) bool) ([]*origami.Image, error) {
	var out []*origami.Image
	err := db.View(ctx, func(tx *metadb.Tx) error {
		var region origami.Region
		var id origami.ImageID
		for {
			batch, err := tx.ImagesInState(state, region, id, sweepBatch)
			if err != nil {
				return err
			}
			for _, img := range batch {
				region, id = img.Region, img.ID
				if want(img) {
					out = append(out, img)
				}
			}
			if len(batch) < sweepBatch {
				return nil
			}
		}
	})
	return out, err
}

// still reads an image again, and returns nil if it is gone or no longer what a
// condition wants.
func still(tx *metadb.Tx, img *origami.Image, want func(*origami.Image) bool) (*origami.Image, error) {
	img, err := tx.Image(img.Region, metadb.System, img.ID)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) || err == nil && !want(img) {
		return nil, nil
	}
	return img, err
}

// imageKey identifies an image among those of all regions.
type imageKey struct {
	region origami.Region
	id     origami.ImageID
}

// sourceImages are the images that others were made from.
func sourceImages(ctx context.Context, db *metadb.DB) (map[imageKey]bool, error) {
	out := make(map[imageKey]bool)
	err := db.View(ctx, func(tx *metadb.Tx) error {
		for img, err := range tx.AllImages() {
			if err != nil {
				return err
			}
			if img.SourceImage != "" {
				region := img.SourceImageRegion
				if region == "" {
					region = img.Region
				}
				out[imageKey{region, img.SourceImage}] = true
			}
		}
		return nil
	})
	return out, err
}

// hasInstance reports whether any instance, of any account, was launched from
// an image.
func hasInstance(tx *metadb.Tx, img *origami.Image) (bool, error) {
	q := metadb.Query{Region: img.Region, Viewer: metadb.System, Limit: 1, Filters: []origami.Filter{{Name: "image-id", Values: []string{string(img.ID)}}}}
	for _, err := range tx.Instances(q) {
		return err == nil, err
	}
	return false, nil
}
