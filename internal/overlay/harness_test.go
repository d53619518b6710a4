package overlay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

const unit = overlay.UnitSize

// image is a disk in memory.
type image []byte

var _ disk.Image = image(nil)

func (m image) Size() int64  { return int64(len(m)) }
func (m image) Close() error { return nil }

func (m image) ReadAt(p []byte, off int64) (int, error) {
	if off >= m.Size() {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m image) Extents(_ context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		for off < m.Size() {
			end := min((off/512+1)*512, m.Size())
			e := disk.Extent{Off: off, Len: end - off, Zero: bytes.Count(m[off:end], []byte{0}) == int(end-off)}
			if !yield(e, nil) {
				return
			}
			off = end
		}
	}
}

// shifted is an image after zeros.
type shifted struct {
	image
	shift int64
}

func (s shifted) Size() int64 { return s.shift + s.image.Size() }

func (s shifted) ReadAt(p []byte, off int64) (int, error) {
	n := min(max(s.shift-off, 0), int64(len(p)))
	clear(p[:n])
	if n == int64(len(p)) {
		return len(p), nil
	}
	k, err := s.image.ReadAt(p[n:], off+n-s.shift)
	return int(n) + k, err
}

func (s shifted) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < s.shift && !yield(disk.Extent{Off: off, Len: s.shift - off, Zero: true}, nil) {
			return
		}
		for e, err := range s.image.Extents(ctx, max(off-s.shift, 0)) {
			e.Off += s.shift
			if !yield(e, err) {
				return
			}
		}
	}
}

// harness runs operations on a volume on a crashable file system, and knows
// what each unit may hold after a crash.
type harness struct {
	draw  func(n int) int // a number below n
	fs    *durabletest.CrashFS
	outer durable.FS // what the volume uses: fs, or something before it
	dev   *overlay.Device
	bases map[string]image
	label int
	boot  int

	// shift is where the units of the model begin. What is before them is zero.
	shift int64

	// may holds for each unit what it may be after a crash: as of the last
	// flush, and after each write since. The last one is what it is now.
	may    [][]string
	failed map[int]bool // units whose last change failed: not sure after the death of the process
	sizes  []int        // in units, that the volume may have after a crash
	frozen map[overlay.LayerID][]byte
	unsure map[overlay.LayerID]bool // a rebase of it may have happened
	fill   byte
}

const (
	hole = ""     // in may: a unit of zeros
	torn = "torn" // in may: each byte is that of one of the others
)

func newHarness(draw func(int) int) (*harness, error) {
	return newHarnessOn(durabletest.New(), nil, draw)
}

// newHarnessOn has a volume that uses outer, if it is not nil.
func newHarnessOn(fs *durabletest.CrashFS, outer durable.FS, draw func(int) int) (*harness, error) {
	h := &harness{draw: draw, fs: fs, outer: outer, failed: make(map[int]bool), bases: make(map[string]image),
		frozen: make(map[overlay.LayerID][]byte), unsure: make(map[overlay.LayerID]bool)}
	units := 1 + draw(24)
	if draw(8) == 0 {
		units += 2 * 256 // several lines of the map
	}
	if draw(6) == 0 {
		h.shift = 1<<40 - int64(draw(units))*unit // two data files
	}
	label := ""
	if draw(3) > 0 {
		label = "base"
		b := make(image, 512*(1+draw(units*8)))
		for i := range b {
			b[i] = byte(1 + i/512)
		}
		h.bases[label] = b
	}
	h.may = make([][]string, units)
	for i := range h.may {
		h.may[i] = []string{h.baseUnit(label, i)}
	}
	h.sizes = []int{units}
	var err error
	if draw(3) == 0 {
		err = overlay.CreateEncrypted(h.fs, "vol", h.shift+int64(units)*unit, label, testKey, testWrapped)
	} else {
		err = overlay.Create(h.fs, "vol", h.shift+int64(units)*unit, label)
	}
	if err != nil {
		return nil, err
	}
	return h, h.open()
}

func (h *harness) baseUnit(label string, i int) string {
	b := make([]byte, unit)
	h.bases[label].ReadAt(b, int64(i)*unit)
	return canonical(b)
}

func canonical(b []byte) string {
	if bytes.Count(b, []byte{0}) == len(b) {
		return hole
	}
	return string(b)
}

func (h *harness) resolve(label string) (disk.Image, error) {
	if b, ok := h.bases[label]; ok {
		return shifted{b, h.shift}, nil
	}
	return nil, fmt.Errorf("no base %q", label)
}

func (h *harness) open() (err error) {
	fsys := h.outer
	if fsys == nil {
		fsys = h.fs
	}
	h.dev, err = overlay.OpenWith(fsys, "vol", overlay.Options{
		Resolve: h.resolve, Unwrap: unwrapTest, Boot: "boot " + strconv.Itoa(h.boot),
	})
	return err
}

// crash cuts the power.
func (h *harness) crash(seed uint64) error {
	h.fs, h.outer = h.fs.Crash(seed), nil
	h.boot++
	if err := h.open(); err != nil {
		return err
	}
	return h.adopt()
}

