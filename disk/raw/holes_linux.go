package raw

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns where the first data at or after off begins, and, if that
// is off itself, where the hole after it begins. If there is no more data,
// data is beyond any file. It answers false where the file system cannot tell,
// and if what it tells makes no sense.
func nextData(f *os.File, off int64) (data, hole int64, ok bool) {
	data, err := f.Seek(off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return math.MaxInt64, 0, true
	}
	if err != nil || data < off {
		return 0, 0, false
	}
	if data > off {
		return data, 0, true
	}
	hole, err = f.Seek(off, unix.SEEK_HOLE)
	if err != nil || hole <= off {
		return 0, 0, false
	}
	return data, hole, true
}
