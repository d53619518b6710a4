package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// OS is the FS of the existing directory root of the operating system. No name
// leads out of it, neither by dots nor by a symbolic link. It holds the
// directory open until the FS is garbage.
func OS(root string) (FS, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	return &osFS{root: r}, nil
}

var _ FS = (*osFS)(nil)

type osFS struct{ root *os.Root }

func (o *osFS) Create(name string) (File, error) {
	f, err := o.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (o *osFS) Open(name string) (File, error) {
	f, err := o.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file: %w", name, fs.ErrInvalid)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f}, nil
}

func (o *osFS) Rename(from, to string) error { return o.root.Rename(from, to) }

func (o *osFS) Link(from, to string) error { return o.root.Link(from, to) }

func (o *osFS) Remove(name string) error { return o.root.Remove(name) }

func (o *osFS) Mkdir(name string) error { return o.root.Mkdir(name, 0o700) }

func (o *osFS) List(dir string) ([]string, error) {
	d, err := o.root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(names)
	return names, nil
}

func (o *osFS) SyncDir(dir string) error {
	d, err := o.root.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

var _ File = (*osFile)(nil)

// osFile inherits ReadAt, WriteAt, Truncate and Close; the rest differs by
// system.
type osFile struct{ *os.File }

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