// kill ends the process, at once: what it wrote stays. Every unit must be as
// it is now, but for those that the last operation failed on.
func (h *harness) kill() error {
	if err := h.open(); err != nil {
		return err
	}
	was := h.may
	h.may = make([][]string, len(was))
	for i, m := range was {
		if n := len(m); n >= 3 && m[n-2] == torn {
			h.may[i] = slices.Clone(m[n-3:])
		} else if h.failed[i] {
			h.may[i] = append(slices.Clone(m), torn)
		} else {
			h.may[i] = m[n-1:]
		}
	}
	if err := h.adopt(); err != nil {
		h.may = was
		return err
	}
	for i, m := range was { // it is no more durable than it was
		h.may[i] = append(slices.DeleteFunc(m, isTorn), h.may[i][len(h.may[i])-1])
	}
	clear(h.failed)
	return nil
}

func isTorn(m string) bool { return m == torn }

func (h *harness) size() int { return len(h.may) * unit }

// now is the disk as the model has it.
func (h *harness) now() []byte {
	b := make([]byte, h.size())
	for i, m := range h.may {
		copy(b[i*unit:], m[len(m)-1])
	}
	return b
}

// change notes new contents of the bytes from off on, or that they may have
// come about if the operation failed.
func (h *harness) change(off int, p []byte, err error) {
	for len(p) > 0 {
		i, in := off/unit, off%unit
		m := h.may[i]
		b := make([]byte, unit)
		copy(b, m[len(m)-1])
		n := copy(b[in:], p)
		h.may[i] = append(m, canonical(b))
		if err != nil { // or what was before
			h.may[i] = append(h.may[i], torn, m[len(m)-1])
		}
		h.failed[i] = err != nil
		p, off = p[n:], off+n
	}
}

func (h *harness) flushed() {
	for i, m := range h.may {
		h.may[i] = m[len(m)-1:]
	}
	clear(h.failed)
}

func (h *harness) rangeOf() (off, n int) {
	off = h.draw(h.size())
	switch h.draw(3) {
	case 0:
		off = off / unit * unit
		n = min((1+h.draw(5))*unit, h.size()-off)
	case 1:
		n = 1 + h.draw(min(1000, h.size()-off))
	default:
		n = 1 + h.draw(h.size()-off)
	}
	return off, n
}

// step runs one random operation. It returns what the operation returned, and
// separately what is wrong.
func (h *harness) step() (opErr, wrong error) {
	switch k := h.draw(100); {
	case k < 35:
		off, n := h.rangeOf()
		h.fill++
		p := bytes.Repeat([]byte{h.fill | 1}, n)
		_, err := h.dev.WriteAt(p, h.shift+int64(off))
		h.change(off, p, err)
		return err, nil
	case k < 45:
		off, n := h.rangeOf()
		err := h.dev.WriteZeroes(h.shift+int64(off), int64(n))
		h.change(off, make([]byte, n), err)
		return err, nil
	case k < 53:
		off, n := h.rangeOf()
		err := h.dev.Trim(h.shift+int64(off), int64(n))
		first, end := (off+unit-1)/unit*unit, (off+n)/unit*unit
		if first < end {
			h.change(first, make([]byte, end-first), err)
		}
		return err, nil
	case k < 68:
		err := h.dev.Flush()
		if err == nil {
			h.flushed()
		}
		return err, nil
	case k < 76:
		return h.freeze()
	case k < 84:
		return h.rebase()
	case k < 87:
		return h.grow()
	case k < 90:
		if err := h.dev.Close(); err != nil {
			return err, nil
		}
		h.flushed()
		return h.open(), nil
	case k < 93: // kill -9: the file system stays as it is
		err := h.kill()
		if h.dev == nil {
			return err, nil
		}
		return nil, err
	default:
		return nil, h.check()
	}
}

func (h *harness) freeze() (opErr, wrong error) {
	ids, err := overlay.Freeze(h.dev)
	if errors.Is(err, overlay.ErrTooManyLayers) {
		return nil, nil
	}
	if err != nil {
		return err, nil
	}
	h.flushed()
	h.frozen[ids[0]] = h.now()
	return nil, nil
}

// rebase makes a new base of the old one and the dirty ranges of a frozen
// layer, as a snapshot does.
func (h *harness) rebase() (opErr, wrong error) {
	ids := slices.Sorted(maps.Keys(h.frozen))
	if len(ids) == 0 {
		return nil, nil
	}
	id := ids[h.draw(len(ids))]
	f, err := h.dev.Frozen(id)
	if err != nil {
		return nil, fmt.Errorf("frozen layer %d: %w", id, err)
	}
	defer f.Close()
	img := make(image, f.Size()-h.shift)
	copy(img, h.bases[f.Base()])
	for e := range f.Dirty(context.Background()) {
		e.Off -= h.shift
		if e.Zero {
			clear(img[e.Off : e.Off+e.Len])
		} else if _, err := f.ReadAt(img[e.Off:e.Off+e.Len], h.shift+e.Off); err != nil && err != io.EOF {
			return err, nil
		}
	}
	if !bytes.Equal(img, h.frozen[id]) {
		return nil, fmt.Errorf("base and dirty ranges of layer %d are not its disk", id)
	}
	h.label++
	label := strconv.Itoa(h.label)
	h.bases[label] = img
	err = h.dev.Rebase(id, label, shifted{img, h.shift})
	for _, i := range ids {
		if i <= id {
			h.unsure[i] = true
			if err == nil {
				delete(h.frozen, i)
			}
		}
	}
	if err == nil && h.dev.Base() != label {
		return nil, fmt.Errorf("base is %q after rebase on %q", h.dev.Base(), label)
	}
	return err, nil
}

