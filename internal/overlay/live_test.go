package overlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// liveFS asks before each write to a live log whether it may be.
type liveFS struct {
	*durabletest.CrashFS
	before atomic.Pointer[func() error]
}

type liveFile struct {
	durable.File
	fs *liveFS
}

func (l *liveFS) Open(name string) (durable.File, error)   { return l.wrap(name, l.CrashFS.Open) }
func (l *liveFS) Create(name string) (durable.File, error) { return l.wrap(name, l.CrashFS.Create) }

func (l *liveFS) wrap(name string, open func(string) (durable.File, error)) (durable.File, error) {
	f, err := open(name)
	if err != nil || !strings.HasSuffix(name, ".live") {
		return f, err
	}
	return liveFile{f, l}, nil
}

func (f liveFile) WriteAt(p []byte, off int64) (int, error) {
	if before := f.fs.before.Load(); before != nil {
		if err := (*before)(); err != nil {
			n, _ := f.File.WriteAt(p[:len(p)/2], off)
			return n, err
		}
	}
	return f.File.WriteAt(p, off)
}

// hook sets what is called before each write to a live log.
func (l *liveFS) hook(before func() error) { l.before.Store(&before) }

const liveBoot = "this boot"

// liveVolume is a volume over a base of 0xee, so that what is lost shows.
func liveVolume(t *testing.T) (*liveFS, *overlay.Device) {
	t.Helper()
	fsys := &liveFS{CrashFS: durabletest.New()}
	if err := overlay.Create(fsys, "v", 1024*unit, "base"); err != nil {
		t.Fatal(err)
	}
	return fsys, openLive(t, fsys)
}

func openLive(t *testing.T, fsys durable.FS) *overlay.Device {
	t.Helper()
	d, err := overlay.OpenBoot(fsys, "v", liveBoot, func(string) (disk.Image, error) {
		return image(bytes.Repeat([]byte{0xee}, 1024*unit)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantUnit checks the bytes of a unit after the death of the process: the
// volume is opened from the files as they are.
func wantUnit(t *testing.T, fsys *liveFS, at int64, want byte) {
	t.Helper()
	p := make([]byte, unit)
	if _, err := openLive(t, fsys.CrashFS).ReadAt(p, at*unit); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(p, bytes.Repeat([]byte{want}, unit)) {
		t.Errorf("after the death of the process unit %d begins with %#x, want %#x, which was answered", at, p[0], want)
	}
}

// eventually runs f in the background and reports whether it ends, given the
// chance. Its result follows.
func eventually(f func() error) (ended func() bool, result chan error) {
	result = make(chan error, 1)
	var done atomic.Bool
	go func() {
		err := f()
		done.Store(true)
		result <- err
	}()
	return func() bool {
		for range 20000 {
			if done.Load() {
				return true
			}
			runtime.Gosched()
		}
		return false
	}, result
}

// The first write of a unit has changed the map and is about to log that when
// another write of the unit comes. If that is answered, it is in the log.
func TestLiveSecondWriter(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]struct {
		first, then func(*overlay.Device) error
		want        byte
	}{
		"write": {
			func(d *overlay.Device) error { return fillUnits(d, 3, 1, 1) },
			func(d *overlay.Device) error { return fillUnits(d, 3, 1, 2) },
			2,
		},
		"zeroes": {
			func(d *overlay.Device) error { return d.WriteZeroes(3*unit, unit) },
			func(d *overlay.Device) error { return d.WriteZeroes(3*unit, unit) },
			0,
		},
		"trim": {
			func(d *overlay.Device) error { return d.WriteZeroes(0, 8*unit) },
			func(d *overlay.Device) error { return d.Trim(3*unit, unit) },
			0,
		},
		"zeroes in a part": {
			func(d *overlay.Device) error { return d.WriteZeroes(0, 8*unit) },
			func(d *overlay.Device) error { return d.WriteZeroes(3*unit+7, 100) },
			0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys, d := liveVolume(t)
			entered, release := make(chan struct{}, 16), make(chan struct{})
			fsys.hook(func() error {
				entered <- struct{}{}
				<-release
				return nil
			})
			_, first := eventually(func() error { return second.first(d) })
			<-entered
			answered, then := eventually(func() error { return second.then(d) })
			if answered() {
				wantUnit(t, fsys, 3, second.want)
			}
			close(release)
			if err := errors.Join(<-first, <-then); err != nil {
				t.Fatal(err)
			}
			wantUnit(t, fsys, 3, second.want)
		})
	}
}

func fillUnits(d *overlay.Device, at, n int64, b byte) error {
	_, err := d.WriteAt(bytes.Repeat([]byte{b}, int(n*unit)), at*unit)
	return err
}

// A change could not be logged, and its write failed. The write is repeated,
// when the map knows already: if it is answered, it is in the log.
func TestLiveAfterFailure(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]struct {
		run  func(*overlay.Device) error
		want byte
	}{
		"write":  {func(d *overlay.Device) error { return fillUnits(d, 3, 1, 7) }, 7},
		"zeroes": {func(d *overlay.Device) error { return d.WriteZeroes(3*unit, 2*unit) }, 0},
		"trim":   {func(d *overlay.Device) error { return d.Trim(3*unit, 2*unit) }, 0},
	} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			for _, between := range []string{"nothing", "other write", "flush", "failed flush", "freeze", "long log"} {
				t.Run(fmt.Sprint(name, " ", cause, " ", between), func(t *testing.T) {
					t.Parallel()
					fsys, d := liveVolume(t)
					if err := fillUnits(d, 5, 1, 5); err != nil {
						t.Fatal(err)
					}
					fsys.hook(func() error { return cause })
					for range 2 {
						if err := op.run(d); !errors.Is(err, cause) {
							t.Fatalf("without a log: %v, want %v", err, cause)
						}
					}
					fsys.hook(func() error { return nil })
					if err := meanwhile(fsys, d, between); err != nil {
						t.Fatal(err)
					}
					if err := op.run(d); err != nil {
						t.Fatal(err)
					}
					wantUnit(t, fsys, 3, op.want)
					wantUnit(t, fsys, 5, 5)
				})
			}
		}
	}
}

