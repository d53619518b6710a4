package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync uses fdatasync: the data, and of the metadata what is needed to read
// it back (the size, the block map), but not the times.
func (f *osFile) Sync() error {
	return f.control("fdatasync", unix.Fdatasync)
}

func (f *osFile) PunchHole(off, n int64) error {
	if n == 0 {
		return nil
	}
	err := f.control("fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return writeZeros(f, off, n)
	}
	return err
}

// StartWriteback implements the hint of the function of that name.
func (f *osFile) StartWriteback(off, n int64) {
	// An error here is found again, and reported, by Sync.
	_ = f.control("sync_file_range", func(fd int) error {
		return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// Reserve implements the hint of the function of that name.
func (f *osFile) Reserve(off, n int64) {
	_ = f.control("fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}

// control runs a system call on the descriptor, again while it is interrupted.
func (f *osFile) control(op string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = conn.Control(func(fd uintptr) {
		for callErr = call(int(fd)); callErr == unix.EINTR; {
			callErr = call(int(fd))
		}
	})
	if err == nil {
		err = callErr
	}
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: f.Name(), Err: err}
}
