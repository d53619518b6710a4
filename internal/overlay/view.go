package overlay

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"origami/disk"
)

// base is the disk under all layers.
type base struct {
	label string
	img   disk.Image
	refs  int // views that hold it; guarded by Device.mu
}

// view is a stack of layers over a base, as it was at some time. It never
// changes; it lives until its last reader releases it.
type view struct {
	d      *Device
	base   *base    // nil: zeros
	layers []*layer // oldest first
	refs   int      // guarded by Device.mu
}

// hold counts the view's references on what it consists of. Device.mu is held,
// or the view is not yet shared.
func (v *view) hold() {
	for _, l := range v.layers {
		l.refs++
	}
	if v.base != nil {
		v.base.refs++
	}
}

// acquire returns the current view, for release.
func (d *Device) acquire() (*view, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return nil, ErrClosed
	}
	d.view.refs++
	return d.view, nil
}

// release gives v back, and closes what nobody holds any more.
func (v *view) release() {
	v.d.mu.Lock()
	var files []*layer
	var img disk.Image
	v.refs--
	if v.refs == 0 {
		for _, l := range v.layers {
			if l.refs--; l.refs == 0 {
				files = append(files, l)
			}
		}
		if v.base != nil {
			if v.base.refs--; v.base.refs == 0 {
				img = v.base.img
			}
		}
	}
	v.d.mu.Unlock()
	// Everything of worth was synced, and nobody is there to hear of errors.
	for _, l := range files {
		_ = l.close()
	}
	if img != nil {
		_ = img.Close()
	}
}

// close closes everything of a view that was never shared.
func (v *view) close() error {
	var errs []error
	for _, l := range v.layers {
		errs = append(errs, l.close())
	}
	if v.base != nil {
		errs = append(errs, v.base.img.Close())
	}
	return errors.Join(errs...)
}

func (v *view) label() string {
	if v.base == nil {
		return ""
	}
	return v.base.label
}

func (v *view) top() *layer { return v.layers[len(v.layers)-1] }

// find returns the layer that decides about a unit, with its state there and
// for how many units, at most limit, that holds. The layer is nil, and the
// state absent, for the base.
func (v *view) find(unit, limit int64) (*layer, unitState, int64) {
	for i := len(v.layers) - 1; i >= 0; i-- {
		s, n := v.layers[i].units.run(unit, limit)
		if s != absent {
			return v.layers[i], s, n
		}
		limit = n
	}
	return nil, absent, limit
}

// readAt fills p from off on.
func (v *view) readAt(p []byte, off int64) error {
	for len(p) > 0 {
		unit := off / UnitSize
		l, s, n := v.find(unit, (off+int64(len(p))-1)/UnitSize-unit+1)
		k := min(int64(len(p)), (unit+n)*UnitSize-off)
		var err error
		switch s {
		case data:
			if err = l.data.readAt(p[:k], off); err != nil {
				err = fmt.Errorf("read layer %d at %d: %w", l.id, off, err)
			}
		case zero:
			clear(p[:k])
		default:
			err = v.base.readAt(p[:k], off)
		}
		if err != nil {
			return err
		}
		p, off = p[k:], off+k
	}
	return nil
}

// readAt fills p from the base; beyond its end everything is zero.
func (b *base) readAt(p []byte, off int64) error {
	n := int64(0)
	if b != nil {
		n = min(max(b.img.Size()-off, 0), int64(len(p)))
	}
	if n > 0 {
		if _, err := disk.ReadFull(b.img, p[:n], off); err != nil {
			return fmt.Errorf("base: %w", err)
		}
	}
	clear(p[n:])
	return nil
}

// extents yields the runs from off to size.
func (v *view) extents(ctx context.Context, off, size int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		m := merger{yield: yield}
		for off < size {
			if err := ctx.Err(); err != nil {
				yield(disk.Extent{}, err)
				return
			}
			unit := off / UnitSize
			_, s, n := v.find(unit, (size+UnitSize-1)/UnitSize-unit)
			end := min((unit+n)*UnitSize, size)
			if s == absent {
				if err := v.base.extents(ctx, off, end, &m); err != nil {
					yield(disk.Extent{}, err)
					return
				}
			} else {
				m.add(disk.Extent{Off: off, Len: end - off, Zero: s == zero})
			}
			if m.stopped {
				return
			}
			off = end
		}
		m.finish()
	}
}

// extents adds the runs of the base from off to end.
func (b *base) extents(ctx context.Context, off, end int64, m *merger) error {
	if b != nil && off < b.img.Size() {
		for e, err := range b.img.Extents(ctx, off) {
			if err != nil {
				return fmt.Errorf("extents of base at %d: %w", off, err)
			}
			e.Len = min(e.Off+e.Len, end) - off
			e.Off = off
			if e.Len > 0 {
				m.add(e)
				off += e.Len
			}
			if off >= end || m.stopped {
				return nil
			}
		}
	}
	if off < end {
		m.add(disk.Extent{Off: off, Len: end - off, Zero: true})
	}
	return nil
}

// merger joins neighbouring runs of one kind.
type merger struct {
	yield   func(disk.Extent, error) bool
	last    disk.Extent
	stopped bool
}

func (m *merger) add(e disk.Extent) {
	if m.last.Len > 0 && m.last.Zero == e.Zero && m.last.Off+m.last.Len == e.Off {
		m.last.Len += e.Len
		return
	}
	m.finish()
	m.last = e
}

func (m *merger) finish() {
	if m.last.Len > 0 && !m.stopped {
		m.stopped = !m.yield(m.last, nil)
	}
	m.last = disk.Extent{}
}
