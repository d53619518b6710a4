package overlay

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"origami/disk"
)

// unitState is what a layer says of a unit.
type unitState uint8

const (
	absent  unitState = 0 // look below
	data    unitState = 1 // in this layer's data file
	zero    unitState = 2
	invalid unitState = 3
)

// Units are grouped in words, lines (the unit of commits) and pages (the unit
// of memory).
const (
	wordUnits = 32
	lineWords = 8
	lineUnits = lineWords * wordUnits // 1 MiB of disk
	lineSize  = lineWords * 8
	pageLines = 64
	pageUnits = pageLines * lineUnits // 64 MiB of disk
)

// low has the low bit of each unit of a word.
const low = 0x5555555555555555

// fill returns a word whose units are all s.
func fill(s unitState) uint64 { return low * uint64(s) }

type page [pageLines * lineWords]atomic.Uint64

// zeroPage is the page of all slots whose units are all zero. It is never
// written to.
var zeroPage = newPage(zero)

func newPage(s unitState) *page {
	p := new(page)
	for i := range p {
		p[i].Store(fill(s))
	}
	return p
}

type slot struct {
	page  atomic.Pointer[page] // nil: all absent
	dirty atomic.Uint64        // the lines that changed since they were taken
}

// Slots come in groups, so that a large volume of which little is written costs
// little, and is searched for changes quickly.
const (
	groupSlots = 1024
	groupUnits = groupSlots * pageUnits // 64 GiB of disk
	maxGroups  = disk.MaxSize / UnitSize / groupUnits
)

type group struct {
	slots [groupSlots]slot
	dirty atomic.Bool // set after a slot became dirty
}

// unitMap is the map of a layer. Its methods may be called concurrently; no
// locks are held. Units beyond its size are absent.
type unitMap struct {
	groups [maxGroups]atomic.Pointer[group] // nil: all absent
	units  atomic.Int64                     // the size
}

// resize makes room for n units. It never shrinks, and is not called
// concurrently with itself.
func (m *unitMap) resize(n int64) { m.units.Store(n) }

func (m *unitMap) lines() int64 { return (m.units.Load() + lineUnits - 1) / lineUnits }

// page returns the page of a unit, nil if all of it is absent.
func (m *unitMap) page(unit int64) *page {
	if g := m.groups[unit/groupUnits].Load(); g != nil {
		return g.slots[unit%groupUnits/pageUnits].page.Load()
	}
	return nil
}

// group returns the group of a unit, which is made if need be.
func (m *unitMap) group(unit int64) *group {
	p := &m.groups[unit/groupUnits]
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(group))
	}
	return p.Load()
}

func (g *group) slot(unit int64) *slot { return &g.slots[unit%groupUnits/pageUnits] }

// state returns the state of one unit.
func (m *unitMap) state(unit int64) unitState {
	s, _ := m.run(unit, 1)
	return s
}

// run returns the state of a unit and how many units from it on, at most
// limit, certainly have the same. It does not look beyond a page when the page
// must be searched.
func (m *unitMap) run(unit, limit int64) (unitState, int64) {
	p := m.page(unit)
	if p == nil || p == zeroPage {
		n := m.runOfPage(p, unit, limit)
		if p == nil {
			return absent, n
		}
		return zero, n
	}
	in := unit % pageUnits
	s := unitState(p[in/wordUnits].Load() >> (2 * uint(in%wordUnits)) & 3)
	end := min(in+limit, pageUnits)
	at := in
	for at < end {
		differ := (p[at/wordUnits].Load() ^ fill(s)) >> (2 * uint(at%wordUnits))
		if differ != 0 {
			at += int64(bits.TrailingZeros64(differ)) / 2
			break
		}
		at = (at/wordUnits + 1) * wordUnits
	}
	return s, max(min(at, end)-in, 1)
}

