package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"origami/internal/vmm"
)

var _ vmm.ConsoleFollower = (*Driver)(nil)

// FollowConsole implements [vmm.ConsoleFollower]. At least the last MiB is
// kept.
func (d *Driver) FollowConsole(ctx context.Context, id string) (io.ReadCloser, error) {
	if _, err := d.Console(ctx, id, 0); err != nil {
		return nil, err
	}
	return &follower{dir: d.dir(id)}, nil
}

// follower reads the files of a console one after the other. The open file is
// what it remembers its place by: a name is given to another file at each
// rotation, and an inode number may come back, but not while the file is open.
type follower struct {
	dir machineDir
	f   *os.File // nil before the first
}

// Read implements [io.Reader].
func (r *follower) Read(p []byte) (int, error) {
	for {
		next, err := r.next()
		if err != nil {
			return 0, fmt.Errorf("follow console: %w", err)
		}
		// QEMU writes into a file until it has made the next one. If there
		// is one, what can be read now is all that this one will ever hold.
		if r.f != nil {
			n, err := r.f.Read(p)
			if n > 0 || err != nil && !errors.Is(err, io.EOF) || len(p) == 0 {
				if next != nil {
					next.Close()
				}
				return n, err
			}
		}
		if next == nil {
			return 0, io.EOF
		}
		if err := r.Close(); err != nil {
			next.Close()
			return 0, fmt.Errorf("follow console: %w", err)
		}
		r.f = next
	}
}

// next opens the file that comes after the one in hand, or returns nil if
// there is none yet. It looks at the current file first: a rotation in between
// then shows the same file twice, and never hides one.
func (r *follower) next() (*os.File, error) {
	now, err := openConsole(r.dir.console())
	if err != nil {
		return nil, err
	}
	if now != nil {
		if same, _, err := r.compare(now); err != nil || same {
			now.Close()
			return nil, err
		}
	}
	old, err := openConsole(r.dir.consoleOld())
	if err != nil || old == nil {
		return now, err
	}
	same, older, err := r.compare(old)
	if err != nil || same || older {
		old.Close()
		return now, err
	}
	if now != nil {
		now.Close()
	}
	return old, nil
}

// openConsole opens a file of the console, and returns nil if there is none.
func openConsole(path string) (*os.File, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// compare reports whether f is the file in hand, or one that was finished
// before it.
func (r *follower) compare(f *os.File) (same, older bool, err error) {
	if r.f == nil {
		return false, false, nil
	}
	a, err := r.f.Stat()
	if err != nil {
		return false, false, err
	}
	b, err := f.Stat()
	if err != nil {
		return false, false, err
	}
	return os.SameFile(a, b), b.ModTime().Before(a.ModTime()), nil
}

// Close implements [io.Closer].
func (r *follower) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
