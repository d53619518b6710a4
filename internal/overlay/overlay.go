// Package overlay keeps what a guest writes to a volume: a writable [Device]
// over a read-only base, the disk of a snapshot, whose state survives kill -9
// and power cuts.
//
// A volume is a directory of a [durable.FS]. Its writes lie in a stack of
// layers; [Freeze] puts a new layer on top of several volumes at one instant,
// [Device.Frozen] reads a volume as it was then, and [Device.Rebase] drops what
// has arrived in a snapshot that is the new base. The files and the order of
// writes are described in docs/design/overlay.md.
//
// At most one Device of a directory may be open at a time; the caller sees to
// that.
package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"origami/disk"
	"origami/internal/durable"
)

// UnitSize is the granularity at which a volume knows what was written, and of
// which sizes of volumes are multiples.
const UnitSize = 4096

// LayerID names a layer of a volume. Later layers have higher IDs.
type LayerID uint64

var (
	// ErrClosed is returned by methods of a closed Device.
	ErrClosed = errors.New("volume is closed")
	// ErrFailed is wrapped by the errors of every write and flush after a sync
	// has failed.
	ErrFailed = errors.New("volume failed")
	// ErrNoLayer is wrapped by errors about a layer that is not frozen or was
	// dropped.
	ErrNoLayer = errors.New("no such frozen layer")
	// ErrTooManyLayers is returned by Freeze for a volume whose former freezes
	// were never followed by a Rebase.
	ErrTooManyLayers = errors.New("volume has too many frozen layers")
)

// FailedError is the error that made a Device fail for good. It wraps
// ErrFailed and the error of the sync.
type FailedError struct{ Err error }

func (e *FailedError) Error() string { return ErrFailed.Error() + ": " + e.Err.Error() }

// Unwrap returns ErrFailed and the cause.
func (e *FailedError) Unwrap() []error { return []error{ErrFailed, e.Err} }

// Device is a volume open for reading and writing. All methods may be called
// concurrently.
type Device struct {
	fsys     durable.FS
	dir      string
	id       identity
	key      *volumeKey // nil: not encrypted
	keyState keyState
	size     atomic.Int64
	live     *liveLog
	failed   atomic.Pointer[FailedError]
	hold     atomic.Int64 // of the last freeze, in nanoseconds

	// Locks are taken in the order in which they stand here.

	admin sync.Mutex // held by what changes the state file; guards next
	next  *layer     // prepared by a freeze, not yet on top

	gate sync.RWMutex // held shared by each piece of a write; guards top
	top  *layer       // nil after Close

	regions [64]sync.RWMutex // see lockRegions

	flushes flushGroup

	mu   sync.Mutex // guards view, and the references and sizes of all layers
	view *view      // nil after Close
}

var _ disk.Image = (*Device)(nil)

// Create makes a volume of size bytes over the base named by label, in the new
// directory dir, or in one that a Create left behind when it was interrupted.
// It fails with fs.ErrExist if there is a volume. Size is a positive multiple
// of UnitSize of at most disk.MaxSize, a label at most 255 bytes; the empty one
// is a base of zeros.
func Create(fsys durable.FS, dir string, size int64, baseLabel string) error {
	if err := errors.Join(checkSize(size), checkLabel(baseLabel)); err != nil {
		return fmt.Errorf("create volume: %w", err)
	}
	st := &state{id: identity{volume: newVolumeID()}, label: baseLabel}
	if err := create(fsys, dir, size, st); err != nil {
		return fmt.Errorf("create volume %s: %w", dir, err)
	}
	return nil
}

