package overlay

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
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

// unitMap is the map of a layer. Its methods may be called concurrently; no
// locks are held. Units beyond its size are absent.
type unitMap struct {
	slots atomic.Pointer[[]*slot]
	units atomic.Int64 // the size
}

// resize makes room for n units. It never shrinks, and is not called
// concurrently with itself.
func (m *unitMap) resize(n int64) {
	var old []*slot
	if p := m.slots.Load(); p != nil {
		old = *p
	}
	defer m.units.Store(n)
	want := int((n + pageUnits - 1) / pageUnits)
	if want <= len(old) {
		m.slots.Store(&old)
		return
	}
	slots := make([]*slot, want)
	fresh := make([]slot, want-len(old))
	copy(slots, old)
	for i := range fresh {
		slots[len(old)+i] = &fresh[i]
	}
	m.slots.Store(&slots)
}

func (m *unitMap) lines() int64 { return (m.units.Load() + lineUnits - 1) / lineUnits }

func (m *unitMap) slotAt(unit int64) *slot {
	slots := *m.slots.Load()
	if i := unit / pageUnits; i < int64(len(slots)) {
		return slots[i]
	}
	return nil
}

// state returns the state of one unit.
func (m *unitMap) state(unit int64) unitState {
	s, _ := m.run(unit, 1)
	return s
}

// run returns the state of a unit and how many units from it on, at most
// limit, certainly have the same. It does not look beyond a page when the page
// must be searched.
func (m *unitMap) run(unit, limit int64) (unitState, int64) {
	slots := *m.slots.Load()
	first := unit / pageUnits
	if first >= int64(len(slots)) {
		return absent, limit
	}
	p := slots[first].page.Load()
	if p == nil || p == zeroPage {
		i := first + 1
		for i < int64(len(slots)) && i*pageUnits < unit+limit && slots[i].page.Load() == p {
			i++
		}
		n := i*pageUnits - unit
		if p == nil {
			if i == int64(len(slots)) {
				n = limit
			}
			return absent, min(n, limit)
		}
		return zero, min(n, limit)
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

// set gives n units a state and marks their lines dirty. The units lie inside
// the size.
func (m *unitMap) set(unit, n int64, s unitState) {
	for n > 0 {
		sl := m.slotAt(unit)
		in := unit % pageUnits
		k := min(n, pageUnits-in)
		if k < pageUnits || s != zero || !sl.page.CompareAndSwap(nil, zeroPage) {
			setWords(sl.writable(), in, k, s)
		}
		sl.mark(in/lineUnits, (in+k-1)/lineUnits)
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

// mark makes the lines from first to last dirty.
func (sl *slot) mark(first, last int64) {
	mask := ^uint64(0) >> (63 - uint(last-first)) << uint(first)
	if sl.dirty.Load()&mask != mask {
		sl.dirty.Or(mask)
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
	for i, sl := range *m.slots.Load() {
		mask := sl.dirty.Swap(0)
		p := sl.page.Load()
		if p == nil {
			continue
		}
		if all {
			mask = ^uint64(0)
		}
		for ; mask != 0; mask &= mask - 1 {
			l := bits.TrailingZeros64(mask)
			e.add(int64(i)*pageLines+int64(l), p, l)
		}
	}
	return e.buf
}

// peek returns entries for the lines that are dirty, and leaves them so.
func (m *unitMap) peek() []byte {
	var e entries
	for i, sl := range *m.slots.Load() {
		mask := sl.dirty.Load()
		p := sl.page.Load()
		for ; p != nil && mask != 0; mask &= mask - 1 {
			l := bits.TrailingZeros64(mask)
			e.add(int64(i)*pageLines+int64(l), p, l)
		}
	}
	return e.buf
}

// entriesOf returns entries for n lines.
func (m *unitMap) entriesOf(line, n int64) []byte {
	var e entries
	for ; n > 0; line, n = line+1, n-1 {
		if p := m.slotAt(line * lineUnits).page.Load(); p != nil {
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
			p := m.slotAt((line + i) * lineUnits).writable()
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
		sl := m.slotAt(unit)
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
			m.slotAt(line*lineUnits).mark(line%pageLines, line%pageLines)
		}
		return nil
	})
}