func meanwhile(fsys *liveFS, d *overlay.Device, what string) error {
	switch what {
	case "other write":
		return fillUnits(d, 600, 1, 6)
	case "flush":
		return d.Flush()
	case "failed flush":
		fsys.Fail(durabletest.OpWrite, 1, syscall.ENOSPC)
		if err := d.Flush(); !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("flush: %w, want ENOSPC", err)
		}
	case "freeze":
		_, err := overlay.Freeze(d)
		return err
	case "long log":
		for i := range int64(200) {
			if err := fillUnits(d, 300+2*i, 1, 6); err != nil {
				return err
			}
		}
		return d.Flush()
	}
	return nil
}

// While a flush waits to take the map, a unit is written. The record of the
// flush says so, and must not be durable before the unit is.
func TestFlushTakesWrite(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		fsys, d := liveVolume(t)
		if err := d.Flush(); err != nil { // nothing is to be synced any more
			t.Fatal(err)
		}
		entered, release := make(chan struct{}, 16), make(chan struct{})
		fsys.hook(func() error {
			entered <- struct{}{}
			<-release
			return nil
		})
		_, trimmed := eventually(func() error { return d.Trim(0, unit) })
		<-entered
		stuck, flushed := eventually(d.Flush) // behind the record of the trim
		stuck()
		writes := fsys.Count(durabletest.OpWrite)
		_, written := eventually(func() error { return fillUnits(d, 1, 1, 1) })
		for fsys.Count(durabletest.OpWrite) == writes {
			runtime.Gosched()
		}
		p := make([]byte, 1)
		for p[0] != 1 { // until the map has it
			if _, err := d.ReadAt(p, unit); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		if err := errors.Join(<-trimmed, <-flushed, <-written); err != nil {
			t.Fatal(err)
		}
		if _, err := openLive(t, fsys.Crash(seed)).ReadAt(p, unit); err != nil {
			t.Fatal(err)
		}
		if p[0] != 1 && p[0] != 0xee {
			t.Fatalf("after a crash the unit holds %#x, which was never written", p[0])
		}
	}
}

// After a failure, a record has what was missed, and overwrites go without the
// log again.
func TestLiveRecovers(t *testing.T) {
	t.Parallel()
	for _, flush := range []bool{false, true} {
		fsys, d := liveVolume(t)
		fsys.hook(func() error { return syscall.ENOSPC })
		for at := range int64(3) {
			if err := fillUnits(d, 300*at, 1, 1); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("without a log: %v, want ENOSPC", err)
			}
		}
		fsys.hook(func() error { return nil })
		then := func() error { return fillUnits(d, 5, 1, 5) }
		if flush {
			then = d.Flush
		}
		if err := then(); err != nil {
			t.Fatal(err)
		}
		for at := range int64(3) {
			wantUnit(t, fsys, 300*at, 1) // as it is read from the open volume
		}
		before := fsys.Count(durabletest.OpWrite)
		if err := fillUnits(d, 0, 1, 2); err != nil {
			t.Fatal(err)
		}
		if n := fsys.Count(durabletest.OpWrite) - before; n != 1 {
			t.Errorf("flush %v: an overwrite is %d writes, want 1", flush, n)
		}
	}
}
