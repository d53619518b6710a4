package overlay

import (
	"errors"
	"fmt"
)

// regionSize is the piece in which a write passes the gate, and the range of
// one of Device.regions.
const regionSize = 1 << 20

// punchSize is the piece in which zeroing passes the gate: a page of the map.
const punchSize = pageUnits * UnitSize

// lockRegions locks the n regions from first on for writers of whole units,
// and returns how to unlock them. Regions are locked in ascending order, and
// who holds one exclusively asks for no other, so nobody waits in a circle.
func (d *Device) lockRegions(first, n int64) (unlock func()) {
	if n >= int64(len(d.regions)) {
		first, n = 0, int64(len(d.regions))
	}
	count := int64(len(d.regions))
	// Wrapped around, the smaller indexes come first.
	lo := max(first%count+n-count, 0)
	for i := range lo {
		d.regions[i].RLock()
	}
	for i := first % count; i < min(first%count+n, count); i++ {
		d.regions[i].RLock()
	}
	return func() {
		for i := range n {
			d.regions[(first+i)%count].RUnlock()
		}
	}
}

// WriteAt implements io.WriterAt. A range outside the volume is refused with
// an error that wraps syscall.EINVAL. Writes to ranges that do not overlap may
// run in parallel.
func (d *Device) WriteAt(p []byte, off int64) (int, error) {
	if err := d.checkRange(off, int64(len(p))); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	done := 0
	for done < len(p) {
		k, err := d.writePiece(p[done:], off+int64(done))
		if err != nil {
			return done, err
		}
		done += k
	}
	return done, nil
}

// writePiece writes the first piece of p: a part of one unit, or whole units
// of one region.
func (d *Device) writePiece(p []byte, off int64) (int, error) {
	if in := off % UnitSize; in != 0 || len(p) < UnitSize {
		p = p[:min(int64(len(p)), UnitSize-in)]
		return len(p), d.writePart(p, off)
	}
	n := min(int64(len(p))/UnitSize*UnitSize, regionSize-off%regionSize)
	return int(n), d.writeUnits(p[:n], off)
}

// writeUnits writes whole units of one region.
func (d *Device) writeUnits(p []byte, off int64) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if err := d.writable(); err != nil {
		return err
	}
	region := &d.regions[off/regionSize%int64(len(d.regions))]
	region.RLock()
	defer region.RUnlock()
	return d.write(p, off)
}

// writable is called with gate held.
func (d *Device) writable() error {
	if d.top == nil {
		return ErrClosed
	}
	return d.broken()
}

// write writes p into the top, and says that the units it touches are data:
// they are written whole, or were data before. It is called with gate held.
func (d *Device) write(p []byte, off int64) error {
	l := d.top
	if err := l.data.writeAt(p, off, l.units.units.Load()*UnitSize); err != nil {
		return fmt.Errorf("write layer %d at %d: %w", l.id, off, err)
	}
	unit := off / UnitSize
	n := (off+int64(len(p))-1)/UnitSize - unit + 1
	return d.change(unit, n, data)
}

// change gives n units of the top a state, marks them and notes that in the
// live log. It is called with gate held.
func (d *Device) change(unit, n int64, s unitState) error {
	l, changes := d.top, int64(1)
	first, lines := linesOf(unit, n)
	if got, same := l.units.run(unit, n); got == s && same == n {
		if l.unlogged.none(first, lines) {
			return nil // the usual case of an overwrite
		}
		// Another write may have changed these units, and neither marked nor
		// logged them yet. That one has raised the counter, and keeps it so.
		changes = 0
	}
	l.unlogged.add(first, lines, changes)
	l.units.set(unit, n, s)
	l.changed.Store(true)
	return d.live.add(l, unit, n, changes)
}

// writePart writes a part of one unit.
func (d *Device) writePart(p []byte, off int64) error {
	unit := off / UnitSize
	for {
		v, err := d.acquire()
		if err != nil {
			return err
		}
		top := v.top()
		// What lies below may take long to read: no lock is held.
		var below []byte
		if top.units.state(unit) == absent {
			below = make([]byte, UnitSize)
			err = v.readAt(below, unit*UnitSize)
		}
		v.release()
		if err != nil {
			return err
		}
		if done, err := d.complete(p, off, top, below); done || err != nil {
			return err
		}
	}
}

