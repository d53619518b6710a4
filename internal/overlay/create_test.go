package overlay_test

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// TestCreateFails has every operation of making a volume fail once, in turn. Who
// finds the volume then may rely on it: what is flushed survives a power cut. Who
// finds none makes it again.
func TestCreateFails(t *testing.T) {
	t.Parallel()
	const size = 64 * unit
	data := bytes.Repeat([]byte{7}, unit)
	for n := 1; ; n++ {
		fsys := durabletest.New()
		fsys.Fail(durabletest.OpAny, n, syscall.EIO)
		failed := overlay.Create(fsys, "v", size, "")
		fsys.ClearFaults()
		d, err := overlay.OpenBoot(fsys, "v", "one", nil)
		if errors.Is(err, fs.ErrNotExist) {
			if failed == nil {
				t.Fatalf("fault %d: a volume that was made is not there", n)
			}
			if err := overlay.Create(fsys, "v", size, ""); err != nil {
				t.Fatalf("fault %d: again: %v", n, err)
			}
			d, err = overlay.OpenBoot(fsys, "v", "one", nil)
		}
		if err != nil {
			t.Fatalf("fault %d: %v", n, err)
		}
		if _, err := d.WriteAt(data, unit); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(4) {
			after, err := overlay.OpenBoot(fsys.Crash(seed), "v", "two", nil)
			if err != nil {
				t.Fatalf("fault %d, power cut %d: %v", n, seed, err)
			}
			got := make([]byte, unit)
			if _, err := after.ReadAt(got, unit); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("fault %d, power cut %d: what was flushed is lost: %v", n, seed, err)
			}
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if failed == nil {
			if n < 5 {
				t.Errorf("making a volume has %d operations: the faults pass by", n)
			}
			return
		}
	}
}
