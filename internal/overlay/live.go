package overlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"origami/internal/durable"
)

const (
	liveSuffix = ".live"
	liveMagic  = "ovllive\n"
	liveHeader = 128
	maxBoot    = 64

	// liveLimit is the length above which a flush starts the other file.
	liveLimit = 16 << 10
)

var liveNames = [2]string{"0" + liveSuffix, "1" + liveSuffix}

// liveLog remembers changes of maps that are not durable yet, for the case that
// this process dies and the operating system lives on: then everything that was
// written is still there, and the guest, which may live on too, must find all
// that was answered. It is never synced, and worthless after a reboot.
type liveLog struct {
	volume identity
	boot   string // empty: no log is kept

	mu    sync.Mutex // guards all below, and orders appends with commits
	files [2]durable.File
	cur   int
	gen   uint64
	end   int64 // of files[cur]
}

// openLive opens the log, applies to layers what it holds of this boot, and
// begins a new generation.
func openLive(fsys durable.FS, dir string, v identity, boot string, layers []*layer) (*liveLog, error) {
	lg := &liveLog{volume: v, boot: boot}
	if boot == "" {
		return lg, nil
	}
	if len(boot) > maxBoot {
		return nil, fmt.Errorf("boot identifier of %d bytes, limit %d", len(boot), maxBoot)
	}
	if err := lg.load(fsys, dir, layers); err != nil {
		return nil, errors.Join(err, lg.close())
	}
	return lg, nil
}

func (lg *liveLog) load(fsys durable.FS, dir string, layers []*layer) error {
	var gens [2]uint64
	for i, name := range liveNames {
		name = path.Join(dir, name)
		f, err := fsys.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = fsys.Create(name)
		}
		if err != nil {
			return err
		}
		lg.files[i] = f
		if gens[i], err = lg.readHeader(f); err != nil {
			return err
		}
	}
	older := 0
	if gens[1] < gens[0] {
		older = 1
	}
	for _, i := range []int{older, 1 - older} {
		if gens[i] == 0 {
			continue
		}
		if err := replayLive(lg.files[i], layers); err != nil {
			return fmt.Errorf("read %s: %w", liveNames[i], err)
		}
	}
	lg.cur, lg.gen = 1-older, gens[1-older]
	return lg.rotate(layers)
}