// complete writes a part of one unit, over what is below if the unit is absent
// in top. It reports false if the unit or the top has changed so that below is
// missing.
func (d *Device) complete(p []byte, off int64, top *layer, below []byte) (bool, error) {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if err := d.writable(); err != nil {
		return false, err
	}
	if d.top != top {
		return false, nil
	}
	region := &d.regions[off/regionSize%int64(len(d.regions))]
	region.Lock()
	defer region.Unlock()
	unit := off / UnitSize
	switch top.units.state(unit) {
	case data:
		return true, d.write(p, off)
	case zero:
		below = make([]byte, UnitSize)
	default:
		if below == nil {
			return false, nil
		}
	}
	copy(below[off%UnitSize:], p)
	return true, d.write(below, unit*UnitSize)
}

// WriteZeroes makes the range read as zeros and gives back the space of its
// whole units.
func (d *Device) WriteZeroes(off, n int64) error {
	if err := d.checkRange(off, n); err != nil {
		return fmt.Errorf("write zeroes: %w", err)
	}
	for n > 0 {
		k := min(n, punchSize-off%punchSize)
		var err error
		if in := off % UnitSize; in != 0 || k < UnitSize {
			k = min(k, UnitSize-in)
			err = d.zeroPart(off, k)
		} else {
			k = k / UnitSize * UnitSize
			err = d.zeroUnits(off, k)
		}
		if err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// Trim gives back the space of the whole units in the range, which then read
// as zeros. Parts of units stay as they are.
func (d *Device) Trim(off, n int64) error {
	if err := d.checkRange(off, n); err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	end := (off + n) / UnitSize * UnitSize
	off = (off + UnitSize - 1) / UnitSize * UnitSize
	if off >= end {
		return nil
	}
	return d.WriteZeroes(off, end-off)
}

// zeroPart writes zeros into a part of a unit, unless it is a hole.
func (d *Device) zeroPart(off, n int64) error {
	hole, err := d.isHole(off, n)
	if hole || err != nil {
		return err
	}
	var zeros [UnitSize]byte
	return d.writePart(zeros[:n], off)
}

// isHole says that the range is known to read as zeros, without a look at the
// base, and will do so if the process dies now.
func (d *Device) isHole(off, n int64) (bool, error) {
	v, err := d.acquire()
	if err != nil {
		return false, err
	}
	defer v.release()
	first, lines := linesOf(off/UnitSize, (off+n-1)/UnitSize-off/UnitSize+1)
	for end := off + n; off < end; {
		unit := off / UnitSize
		_, s, k := v.find(unit, (end-1)/UnitSize-unit+1)
		if s == data || s == absent && v.base != nil {
			return false, nil
		}
		off = (unit + k) * UnitSize
	}
	return v.logged(first, lines), nil
}

// logged says that the live log has all changes of n lines, in every layer.
func (v *view) logged(first, n int64) bool {
	for _, l := range v.layers {
		if !l.unlogged.none(first, n) {
			return false
		}
	}
	return true
}

// zeroUnits zeroes whole units of one page of the map.
func (d *Device) zeroUnits(off, n int64) error {
	if hole, err := d.isHole(off, n); hole || err != nil {
		return err
	}
	d.gate.RLock()
	defer d.gate.RUnlock()
	if err := d.writable(); err != nil {
		return err
	}
	first := off / regionSize
	defer d.lockRegions(first, (off+n-1)/regionSize-first+1)()
	top := d.top
	unit, units := off/UnitSize, n/UnitSize
	written := top.units.holds(unit, units, data)
	err := d.change(unit, units, zero)
	if !written {
		return err // nothing of it is in the data file
	}
	// Nobody comes back for the space, so it is given back after an error too.
	if punchErr := top.data.punch(off, n); punchErr != nil {
		err = errors.Join(err, fmt.Errorf("punch layer %d at %d: %w", top.id, off, punchErr))
	}
	return err
}

// holds says that one of n units has state s.
func (m *unitMap) holds(unit, n int64, s unitState) bool {
	for n > 0 {
		got, k := m.run(unit, n)
		if got == s {
			return true
		}
		unit, n = unit+k, n-k
	}
	return false
}