func (h *harness) grow() (opErr, wrong error) {
	units := len(h.may) + h.draw(4)
	h.sizes = append(h.sizes, units)
	if err := h.dev.Grow(h.shift + int64(units)*unit); err != nil {
		return err, nil
	}
	h.sizes = []int{units}
	h.resize(units)
	return nil, nil
}

func (h *harness) resize(units int) {
	for len(h.may) < units {
		h.may = append(h.may, []string{hole})
	}
}

// check compares the volume and all frozen layers with the model.
func (h *harness) check() error {
	got, err := h.read(h.dev)
	if err != nil {
		return err
	}
	if want := h.now(); !bytes.Equal(got, want) {
		return fmt.Errorf("volume differs from the model in unit %d", firstDiff(got, want))
	}
	if err := checkExtents(h.dev, h.shift, got); err != nil {
		return err
	}
	return h.checkFrozen()
}

func (h *harness) checkFrozen() error {
	for id, want := range h.frozen {
		f, err := h.dev.Frozen(id)
		if h.unsure[id] && errors.Is(err, overlay.ErrNoLayer) {
			delete(h.frozen, id)
			continue
		}
		if err != nil {
			return err
		}
		got, err := h.read(f)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("frozen layer %d differs in unit %d", id, firstDiff(got, want))
		}
		if err := errors.Join(checkExtents(f, h.shift, got), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// adopt checks after a crash that each unit is one of those it may be, and
// goes on with what is there.
func (h *harness) adopt() error {
	units := int((h.dev.Size() - h.shift) / unit)
	if !slices.Contains(h.sizes, units) {
		return fmt.Errorf("volume has %d units, want one of %v", units, h.sizes)
	}
	h.sizes = []int{units}
	h.resize(units)
	got, err := h.read(h.dev)
	if err != nil {
		return err
	}
	for i := range h.may {
		c := canonical(got[i*unit : (i+1)*unit])
		if !h.mayBe(i, c) {
			return fmt.Errorf("unit %d begins with %.8x, which is neither flushed nor written since", i, got[i*unit:])
		}
		h.may[i] = append(slices.DeleteFunc(h.may[i], isTorn), c)
	}
	return h.checkFrozen()
}

// mayBe says that unit i may have contents c.
func (h *harness) mayBe(i int, c string) bool {
	if slices.Contains(h.may[i], c) || !slices.Contains(h.may[i], torn) {
		return slices.Contains(h.may[i], c)
	}
	for at := range unit {
		if !slices.ContainsFunc(h.may[i], func(m string) bool { return m != torn && byteOf(m, at) == byteOf(c, at) }) {
			return false
		}
	}
	return true
}

func byteOf(c string, at int) byte {
	if c == hole {
		return 0
	}
	return c[at]
}

func (h *harness) read(img disk.Image) ([]byte, error) { return readFrom(img, h.shift) }

func read(img disk.Image) ([]byte, error) { return readFrom(img, 0) }

func readFrom(img disk.Image, off int64) ([]byte, error) {
	b := make([]byte, img.Size()-off)
	n, err := img.ReadAt(b, off)
	if n != len(b) {
		return nil, fmt.Errorf("read %d of %d bytes: %w", n, len(b), err)
	}
	return b, nil
}

func firstDiff(a, b []byte) int {
	if len(a) != len(b) {
		return min(len(a), len(b)) / unit
	}
	for i := range a {
		if a[i] != b[i] {
			return i / unit
		}
	}
	return -1
}

// checkExtents checks that the extents of img cover it, and that what they
// call zero is. The content begins after zeros.
func checkExtents(img disk.Image, shift int64, content []byte) error {
	at := int64(0)
	for e, err := range img.Extents(context.Background(), 0) {
		if err != nil {
			return err
		}
		if e.Off != at || e.Len <= 0 {
			return fmt.Errorf("extent %+v, want one at %d", e, at)
		}
		at += e.Len
		if at > shift+int64(len(content)) {
			return fmt.Errorf("extent %+v ends beyond %d", e, len(content))
		}
		if e.Zero && at > shift && canonical(content[max(e.Off-shift, 0):at-shift]) != hole {
			return fmt.Errorf("extent %+v is not zero", e)
		}
	}
	if at != shift+int64(len(content)) {
		return fmt.Errorf("extents end at %d of %d", at, len(content))
	}
	return nil
}
