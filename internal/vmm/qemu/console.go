package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"origami/internal/vmm"
)

const (
	// maxConsoleFile is the size at which a console is rotated, in bytes.
	maxConsoleFile = 1 << 20
	// consoleCheck is how often that is looked for.
	consoleCheck = time.Second
	// consoleChardev is the console's name in QEMU.
	consoleChardev = "console"
)

// Console implements [vmm.Driver]. At least the last MiB is there to be had.
func (d *Driver) Console(ctx context.Context, id string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("console of machine %s: %w", id, err)
	}
	m, err := d.lookup(id)
	if err != nil {
		return nil, err
	}
	if !vmm.ValidID(id) {
		return nil, fmt.Errorf("machine %q: %w", id, vmm.ErrNotFound)
	}
	if m != nil {
		m.consoleMu.Lock()
		defer m.consoleMu.Unlock()
	}
	b, err := d.dir(id).readConsole(int64(max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("console of machine %s: %w", id, err)
	}
	return b, nil
}

// readConsole returns the last bytes of the console, at most limit of them.
func (d machineDir) readConsole(limit int64) ([]byte, error) {
	if _, err := os.Stat(string(d)); errors.Is(err, fs.ErrNotExist) {
		return nil, vmm.ErrNotFound
	} else if err != nil {
		return nil, err
	}
	// Either file may be missing: before QEMU opened it, between the two
	// halves of a rotation, and before the first one.
	newer, err := readTail(d.console(), limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	older, err := readTail(d.consoleOld(), limit-int64(len(newer)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return append(older, newer...), nil
}

// rotateConsole keeps the console's files small until ctx ends.
func (m *machine) rotateConsole(ctx context.Context) {
	tick := time.NewTicker(consoleCheck)
	defer tick.Stop()
	for {
		if err := m.rotateOnce(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("console not rotated", "error", err)
		}
		select {
		case <-tick.C:
		case <-m.exited:
			return
		case <-ctx.Done():
			return
		}
	}
}

// rotateOnce rotates the console if it is due, or completes a rotation of which
// the second half is missing.
func (m *machine) rotateOnce(ctx context.Context) error {
	missing, err := m.setConsoleAside()
	if err != nil || !missing {
		return err
	}
	backend := object{
		"type": "file",
		"data": object{"out": m.dir.console(), "append": true},
	}
	// QEMU has written into the renamed file until now, and now no more.
	err = m.execute(ctx, "chardev-change", object{"id": consoleChardev, "backend": backend}, nil)
	if errors.Is(err, vmm.ErrNotFound) {
		return nil
	}
	return err
}

// setConsoleAside renames a console that is too large, and reports whether
// QEMU must make a new one.
func (m *machine) setConsoleAside() (missing bool, err error) {
	m.consoleMu.Lock()
	defer m.consoleMu.Unlock()
	info, err := os.Stat(m.dir.console())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case info.Size() <= maxConsoleFile:
		return false, nil
	}
	return true, os.Rename(m.dir.console(), m.dir.consoleOld())
}