// runOfPage is run for a unit whose page is p, nil or zeroPage.
func (m *unitMap) runOfPage(p *page, unit, limit int64) int64 {
	end := min(unit+limit, maxGroups*groupUnits)
	next := unit
	for next < end && m.page(next) == p {
		if m.groups[next/groupUnits].Load() == nil {
			next = (next/groupUnits + 1) * groupUnits
		} else {
			next = (next/pageUnits + 1) * pageUnits
		}
	}
	if next >= end {
		return limit
	}
	return next - unit
}

// set gives n units a state and marks their lines dirty. The units lie inside
// the size.
func (m *unitMap) set(unit, n int64, s unitState) {
	for n > 0 {
		g := m.group(unit)
		sl := g.slot(unit)
		in := unit % pageUnits
		k := min(n, pageUnits-in)
		if k < pageUnits || s != zero || !sl.page.CompareAndSwap(nil, zeroPage) {
			setWords(sl.writable(), in, k, s)
		}
		g.mark(unit, k)
		unit, n = unit+k, n-k
	}
}

// writable returns the page of the slot, which is made if need be.
func (sl *slot) writable() *page {
	for {
		p := sl.page.Load()
		switch p {
		case nil:
			sl.page.CompareAndSwap(nil, new(page))
		case zeroPage:
			sl.page.CompareAndSwap(zeroPage, newPage(zero))
		default:
			return p
		}
	}
}

func setWords(p *page, in, n int64, s unitState) {
	for n > 0 {
		shift := in % wordUnits
		k := min(n, wordUnits-shift)
		mask := ^uint64(0) >> (64 - 2*uint(k)) << (2 * uint(shift))
		w := &p[in/wordUnits]
		for {
			old := w.Load()
			if w.CompareAndSwap(old, old&^mask|fill(s)&mask) {
				break
			}
		}
		in, n = in+k, n-k
	}
}

// mark makes the lines of n units of one page dirty.
func (g *group) mark(unit, n int64) {
	first, last := unit%pageUnits/lineUnits, (unit%pageUnits+n-1)/lineUnits
	mask := ^uint64(0) >> (63 - uint(last-first)) << uint(first)
	if sl := g.slot(unit); sl.dirty.Load()&mask != mask {
		sl.dirty.Or(mask)
	}
	if !g.dirty.Load() {
		g.dirty.Store(true)
	}
}

// Forms of entries.
const (
	formLiteral = 0
	formData    = 1
	formZero    = 2
)

const entryHeader = 16

// take returns entries for the lines that are dirty, or for all lines, and
// makes them clean.
func (m *unitMap) take(all bool) []byte {
	var e entries
	for i := range m.groups {
		// What is marked meanwhile is in what is taken, or the group is dirty
		// again.
		if g := m.groups[i].Load(); g != nil && (g.dirty.Swap(false) || all) {
			for j := range g.slots {
				mask := g.slots[j].dirty.Swap(0)
				if all {
					mask = ^uint64(0)
				}
				e.addPage(i*groupSlots+j, g.slots[j].page.Load(), mask)
			}
		}
	}
	return e.buf
}

// peek returns entries for the lines that are dirty, and leaves them so.
func (m *unitMap) peek() []byte {
	var e entries
	for i := range m.groups {
		if g := m.groups[i].Load(); g != nil && g.dirty.Load() {
			for j := range g.slots {
				mask := g.slots[j].dirty.Load()
				e.addPage(i*groupSlots+j, g.slots[j].page.Load(), mask)
			}
		}
	}
	return e.buf
}

// entriesOf returns entries for n lines.
func (m *unitMap) entriesOf(line, n int64) []byte {
	var e entries
	for ; n > 0; line, n = line+1, n-1 {
		if p := m.page(line * lineUnits); p != nil {
			e.add(line, p, int(line%pageLines))
		}
	}
	return e.buf
}

// entries is a payload in the making. Neighbouring lines of one form share an
// entry.
type entries struct {
	buf  []byte
	open int // offset of the last entry
	next int64
	form uint32
}

// addPage adds the lines of a mask of page i.
func (e *entries) addPage(i int, p *page, mask uint64) {
	for ; p != nil && mask != 0; mask &= mask - 1 {
		l := bits.TrailingZeros64(mask)
		e.add(int64(i)*pageLines+int64(l), p, l)
	}
}

