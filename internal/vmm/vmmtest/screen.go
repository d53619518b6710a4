package vmmtest

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"

	"origami/internal/vmm"
)

var _ vmm.Screenshotter = (*Driver)(nil)

// Screenshot implements [vmm.Screenshotter]: a text screen of VGA, blue if a
// key was pressed to wake the guest and black otherwise.
func (d *Driver) Screenshot(ctx context.Context, id string, wake bool) ([]byte, error) {
	var out bytes.Buffer
	err := d.do(ctx, id, func(*machine) {})
	if err != nil {
		return nil, err
	}
	screen := image.NewPaletted(image.Rect(0, 0, 720, 400), color.Palette{color.Black, color.RGBA{B: 0xff, A: 0xff}})
	if wake {
		for i := range screen.Pix {
			screen.Pix[i] = 1
		}
	}
	err = png.Encode(&out, screen)
	return out.Bytes(), err
}
