package overlay_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"origami/disk"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// counted is a base that is closed once.
type counted struct {
	image
	closed *atomic.Int32
}

func (c counted) Close() error {
	c.closed.Add(1)
	return nil
}

// TestReplaceBase puts a volume that is written to, and frozen, on a base that
// holds the same.
func TestReplaceBase(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 8*unit, "old"); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte{5}, 6*unit)
	var closed [3]atomic.Int32
	open := func() *overlay.Device {
		return mustOpen(t, fsys, "v", func(label string) (disk.Image, error) {
			n := map[string]int{"old": 0, "new": 1}[label]
			return counted{content, &closed[n]}, nil
		})
	}
	d := open()
	write(t, d, []byte{1}, 0)
	ids, err := overlay.Freeze(d)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d, []byte{2}, unit)
	f, err := d.Frozen(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ReplaceBase("other", "new", counted{content, &closed[2]}); err != nil || d.Base() != "old" || closed[2].Load() != 1 {
		t.Errorf("a base that it does not have: %v, now on %s", err, d.Base())
	}
	for what, err := range map[string]error{
		"another size":      d.ReplaceBase("old", "new", make(image, unit)),
		"by zeros":          d.ReplaceBase("old", "", nil),
		"of zeros":          d.ReplaceBase("", "new", make(image, unit)),
		"without a disk":    d.ReplaceBase("old", "new", nil),
		"with a long label": d.ReplaceBase("old", string(make([]byte, 256)), make(image, 6*unit)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	fsys.Fail(durabletest.OpSync, 1, syscall.EIO)
	if err := d.ReplaceBase("old", "new", counted{content, &closed[1]}); !errors.Is(err, syscall.EIO) || d.Base() != "old" {
		t.Errorf("a state that cannot be written: %v, on %s", err, d.Base())
	}
	if err := d.ReplaceBase("old", "new", counted{content, &closed[1]}); err != nil || d.Base() != "new" {
		t.Fatalf("replace: %v, on %s", err, d.Base())
	}
	if closed[0].Load() != 0 {
		t.Error("the old base is closed under a reader")
	}
	check := func(d *overlay.Device) {
		t.Helper()
		p := make([]byte, 8*unit)
		if n, err := d.ReadAt(p, 0); n != len(p) {
			t.Fatal(err)
		}
		want := append(bytes.Clone(content), make([]byte, 2*unit)...)
		want[0], want[unit] = 1, 2
		if !bytes.Equal(p, want) {
			t.Error("the volume holds something else")
		}
	}
	check(d)
	p := make([]byte, 2)
	if _, err := f.ReadAt(p, unit-1); err != nil || p[0] != 5 || p[1] != 5 || f.Base() != "old" {
		t.Errorf("frozen: %v, %v over %s", p, err, f.Base())
	}
	if again, err := d.Frozen(ids[0]); err != nil || again.Base() != "new" {
		t.Errorf("frozen again: %v", err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil || closed[0].Load() != 1 {
		t.Errorf("%v; the old base was closed %d times", err, closed[0].Load())
	}
	if err := d.Close(); err != nil || closed[1].Load() != 1 {
		t.Errorf("%v; the new base was closed %d times", err, closed[1].Load())
	}
	if err := d.ReplaceBase("new", "old", image(content)); !errors.Is(err, overlay.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	d = open()
	check(d)
	if err := d.Close(); err != nil || d.Base() != "" && d.Base() != "new" {
		t.Errorf("%v, on %s", err, d.Base())
	}
}
