package qemu

import (
	"context"
	"fmt"
	"io"
	"os"

	"origami/internal/vmm"
)

// maxScreenshot bounds the file that QEMU writes, in bytes.
const maxScreenshot = 32 << 20

var _ vmm.Screenshotter = (*Driver)(nil)

// Screenshot implements [vmm.Screenshotter].
func (d *Driver) Screenshot(ctx context.Context, id string, wake bool) ([]byte, error) {
	m, err := d.running(ctx, id)
	if err != nil {
		return nil, err
	}
	b, err := m.screenshot(ctx, wake)
	if err != nil {
		return nil, fmt.Errorf("screenshot of machine %s: %w", id, err)
	}
	return b, nil
}

// screenshot has QEMU write a file in the machine's directory and takes it
// away.
func (m *machine) screenshot(ctx context.Context, wake bool) ([]byte, error) {
	if wake {
		key := []any{map[string]any{"type": "qcode", "data": "shift"}}
		if err := m.execute(ctx, "send-key", map[string]any{"keys": key}, nil); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(string(m.dir), "screen-*.png")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := m.execute(ctx, "screendump", map[string]any{"filename": f.Name(), "format": "png"}, nil); err != nil {
		return nil, err
	}
	// QEMU may have replaced the file rather than written into it.
	shot, err := openRegular(f.Name())
	if err != nil {
		return nil, err
	}
	defer shot.Close()
	b, err := io.ReadAll(io.LimitReader(shot, maxScreenshot+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxScreenshot {
		return nil, fmt.Errorf("the picture has more than %d bytes", maxScreenshot)
	}
	return b, nil
}
