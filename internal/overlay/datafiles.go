package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"origami/disk"
	"origami/internal/durable"
)

const (
	// fileSize is how much of a layer one data file holds. File systems end a
	// file early: ext4 below 16 TiB, and with blocks of 1 KiB below 4, ext3
	// below 2.
	fileSize = 1 << 40
	maxFiles = disk.MaxSize / fileSize
)

func dataName(id LayerID, n int) string {
	return fmt.Sprintf("%016x.%02x%s", uint64(id), n, dataSuffix)
}

// filesOf is the number of data files that a layer of that size can have.
func filesOf(size int64) int { return int((size + fileSize - 1) / fileSize) }

// dataFiles hold the data of a layer. A file is made when something is first
// written to it, and stays open as long as the layer: its name may go before.
type dataFiles struct {
	fsys   durable.FS
	dir    string
	id     LayerID
	cipher *unitCipher // nil: none

	mu    sync.Mutex // held while a file is made
	files [maxFiles]atomic.Pointer[dataFile]
	named atomic.Bool // a name was made, and is not durable
}

type dataFile struct {
	durable.File
	wrote atomic.Bool // set after a write, and before the map says so
}

// open opens the files of a layer of that size which exist.
func (f *dataFiles) open(size int64) error {
	for n := range filesOf(size) {
		file, err := f.fsys.Open(f.name(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		d := &dataFile{File: file}
		// If only the process died, what was written need not be durable yet.
		d.wrote.Store(true)
		f.files[n].Store(d)
	}
	return nil
}

func (f *dataFiles) name(n int) string { return path.Join(f.dir, dataName(f.id, n)) }

// make returns file n of a layer of that size.
func (f *dataFiles) make(n int, size int64) (*dataFile, error) {
	if d := f.files[n].Load(); d != nil {
		return d, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.files[n].Load(); d != nil {
		return d, nil
	}
	file, err := replace(f.fsys, f.name(n))
	if err != nil {
		return nil, err
	}
	// With its size set early, a write need not change it.
	if err := file.Truncate(min(size-int64(n)*fileSize, fileSize)); err != nil {
		return nil, errors.Join(err, file.Close(), f.fsys.Remove(f.name(n)))
	}
	f.named.Store(true)
	d := &dataFile{File: file}
	f.files[n].Store(d)
	return d, nil
}

// missing returns the first file that is not there although units say that it
// holds data.
func (f *dataFiles) missing(units *unitMap) (name string, ok bool) {
	const each = fileSize / UnitSize
	all := units.units.Load()
	for n := range filesOf(all * UnitSize) {
		first := int64(n) * each
		if f.files[n].Load() == nil && units.holds(first, min(each, all-first), data) {
			return dataName(f.id, n), true
		}
	}
	return "", false
}

// readAt fills p from off on, all of which the map calls data.
func (f *dataFiles) readAt(p []byte, off int64) error {
	for len(p) > 0 {
		in := off % fileSize
		k := min(int64(len(p)), fileSize-in)
		d := f.files[off/fileSize].Load()
		if d == nil {
			return corrupt("%s is missing", dataName(f.id, int(off/fileSize)))
		}
		var err error
		if f.cipher == nil {
			err = readFullAt(d, p[:k], in)
		} else {
			err = f.cipher.readAt(d, p[:k], in, off)
		}
		if err != nil {
			return err
		}
		p, off = p[k:], off+k
	}
	return nil
}

// writeAt writes p, which ends in the region where it begins, in a layer of
// that size. Part of a unit is written only where the map calls it data, and
// while nobody else writes to the unit.
func (f *dataFiles) writeAt(p []byte, off, size int64) error {
	d, err := f.make(int(off/fileSize), size)
	if err != nil {
		return err
	}
	if in := off % fileSize; f.cipher == nil {
		_, err = d.WriteAt(p, in)
	} else {
		err = f.cipher.writeAt(d, p, in, off)
	}
	d.wrote.Store(true)
	return err
}

// punch gives back the space of whole units of one file.
func (f *dataFiles) punch(off, n int64) error {
	d := f.files[off/fileSize].Load()
	if d == nil {
		return nil
	}
	return d.PunchHole(off%fileSize, n)
}

// sync makes durable what was written before.
func (f *dataFiles) sync() error {
	for n := range f.files {
		if d := f.files[n].Load(); d != nil && d.wrote.Swap(false) {
			if err := d.Sync(); err != nil {
				return err
			}
		}
	}
	if f.named.Swap(false) {
		return f.fsys.SyncDir(f.dir)
	}
	return nil
}

// remove removes the names of the files. What cannot be removed now is garbage,
// and removed by Open.
func (f *dataFiles) remove() {
	for n := range f.files {
		if f.files[n].Load() != nil {
			_ = f.fsys.Remove(f.name(n))
		}
	}
}

func (f *dataFiles) close() error {
	var errs []error
	for n := range f.files {
		if d := f.files[n].Load(); d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}
