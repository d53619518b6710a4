package disktest_test

import (
	"testing"

	"origami/disk"
	"origami/disk/disktest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	disktest.TestWriter(t, func(t *testing.T, size int64) disktest.Sink {
		m := disktest.NewMemory(size)
		return disktest.Sink{Writer: m, Open: func() (disk.Image, error) { return m, nil }}
	})
}

func TestContent(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{512, 1 << 20, 1<<20 + 512} {
		a, b := disktest.Content(1, size), disktest.Content(1, size)
		if string(a) != string(b) {
			t.Errorf("two contents of seed 1 and size %d differ", size)
		}
		if string(a) == string(disktest.Content(2, size)) {
			t.Errorf("contents of seeds 1 and 2 and size %d are equal", size)
		}
		if a[0] == 0 && a[1] == 0 && a[2] == 0 || disk.IsZero(a[size-512:]) {
			t.Errorf("content of size %d has no data at its ends", size)
		}
	}
}
