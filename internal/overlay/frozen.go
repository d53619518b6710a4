package overlay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"sync"

	"origami/disk"
)

// Frozen is a volume as it was at a Freeze: a disk that never changes. It must
// be closed; until then it stays readable, whatever becomes of the volume.
type Frozen struct {
	v       *view
	size    int64
	release func()
}

var _ disk.Image = (*Frozen)(nil)

// Frozen returns the volume as it was when the layer was frozen. The error
// wraps ErrNoLayer if it was not, or was dropped by Rebase.
func (d *Device) Frozen(layer LayerID) (*Frozen, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return nil, ErrClosed
	}
	i, ok := d.view.frozen(layer)
	if !ok {
		return nil, fmt.Errorf("%w: %d of volume %s", ErrNoLayer, layer, d.dir)
	}
	v := &view{d: d, base: d.view.base, layers: d.view.layers[:i+1], refs: 1}
	v.hold()
	return &Frozen{v: v, size: v.top().size, release: sync.OnceFunc(v.release)}, nil
}

// frozen returns the index of a frozen layer.
func (v *view) frozen(id LayerID) (int, bool) {
	i := slices.IndexFunc(v.layers, func(l *layer) bool { return l.id == id })
	return i, i >= 0 && i < len(v.layers)-1
}

// ReadAt implements io.ReaderAt.
func (f *Frozen) ReadAt(p []byte, off int64) (int, error) { return f.v.readDisk(p, off, f.size) }

// Size is the size that the volume had.
func (f *Frozen) Size() int64 { return f.size }

// Extents implements disk.Image.
func (f *Frozen) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return f.v.extents(ctx, max(off, 0), f.size)
}

// Base returns the label of the base that the volume had when Frozen was
// called.
func (f *Frozen) Base() string { return f.v.label() }

// Dirty yields, in ascending order, the ranges that may differ from Base. Those
// marked Zero were zeroed or trimmed. Elsewhere the disk is that of the base,
// and zero beyond its end. The iteration ends early when ctx does.
func (f *Frozen) Dirty(ctx context.Context) iter.Seq[disk.Extent] {
	return func(yield func(disk.Extent) bool) {
		m := merger{yield: func(e disk.Extent, _ error) bool { return yield(e) }}
		units := f.size / UnitSize
		for unit := int64(0); unit < units && ctx.Err() == nil && !m.stopped; {
			_, s, n := f.v.find(unit, units-unit)
			if s != absent {
				m.add(disk.Extent{Off: unit * UnitSize, Len: n * UnitSize, Zero: s == zero})
			}
			unit += n
		}
		if ctx.Err() == nil {
			m.finish()
		}
	}
}

// Close lets go of the volume's files. It must not be called while another
// method runs. Closing again does nothing.
func (f *Frozen) Close() error {
	f.release()
	return nil
}

// Rebase puts the volume on a new base, which holds what the disk of the
// frozen layer holds, and drops the layers that are covered by it: this one and
// those below. Reads go on meanwhile. If the layer was dropped before, because
// a newer one was rebased, Rebase does nothing.
//
// When it returns nil the volume owns img, and closes it when it is no longer
// needed; else the caller does. After an error both bases must be kept until a
// later Rebase, Freeze, Grow or Close has succeeded: either may be the one that
// is found after a crash.
func (d *Device) Rebase(layer LayerID, label string, img disk.Image) error {
	d.admin.Lock()
	defer d.admin.Unlock()
	if err := d.rebase(layer, label, img); err != nil {
		return fmt.Errorf("rebase volume %s: %w", d.dir, err)
	}
	return nil
}

func (d *Device) rebase(id LayerID, label string, img disk.Image) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	if (label == "") != (img == nil) {
		return errors.New("the empty label, and no other, goes without a disk")
	}
	d.mu.Lock()
	old := d.view
	d.mu.Unlock()
	if old == nil {
		return ErrClosed
	}
	if id < old.layers[0].id {
		if img != nil {
			_ = img.Close() // not needed, and never written to
		}
		return nil
	}
	i, ok := old.frozen(id)
	if !ok {
		return fmt.Errorf("%w: %d", ErrNoLayer, id)
	}
	dropped, kept := old.layers[:i+1], old.layers[i+1:]
	v := &view{d: d, layers: kept, refs: 1}
	if img != nil {
		if size := img.Size(); size < dropped[i].size || size > d.Size() {
			return fmt.Errorf("base of %d bytes for a layer of %d and a volume of %d", size, dropped[i].size, d.Size())
		}
		v.base = &base{label: label, img: img}
	}
	if err := d.broken(); err != nil {
		return err
	}
	if err := d.stateOf(label, kept).write(d.fsys, d.dir); err != nil {
		return err
	}
	d.mu.Lock()
	d.view = v
	v.hold()
	d.mu.Unlock()
	for _, l := range dropped {
		// What cannot be removed now is garbage, and removed by Open.
		l.data.remove()
		_ = d.fsys.Remove(path.Join(d.dir, mapName(l.id)))
	}
	old.release()
	return nil
}

// ReplaceBase puts the volume on another base, which holds the same disk as the
// one with the label from. Layers stay as they are, and reads and writes go on
// meanwhile. If the volume stands on something else by now, ReplaceBase does
// nothing. Who owns img, and what an error means, is as with Rebase.
func (d *Device) ReplaceBase(from, label string, img disk.Image) error {
	d.admin.Lock()
	defer d.admin.Unlock()
	if err := d.replaceBase(from, label, img); err != nil {
		return fmt.Errorf("replace base of volume %s: %w", d.dir, err)
	}
	return nil
}

func (d *Device) replaceBase(from, label string, img disk.Image) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	d.mu.Lock()
	old := d.view
	d.mu.Unlock()
	switch {
	case old == nil:
		return ErrClosed
	case from == "" || label == "" || img == nil:
		return errors.New("a base of zeros cannot be replaced, nor replace another")
	case old.label() != from:
		_ = img.Close() // not needed, and never written to
		return nil
	case img.Size() != old.base.img.Size():
		return fmt.Errorf("base of %d bytes in place of one of %d", img.Size(), old.base.img.Size())
	}
	if err := d.broken(); err != nil {
		return err
	}
	if err := d.stateOf(label, old.layers).write(d.fsys, d.dir); err != nil {
		return err
	}
	v := &view{d: d, base: &base{label: label, img: img}, layers: old.layers, refs: 1}
	d.mu.Lock()
	d.view = v
	v.hold()
	d.mu.Unlock()
	old.release() // closes its base, once the last reader is gone
	return nil
}
