package instance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// maxScreen bounds the sides of a screenshot, in pixels, before it is decoded:
// the guest chooses them.
const maxScreen = 8192

// Screenshot returns what a running instance of the caller's displays, as a
// JPEG. With wake a key is pressed first.
func (s *Service) Screenshot(ctx context.Context, who origami.Caller, id origami.InstanceID, wake bool) ([]byte, error) {
	var i *origami.Instance
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		i, err = tx.Instance(who.Region, who.Account, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	notRunning := origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in the 'running' state.", id)
	if i.State != origami.InstanceRunning {
		return nil, notRunning
	}
	camera, ok := s.VMM.(vmm.Screenshotter)
	if !ok {
		return nil, origami.Errorf(origami.CodeUnsupportedOperation, "The machines of this installation have no screen.")
	}
	shot, err := camera.Screenshot(ctx, string(id), wake)
	if errors.Is(err, vmm.ErrNotFound) {
		return nil, notRunning
	}
	if err != nil {
		return nil, err
	}
	return toJPEG(shot)
}

// toJPEG converts a PNG, as EC2 answers with JPEGs.
func toJPEG(shot []byte) ([]byte, error) {
	c, err := png.DecodeConfig(bytes.NewReader(shot))
	if err != nil {
		return nil, fmt.Errorf("read screenshot: %w", err)
	}
	if c.Width > maxScreen || c.Height > maxScreen {
		return nil, fmt.Errorf("read screenshot: %d × %d pixels are too many", c.Width, c.Height)
	}
	var img image.Image
	if img, err = png.Decode(bytes.NewReader(shot)); err != nil {
		return nil, fmt.Errorf("read screenshot: %w", err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 90}); err != nil {
		return nil, fmt.Errorf("write screenshot: %w", err)
	}
	return out.Bytes(), nil
}
