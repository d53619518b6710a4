package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Freeze freezes the tops of the given volumes at one instant: whatever was
// written to any of them before it began is in the layers it returns, in the
// order of devs, and a write that is in one of these layers is not missing in
// another although it had returned before. The layers are durable when it
// returns. Writes wait while the tops are exchanged, not while anything is
// synced; see [Device.Hold].
//
// After an error some volumes may have got a new layer. That does no harm: the
// next Freeze and Rebase cover it.
func Freeze(devs ...*Device) ([]LayerID, error) {
	sorted := slices.SortedFunc(slices.Values(devs), func(a, b *Device) int {
		return bytes.Compare(a.id.volume[:], b.id.volume[:])
	})
	for i, d := range sorted {
		if i > 0 && sorted[i-1].id.volume == d.id.volume {
			return nil, fmt.Errorf("freeze: volume %s is given twice", d.dir)
		}
	}
	for _, d := range sorted {
		d.admin.Lock()
		defer d.admin.Unlock()
	}
	for _, d := range sorted {
		if err := d.prepare(); err != nil {
			return nil, fmt.Errorf("freeze volume %s: %w", d.dir, err)
		}
	}
	ids := switchTops(sorted, devs)
	errs := make([]error, len(devs))
	var wg sync.WaitGroup
	for i, d := range devs {
		wg.Go(func() { errs[i] = d.Flush() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	return ids, nil
}

// switchTops is the instant of the freeze.
func switchTops(sorted, devs []*Device) []LayerID {
	begin := time.Now()
	for _, d := range sorted {
		d.gate.Lock()
	}
	ids := make([]LayerID, len(devs))
	for i, d := range devs {
		ids[i] = d.switchTop()
	}
	for _, d := range sorted {
		d.gate.Unlock()
	}
	hold := time.Since(begin)
	for _, d := range devs {
		d.hold.Store(int64(hold))
	}
	return ids
}

// prepare makes sure that there is a next layer, durable and listed. It is
// called with admin held.
func (d *Device) prepare() error {
	if err := d.broken(); err != nil {
		return err
	}
	d.mu.Lock()
	v := d.view
	d.mu.Unlock()
	if v == nil {
		return ErrClosed
	}
	if len(v.layers) == maxLayers {
		return ErrTooManyLayers
	}
	if d.next == nil {
		next, err := createLayer(d.fsys, d.dir, d.id, d.key, v.top().id+1, d.Size())
		if err != nil {
			return err
		}
		d.next = next
	}
	return d.stateOf(v.label(), v.layers).write(d.fsys, d.dir)
}

// switchTop is called with admin and gate held, after prepare. It returns the
// layer that was the top.
func (d *Device) switchTop() LayerID {
	d.mu.Lock()
	old := d.view
	layers := append(slices.Clip(slices.Clone(old.layers)), d.next)
	d.view = &view{d: d, base: old.base, layers: layers, refs: 1}
	d.view.hold()
	d.mu.Unlock()
	frozen := d.top.id
	d.top, d.next = d.next, nil
	old.release() // closes nothing: the new view holds all of it
	return frozen
}

// Grow makes the volume larger, to a multiple of UnitSize. The new part reads
// as zeros. Growing to the size it has succeeds.
func (d *Device) Grow(size int64) error {
	d.admin.Lock()
	defer d.admin.Unlock()
	if err := d.grow(size); err != nil {
		return fmt.Errorf("grow volume %s: %w", d.dir, err)
	}
	return nil
}

func (d *Device) grow(size int64) error {
	if err := checkSize(size); err != nil {
		return err
	}
	now := d.Size()
	if size < now {
		return fmt.Errorf("size %d is below %d", size, now)
	}
	if err := d.broken(); err != nil {
		return err
	}
	d.mu.Lock()
	v := d.view
	d.mu.Unlock()
	if v == nil {
		return ErrClosed
	}
	st := d.stateOf(v.label(), v.layers)
	growing := []*layer{v.top()}
	if d.next != nil {
		growing = append(growing, d.next)
	}
	for i := range growing {
		st.layers[len(v.layers)-1+i].size = size
	}
	if err := st.write(d.fsys, d.dir); err != nil {
		return err
	}
	for _, l := range growing {
		l.units.resize(size / UnitSize)
	}
	d.mu.Lock()
	for _, l := range growing {
		l.size = size
	}
	d.mu.Unlock()
	d.size.Store(size)
	return nil
}