func (e *entries) add(line int64, p *page, in int) {
	var words [lineWords]uint64
	for i := range words {
		words[i] = p[in*lineWords+i].Load()
	}
	form := formOf(&words)
	if words == [lineWords]uint64{} {
		return // nothing is known of it yet
	}
	if len(e.buf) > 0 && e.next == line && e.form == form {
		n := binary.LittleEndian.Uint32(e.buf[e.open+8:])
		binary.LittleEndian.PutUint32(e.buf[e.open+8:], n+1)
	} else {
		e.open, e.form = len(e.buf), form
		e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(line))
		e.buf = binary.LittleEndian.AppendUint32(e.buf, 1)
		e.buf = binary.LittleEndian.AppendUint32(e.buf, form)
	}
	e.next = line + 1
	if form == formLiteral {
		for _, w := range words {
			e.buf = binary.LittleEndian.AppendUint64(e.buf, w)
		}
	}
}

func formOf(words *[lineWords]uint64) uint32 {
	for _, w := range words {
		if w != words[0] {
			return formLiteral
		}
	}
	switch words[0] {
	case fill(data):
		return formData
	case fill(zero):
		return formZero
	}
	return formLiteral
}

// eachEntry calls f for the entries of a payload. Lines are below limit. For a
// literal entry lit holds its lines.
func eachEntry(payload []byte, limit int64, f func(line, n int64, form uint32, lit []byte) error) error {
	for len(payload) > 0 {
		if len(payload) < entryHeader {
			return corrupt("map entry of %d bytes", len(payload))
		}
		line := binary.LittleEndian.Uint64(payload)
		n := int64(binary.LittleEndian.Uint32(payload[8:]))
		form := binary.LittleEndian.Uint32(payload[12:])
		payload = payload[entryHeader:]
		if n == 0 || n > limit || line > uint64(limit-n) {
			return corrupt("map entry for %d lines at %d of %d", n, line, limit)
		}
		var lit []byte
		switch form {
		case formLiteral:
			if int64(len(payload)) < n*lineSize {
				return corrupt("map entry ends early")
			}
			lit, payload = payload[:n*lineSize], payload[n*lineSize:]
		case formData, formZero:
		default:
			return corrupt("map entry of form %d", form)
		}
		if err := f(int64(line), n, form, lit); err != nil {
			return err
		}
	}
	return nil
}

// apply puts the entries of a payload into the map. Lines do not become dirty.
func (m *unitMap) apply(payload []byte) error {
	return eachEntry(payload, m.lines(), func(line, n int64, form uint32, lit []byte) error {
		if form != formLiteral {
			m.setClean(line*lineUnits, n*lineUnits, unitState(form))
			return nil
		}
		for i := int64(0); i < n; i++ {
			unit := (line + i) * lineUnits
			p := m.group(unit).slot(unit).writable()
			for j := range int64(lineWords) {
				w := binary.LittleEndian.Uint64(lit[i*lineSize+j*8:])
				if w&(w>>1)&low != 0 {
					return corrupt("map line %d has an invalid unit", line+i)
				}
				p[(line+i)%pageLines*lineWords+j].Store(w)
			}
		}
		return nil
	})
}

// setClean is set for whole lines while nothing else uses the map.
func (m *unitMap) setClean(unit, n int64, s unitState) {
	for n > 0 {
		sl := m.group(unit).slot(unit)
		in := unit % pageUnits
		k := min(n, pageUnits-in)
		if k == pageUnits && s == zero {
			sl.page.Store(zeroPage)
		} else {
			setWords(sl.writable(), in, k, s)
		}
		unit, n = unit+k, n-k
	}
}

// retake makes the lines of a taken payload dirty again.
func (m *unitMap) retake(payload []byte) error {
	return eachEntry(payload, m.lines(), func(line, n int64, _ uint32, _ []byte) error {
		for ; n > 0; line, n = line+1, n-1 {
			m.group(line*lineUnits).mark(line*lineUnits, 1)
		}
		return nil
	})
}
