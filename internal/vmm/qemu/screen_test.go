package qemu_test

import (
	"bytes"
	"errors"
	"image/png"
	"testing"

	"origami/internal/vmm"
	"origami/internal/vmm/vmmtest"
)

// TestScreenshot looks at the screen of a machine, and of one that is none.
func TestScreenshot(t *testing.T) {
	t.Parallel()
	requireQEMU(t)
	d, _ := openHere(t)
	start(t, d, guestSpec(t, "i-1", vmmtest.Obedient))
	for _, wake := range []bool{false, true} {
		b, err := d.Screenshot(t.Context(), "i-1", wake)
		if err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(b))
		if err != nil || c.Width < 320 || c.Height < 200 {
			t.Errorf("got a screen of %d by %d, %v; want a PNG of one", c.Width, c.Height, err)
		}
	}
	if _, err := d.Screenshot(t.Context(), "i-absent", false); !errors.Is(err, vmm.ErrNotFound) {
		t.Errorf("got %v for a machine that is none, want %v", err, vmm.ErrNotFound)
	}
}
