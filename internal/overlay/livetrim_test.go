package overlay_test

import (
	"bytes"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// heldFS lets Syncs wait: those of files that were opened, and those of layer
// files that were made, each when told so.
type heldFS struct {
	durable.FS
	opened, made hold
}

// hold makes Syncs wait until it is released.
type hold struct {
	on      atomic.Bool
	entered chan struct{} // has room for one
	release chan struct{}
}

func newHold() hold { return hold{entered: make(chan struct{}, 1), release: make(chan struct{})} }

type heldFile struct {
	durable.File
	hold *hold
}

func (h *heldFS) Open(name string) (durable.File, error) {
	f, err := h.FS.Open(name)
	return heldFile{f, &h.opened}, err
}

func (h *heldFS) Create(name string) (durable.File, error) {
	f, err := h.FS.Create(name)
	if !strings.HasSuffix(name, ".data") && !strings.HasSuffix(name, ".map") {
		return f, err
	}
	return heldFile{f, &h.made}, err
}

func (f heldFile) Sync() error {
	if f.hold.on.Load() {
		select {
		case f.hold.entered <- struct{}{}:
		default:
		}
		<-f.hold.release
	}
	return f.File.Sync()
}

// A flush that began before a freeze and ends after it shortens the live log.
// What was written to the new top meanwhile must stay in it: if the process
// dies now, it is nowhere else.
func TestTrimKeepsNewTop(t *testing.T) {
	t.Parallel()
	const size = 512 << 20
	fsys := &heldFS{FS: durabletest.New(), opened: newHold(), made: newHold()}
	if err := overlay.Create(fsys.FS, "vol", size, ""); err != nil {
		t.Fatal(err)
	}
	dev, err := overlay.OpenBoot(fsys, "vol", "this boot", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Each write is in a line of its own, so the log gets long.
	for off := int64(0); off < size; off += 1 << 20 {
		if _, err := dev.WriteAt(bytes.Repeat([]byte{1}, unit), off); err != nil {
			t.Fatal(err)
		}
	}
	fsys.opened.on.Store(true)
	flushed, frozen := make(chan error, 1), make(chan error, 1)
	go func() { flushed <- dev.Flush() }()
	<-fsys.opened.entered
	go func() {
		_, err := overlay.Freeze(dev)
		frozen <- err
	}()
	for len(dev.Layers()) < 1 {
		runtime.Gosched()
	}
	fsys.made.on.Store(true)
	want := bytes.Repeat([]byte{2}, unit)
	if _, err := dev.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	close(fsys.opened.release)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	<-fsys.made.entered // the flush of the freeze, which would make it durable

	after, err := overlay.OpenBoot(fsys.FS, "vol", "this boot", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, unit)
	if _, err := after.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("after the death of the process the unit holds %d, want %d, which was answered", got[0], want[0])
	}
	close(fsys.made.release)
	if err := <-frozen; err != nil {
		t.Error(err)
	}
}
