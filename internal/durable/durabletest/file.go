package durabletest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync/atomic"
	"syscall"

	"origami/internal/durable"
)

// maxFile bounds a file, so that a wrong offset is an error and not a surprise.
const maxFile = 1 << 50

// file is one opening of a file.
type file struct {
	fs     *CrashFS
	data   *contents
	name   string
	closed atomic.Bool
}

var _ durable.File = (*file)(nil)

// enter locks the file system and begins an operation. The caller unlocks.
func (f *file) enter(op Op) error {
	f.fs.mu.Lock()
	if f.closed.Load() {
		return pathError(string(op), f.name, fs.ErrClosed)
	}
	return f.fs.begin(op, f.name)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	err := f.enter(OpRead)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, syscall.EINVAL)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := int(max(0, min(int64(len(p)), f.data.size.cur-off)))
	f.data.readAt(p[:n], off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	err := f.enter(OpWrite)
	defer f.fs.mu.Unlock()
	if off < 0 || off > maxFile-int64(len(p)) {
		return 0, pathError("write", f.name, syscall.EFBIG)
	}
	if errors.Is(err, errKilled) {
		// The system copies page by page.
		pages := (off+int64(len(p))+PageSize-1)/PageSize - off/PageSize
		if n := rand.New(rand.NewPCG(uint64(f.fs.counts[OpAny]), 2)).Int64N(pages+1)*PageSize - off%PageSize; n > 0 {
			f.data.writeAt(p[:min(n, int64(len(p)))], off)
		}
		return 0, err
	}
	if err != nil {
		if errors.Is(err, ErrStopped) || errors.Is(err, fs.ErrClosed) || len(p) == 0 {
			return 0, err
		}
		n := len(p) / 2
		f.data.writeAt(p[:n], off)
		return n, err
	}
	if len(p) > 0 {
		f.data.writeAt(p, off)
	}
	return len(p), nil
}

func (f *file) Sync() error {
	err := f.enter(OpSync)
	defer f.fs.mu.Unlock()
	if err != nil {
		if !errors.Is(err, ErrStopped) && !errors.Is(err, fs.ErrClosed) {
			f.data.lose(f.fs.faultRand())
		}
		return err
	}
	f.data.sync()
	return nil
}

func (f *file) Truncate(size int64) error {
	err := f.enter(OpTruncate)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 || size > maxFile {
		return pathError("truncate", f.name, syscall.EINVAL)
	}
	f.data.truncate(size)
	return nil
}

func (f *file) Size() (int64, error) {
	err := f.enter(OpRead)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.data.size.cur, nil
}

func (f *file) PunchHole(off, n int64) error {
	err := f.enter(OpPunch)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if off < 0 || n < 0 || off > maxFile-n {
		return pathError("punch", f.name, syscall.EINVAL)
	}
	f.data.zero(off, min(off+n, f.data.size.cur))
	return nil
}

func (f *file) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	return nil
}
