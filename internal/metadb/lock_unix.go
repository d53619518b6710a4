//go:build unix

package metadb

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the exclusive lock on f if no other process has any.
func tryLock(f *os.File) (bool, error) {
	err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// lockShared takes the shared lock on f, in place of an exclusive one. It
// waits for another process that has the exclusive one.
func lockShared(f *os.File) error { return flock(f, syscall.LOCK_SH) }

// unlock gives up what locks f has. Closing f would not, if a process is just
// being started: it has f too, until it becomes another program.
func unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
