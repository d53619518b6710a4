package durabletest

import "math/rand/v2"

// PageSize is the unit in which file data becomes durable.
const PageSize = 4096

// maxVersions bounds how many unsynced versions of one page or size are
// remembered as possible outcomes of a crash.
const maxVersions = 4

// contents is the data of a file. Pages are never changed in place, and nil is
// a page of zeros.
type contents struct {
	pages map[int64]*page
	size  versions[int64]
}

type page = versions[[]byte]

// versions is a value with its history since it was last durable.
type versions[T any] struct {
	durable T
	newer   []T // oldest first
	cur     T
}

func (v *versions[T]) set(x T) {
	v.cur = x
	if len(v.newer) == maxVersions {
		v.newer = append(v.newer[:0], v.newer[1:]...)
	}
	v.newer = append(v.newer, x)
}

func (v *versions[T]) sync() {
	if len(v.newer) > 0 {
		v.durable, v.newer = v.cur, nil
	}
}

// lose is a failed sync: the value can still be read, but is no longer dirty,
// so no later sync writes it.
func (v *versions[T]) lose() { v.newer = nil }

// survive picks what a crash leaves.
func (v *versions[T]) survive(rng *rand.Rand, keep float64) T {
	if len(v.newer) == 0 || rng.Float64() >= keep {
		return v.durable
	}
	return v.newer[rng.IntN(len(v.newer))]
}

func newContents() *contents { return &contents{pages: make(map[int64]*page)} }

// page returns the bytes of page i, nil for zeros.
func (c *contents) page(i int64) []byte {
	if p := c.pages[i]; p != nil {
		return p.cur
	}
	return nil
}

func (c *contents) setPage(i int64, data []byte) {
	p := c.pages[i]
	if p == nil {
		p = new(page)
		c.pages[i] = p
	}
	p.set(data)
}

func (c *contents) readAt(p []byte, off int64) {
	for n := 0; n < len(p); {
		i, in := (off+int64(n))/PageSize, (off+int64(n))%PageSize
		k := min(len(p)-n, int(PageSize-in))
		if data := c.page(i); data != nil {
			copy(p[n:n+k], data[in:])
		} else {
			clear(p[n : n+k])
		}
		n += k
	}
}

func (c *contents) writeAt(p []byte, off int64) {
	for n := 0; n < len(p); {
		i, in := (off+int64(n))/PageSize, (off+int64(n))%PageSize
		fresh := make([]byte, PageSize)
		copy(fresh, c.page(i))
		k := copy(fresh[in:], p[n:])
		c.setPage(i, fresh)
		n += k
	}
	if end := off + int64(len(p)); end > c.size.cur {
		c.size.set(end)
	}
}

// zero makes a range read as zeros, by page.
func (c *contents) zero(off, end int64) {
	for i, p := range c.pages {
		start := i * PageSize
		from, to := max(off, start), min(end, start+PageSize)
		if from >= to || p.cur == nil {
			continue
		}
		if from == start && to == start+PageSize {
			p.set(nil)
			continue
		}
		fresh := make([]byte, PageSize)
		copy(fresh, p.cur)
		clear(fresh[from-start : to-start])
		p.set(fresh)
	}
}

func (c *contents) truncate(size int64) {
	if size < c.size.cur {
		c.zero(size, c.size.cur)
	}
	if size != c.size.cur {
		c.size.set(size)
	}
}

func (c *contents) sync() {
	for i, p := range c.pages {
		p.sync()
		if p.cur == nil && p.durable == nil {
			delete(c.pages, i)
		}
	}
	c.size.sync()
}

// lose is a failed sync: each dirty page reached the disk or is lost for good.
func (c *contents) lose(rng *rand.Rand) {
	for _, i := range sortedKeys(c.pages) {
		p := c.pages[i]
		if rng.IntN(2) == 0 {
			p.sync()
		}
		p.lose()
	}
	if rng.IntN(2) == 0 {
		c.size.sync()
	}
	c.size.lose()
}

// crash returns what a crash may leave of the file.
func (c *contents) crash(rng *rand.Rand, keep float64) *contents {
	after := newContents()
	size := c.size.survive(rng, keep)
	after.size.durable, after.size.cur = size, size
	for _, i := range sortedKeys(c.pages) {
		data := c.pages[i].survive(rng, keep)
		if data == nil || i*PageSize >= size {
			continue
		}
		if end := size - i*PageSize; end < PageSize {
			// The system does not show what lies beyond the end.
			data = append(make([]byte, 0, PageSize), data[:end]...)[:PageSize]
		}
		after.pages[i] = &page{durable: data, cur: data}
	}
	return after
}