// create makes the volume of a state that has everything but its layer.
func create(fsys durable.FS, dir string, size int64, st *state) error {
	if dir != "." {
		if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// A volume is there when its state is, and whoever opens it relies on the name
	// of the directory: that is durable first.
	if err := fsys.SyncDir(path.Dir(dir)); err != nil {
		return err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, stateName) {
		return fs.ErrExist
	}
	l, err := createLayer(fsys, dir, st.id, nil, 1, size) // nothing is written to it
	if err != nil {
		return err
	}
	if err := l.close(); err != nil {
		return err
	}
	st.layers = []layerState{{id: 1, size: size}}
	return st.write(fsys, dir)
}

// Options say how a volume gets what it does not hold.
type Options struct {
	// Resolve returns the disk of the base with that label, which the Device
	// closes when it is no longer needed. It is called if the label is not
	// empty.
	Resolve func(label string) (disk.Image, error)

	// Unwrap returns the data key, of KeySize bytes, of an encrypted volume. It
	// is called once, before Resolve, and for no other volume.
	Unwrap func(WrappedKey) ([]byte, error)

	// Boot, of at most 64 bytes, names the run of the operating system and must
	// differ after it has crashed. The system is asked if it is empty.
	Boot string
}

// Open opens the volume in dir. It calls resolve for the disk of the base, if
// the label is not empty; the Device closes it when it is no longer needed.
// Errors wrap fs.ErrNotExist, ErrCorrupt or ErrUnsupported where these apply. A
// volume that is encrypted is opened by OpenWith, and here a KeyError.
//
// If the process died while the volume was open and the operating system lives
// on, every write that was answered is there. After a crash of the system it is
// what was flushed, and of each unit perhaps something later.
func Open(fsys durable.FS, dir string, resolve func(label string) (disk.Image, error)) (*Device, error) {
	return OpenWith(fsys, dir, Options{Resolve: resolve})
}

// OpenWith is Open with options. An error about the data key of an encrypted
// volume is a [KeyError].
func OpenWith(fsys durable.FS, dir string, o Options) (*Device, error) {
	if o.Boot == "" {
		o.Boot = bootID()
	}
	d, err := open(fsys, dir, o)
	if err != nil {
		return nil, fmt.Errorf("open volume %s: %w", dir, err)
	}
	return d, nil
}

// OpenBoot is Open for a caller who knows whether the operating system has
// crashed: boot, of at most 64 bytes, must differ after it has. If boot is
// empty, the death of the process counts as a crash of the system.
func OpenBoot(fsys durable.FS, dir, boot string, resolve func(label string) (disk.Image, error)) (*Device, error) {
	d, err := open(fsys, dir, Options{Resolve: resolve, Boot: boot})
	if err != nil {
		return nil, fmt.Errorf("open volume %s: %w", dir, err)
	}
	return d, nil
}

func open(fsys durable.FS, dir string, o Options) (*Device, error) {
	st, err := readState(fsys, dir)
	if err != nil {
		return nil, err
	}
	key, err := st.unwrap(o.Unwrap)
	if err != nil {
		return nil, err
	}
	// The name of this state need not be durable yet, and what an older one
	// names must not go before.
	if err := fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	if err := removeGarbage(fsys, dir, st); err != nil {
		return nil, err
	}
	d := &Device{fsys: fsys, dir: dir, id: st.id, key: key, keyState: st.key}
	v := &view{d: d, refs: 1}
	for _, ls := range st.layers {
		l, err := openLayer(fsys, dir, st.id, key, ls)
		if err != nil {
			return nil, errors.Join(err, v.close())
		}
		v.layers = append(v.layers, l)
	}
	d.top = v.layers[len(v.layers)-1]
	d.size.Store(d.top.size)
	if st.label != "" {
		img, err := o.Resolve(st.label)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("resolve base %q: %w", st.label, err), v.close())
		}
		v.base = &base{label: st.label, img: img}
		if img.Size() > d.top.size {
			err := fmt.Errorf("base %q of %d bytes is larger than the volume of %d", st.label, img.Size(), d.top.size)
			return nil, errors.Join(err, v.close())
		}
	}
	if d.live, err = openLive(fsys, dir, st.id, o.Boot, v.layers); err != nil {
		return nil, errors.Join(err, v.close())
	}
	for _, l := range v.layers {
		if name, ok := l.data.missing(&l.units); ok {
			return nil, errors.Join(corrupt("%s is missing", name), d.live.close(), v.close())
		}
	}
	d.view = v
	v.hold()
	return d, nil
}