func (lg *liveLog) encodeHeader(gen uint64) []byte {
	b := appendPrefix(make([]byte, 0, liveHeader), liveMagic, lg.volume)
	b = binary.LittleEndian.AppendUint64(b, gen)
	b = append(b, byte(len(lg.boot)))
	b = append(b, lg.boot...)
	b = append(b, make([]byte, liveHeader-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// readHeader returns the generation of a file of this volume and boot, and 0
// for any other.
func (lg *liveLog) readHeader(f durable.File) (gen uint64, err error) {
	var b [liveHeader]byte
	if size, err := f.Size(); err != nil || size < liveHeader {
		return 0, err
	}
	if err := readFullAt(f, b[:], 0); err != nil {
		return 0, err
	}
	gen = binary.LittleEndian.Uint64(b[prefixLen:])
	if string(b[:]) != string(lg.encodeHeader(gen)) {
		return 0, nil
	}
	return gen, nil
}

// replayLive applies the records of a file that are younger than the journals.
func replayLive(f durable.File, layers []*layer) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	for off := int64(liveHeader); size-off >= recordLen; {
		var rb [recordLen]byte
		if err := readFullAt(f, rb[:], off); err != nil {
			return err
		}
		h, ok := decodeRecordHeader(rb[:])
		if !ok {
			return nil
		}
		payload, err := readRecord(f, off, size, h.seq, size)
		if err != nil {
			return err
		}
		if len(payload) < 8 {
			return nil // the process died while it wrote this
		}
		off += recordLen + int64(len(payload))
		id := LayerID(binary.LittleEndian.Uint64(payload))
		for _, l := range layers {
			if l.id != id || h.seq <= l.seq.Load() {
				continue
			}
			if err := l.units.apply(payload[8:]); err != nil {
				return err
			}
			if err := l.units.retake(payload[8:]); err != nil {
				return err
			}
			l.changed.Store(true)
		}
	}
	return nil
}

// lineCounts counts something of lines. Lines that are far apart share a
// counter, so a count may be too high.
type lineCounts [256]atomic.Int64

func (c *lineCounts) add(first, n, delta int64) {
	for line := first; line < first+n; line++ {
		c[line%int64(len(c))].Add(delta)
	}
}

// none says that nothing is counted of n lines.
func (c *lineCounts) none(first, n int64) bool {
	for line := first; line < first+min(n, int64(len(c))); line++ {
		if c[line%int64(len(c))].Load() != 0 {
			return false
		}
	}
	return true
}

// linesOf returns the lines of n units.
func linesOf(unit, n int64) (first, lines int64) {
	first = unit / lineUnits
	return first, (unit+n-1)/lineUnits - first + 1
}

// missed are the lines that changed while the log could not be written, and
// how often. The next record of their layer has them too.
type missed map[int64]int64

// add notes the lines of n units of l, after they changed and were marked.
// Changes is by how much the caller has raised l.unlogged for that, which ends
// when the log has them.
func (lg *liveLog) add(l *layer, unit, n, changes int64) error {
	first, lines := linesOf(unit, n)
	if lg.boot == "" {
		l.unlogged.add(first, lines, -changes)
		return nil
	}
	lg.mu.Lock()
	defer lg.mu.Unlock()
	if err := lg.append(l, l.units.entriesOf(first, lines)); err != nil {
		if l.missed == nil {
			l.missed = make(missed)
		}
		for line := first; line < first+lines; line++ {
			l.missed[line] += changes
		}
		return err
	}
	l.unlogged.add(first, lines, -changes)
	return nil
}

// append writes a record of entries of l, and of the lines that were missed
// before. It is called with mu held.
func (lg *liveLog) append(l *layer, entries []byte) error {
	for _, line := range slices.Sorted(maps.Keys(l.missed)) {
		entries = append(entries, l.units.entriesOf(line, 1)...)
	}
	record := liveRecord(l, entries)
	if _, err := lg.files[lg.cur].WriteAt(record, lg.end); err != nil {
		return fmt.Errorf("write %s: %w", liveNames[lg.cur], err)
	}
	lg.end += int64(len(record))
	for line, changes := range l.missed {
		l.unlogged.add(line, 1, -changes)
	}
	l.missed = nil
	return nil
}

// liveRecord numbers a record by the journal record that will make it
// superfluous.
func liveRecord(l *layer, entries []byte) []byte {
	payload := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(entries)), uint64(l.id))
	return encodeRecord(l.epoch, append(payload, entries...))
}

// beginCommit separates what the next journal record of l will hold from what
// comes later. The map is taken after it.
func (lg *liveLog) beginCommit(l *layer) {
	lg.mu.Lock()
	defer lg.mu.Unlock()
	l.epoch = l.seq.Load() + 2
}

// trim notes what could not be noted before, and drops what is durable by now
// from a long log. No commit runs. The layers
// are asked for with the log locked: a layer that became the top before then
// may have records in the file that is given up, and must be among them.
func (lg *liveLog) trim(layers func() []*layer) {
	if lg.boot == "" {
		return
	}
	lg.mu.Lock()
	defer lg.mu.Unlock()
	for _, l := range layers() {
		if len(l.missed) > 0 {
			_ = lg.append(l, nil) // or else the next record has them
		}
	}
	if lg.end > liveLimit {
		// If it fails, the log goes on to grow where it is.
		_ = lg.rotate(layers())
	}
}

// rotate writes what is not durable into the other file, and goes on there.
// The header comes last, so that the file counts for nothing before all of it
// is there.
func (lg *liveLog) rotate(layers []*layer) error {
	other := lg.files[1-lg.cur]
	if err := other.Truncate(0); err != nil {
		return err
	}
	end := int64(liveHeader)
	for _, l := range layers {
		if !l.changed.Load() {
			continue
		}
		record := liveRecord(l, l.units.peek())
		if _, err := other.WriteAt(record, end); err != nil {
			return err
		}
		end += int64(len(record))
	}
	if _, err := other.WriteAt(lg.encodeHeader(lg.gen+1), 0); err != nil {
		// It must not count, even if all of it is there.
		return errors.Join(err, other.Truncate(0))
	}
	lg.cur, lg.gen, lg.end = 1-lg.cur, lg.gen+1, end
	// The old generation is applied before the new one, should it stay.
	_ = lg.files[1-lg.cur].Truncate(0)
	return nil
}

func (lg *liveLog) close() error {
	var errs []error
	for _, f := range lg.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
