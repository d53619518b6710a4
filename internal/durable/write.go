package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// TempSuffix ends the temporary names that WriteFile uses. A name that ends in
// it is garbage once its writer is gone.
const TempSuffix = ".tmp"

// WriteFile puts data in the file of the given name, durably and at once:
// after a crash the name holds what it held before or all of data. At most one
// WriteFile of one name may run at a time. After an error the name holds
// either, and which one may still change in a crash.
func WriteFile(fsys FS, name string, data []byte) error {
	if err := writeFile(fsys, name, data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func writeFile(fsys FS, name string, data []byte) error {
	tmp := name + TempSuffix
	f, err := fsys.Create(tmp)
	if errors.Is(err, fs.ErrExist) {
		// A writer that crashed left it.
		if err := fsys.Remove(tmp); err != nil {
			return err
		}
		f, err = fsys.Create(tmp)
	}
	if err != nil {
		return err
	}
	if err := writeSyncClose(f, data); err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	return fsys.SyncDir(path.Dir(name))
}

func writeSyncClose(f File, data []byte) error {
	if _, err := f.WriteAt(data, 0); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// ErrTooLarge is wrapped by the error of ReadFile about a file above the limit.
var ErrTooLarge = errors.New("file too large")

// ReadFile returns the contents of a file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d bytes, limit %d: %w", name, size, limit, ErrTooLarge)
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && !(err == io.EOF && n == len(data)) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// StartWriteback asks the system to begin writing a range of f to the disk, so
// that a later Sync has less to wait for. It promises nothing and reports
// nothing: whatever goes wrong, Sync tells.
func StartWriteback(f File, off, n int64) {
	if w, ok := f.(interface{ StartWriteback(off, n int64) }); ok {
		w.StartWriteback(off, n)
	}
}

// Reserve asks the system for the space of a range of f that lies behind its end,
// which stays where it is. Writes there then cost less. It promises nothing and
// reports nothing.
func Reserve(f File, off, n int64) {
	if r, ok := f.(interface{ Reserve(off, n int64) }); ok {
		r.Reserve(off, n)
	}
}
