package overlay

import (
	"fmt"

	"origami/internal/durable"
)

// BaseOf returns the label of the base of the volume in dir, open or not. The
// error wraps fs.ErrNotExist if there is no volume.
func BaseOf(fsys durable.FS, dir string) (string, error) {
	st, err := readState(fsys, dir)
	if err != nil {
		return "", fmt.Errorf("read base of volume %s: %w", dir, err)
	}
	return st.label, nil
}