// removeGarbage removes what interrupted operations left.
func removeGarbage(fsys durable.FS, dir string, st *state) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	known := map[string]bool{liveNames[0]: true, liveNames[1]: true}
	for _, l := range st.layers {
		known[mapName(l.id)] = true
		for n := range filesOf(l.size) {
			known[dataName(l.id, n)] = true
		}
	}
	for _, name := range names {
		ours := strings.HasSuffix(name, dataSuffix) || strings.HasSuffix(name, mapSuffix) ||
			strings.HasSuffix(name, liveSuffix) || strings.HasSuffix(name, durable.TempSuffix)
		if !ours || known[name] {
			continue
		}
		if err := fsys.Remove(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the volume in dir, which must not be open, and dir. After a
// crash or an error it may be called again; a volume that was removed in part
// does not open.
func Remove(fsys durable.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	// Without its state the rest is garbage.
	if slices.Contains(names, stateName) {
		if err := fsys.Remove(path.Join(dir, stateName)); err != nil {
			return fmt.Errorf("remove volume: %w", err)
		}
		if err := fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("remove volume: %w", err)
		}
	}
	for _, name := range names {
		if name == stateName {
			continue
		}
		if err := fsys.Remove(path.Join(dir, name)); err != nil {
			return fmt.Errorf("remove volume: %w", err)
		}
	}
	if dir == "." {
		return nil
	}
	if err := fsys.Remove(dir); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	return fsys.SyncDir(path.Dir(dir))
}

// Close flushes the volume and closes it. What Frozen returned stays readable
// until it is closed itself. An error says that the last writes may be lost.
func (d *Device) Close() error {
	d.admin.Lock()
	defer d.admin.Unlock()
	d.gate.Lock()
	open := d.top != nil
	d.top = nil // no write enters any more
	d.gate.Unlock()
	if !open {
		return ErrClosed
	}
	err := d.flushes.do(d.sync)
	d.mu.Lock()
	v := d.view
	d.view = nil
	d.mu.Unlock()
	if err == nil {
		err = d.stateOf(v.label(), v.layers).write(d.fsys, d.dir)
	}
	if d.next != nil {
		err = errors.Join(err, d.next.close())
	}
	err = errors.Join(err, d.live.close())
	v.release()
	if err != nil {
		return fmt.Errorf("close volume %s: %w", d.dir, err)
	}
	return nil
}

// Size is the length of the volume in bytes.
func (d *Device) Size() int64 { return d.size.Load() }

// Hold is how long the last Freeze kept writes waiting, in all its volumes
// together.
func (d *Device) Hold() time.Duration { return time.Duration(d.hold.Load()) }

// Layers returns the frozen layers, oldest first. After a crash there may be
// some that no Freeze has returned.
func (d *Device) Layers() []LayerID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []LayerID
	if d.view != nil {
		for _, l := range d.view.layers[:len(d.view.layers)-1] {
			ids = append(ids, l.id)
		}
	}
	return ids
}

// Base returns the label of the base.
func (d *Device) Base() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return ""
	}
	return d.view.label()
}

// stateOf returns the state with these layers, and the prepared one on top.
func (d *Device) stateOf(label string, layers []*layer) *state {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := &state{id: d.id, key: d.keyState, label: label}
	for _, l := range layers {
		st.layers = append(st.layers, l.state())
	}
	if d.next != nil {
		st.layers = append(st.layers, d.next.state())
	}
	return st
}

// checkRange returns an error that wraps EINVAL for a range outside the volume.
func (d *Device) checkRange(off, n int64) error {
	if size := d.Size(); off < 0 || n < 0 || off > size || n > size-off {
		return fmt.Errorf("range of %d bytes at %d of a volume of %d: %w", n, off, size, syscall.EINVAL)
	}
	return nil
}

// fail makes the device fail for good if err is a FailedError.
func (d *Device) fail(err error) error {
	var f *FailedError
	if errors.As(err, &f) {
		d.failed.CompareAndSwap(nil, f)
	}
	return err
}

// broken returns the error of a failed device.
func (d *Device) broken() error {
	if f := d.failed.Load(); f != nil {
		return f
	}
	return nil
}
