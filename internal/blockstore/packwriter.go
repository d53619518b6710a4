package blockstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"origami/internal/objstore"
)

// pack is a pack being written. It is open while records are appended, then
// sealed, and in the end done: durable and in the index, or failed for good.
type pack struct {
	s      realm
	info   Pack
	cipher *packCipher   // nil in the unencrypted domain
	seq    atomic.Uint32 // of the last record that was sealed
	done   chan struct{} // closed when it is settled

	mu      sync.Mutex
	w       objstore.ObjectWriter // nil unless open
	header  []byte
	off     int64
	entries []Entry
	claims  []*claim

	failed atomic.Bool // set before anybody is told
	err    error       // valid once done is closed
}

// errSealed says that a pack was closed to records before this one came.
var errSealed = errors.New("pack is sealed")

// newPack begins a pack in the bucket.
func (s realm) newPack(class Class) (*pack, error) {
	p := &pack{s: s, done: make(chan struct{})}
	p.info = Pack{Class: class, Domain: s.domain, Created: time.Unix(0, time.Now().UnixNano()).UTC()}
	rand.Read(p.info.ID[:])
	if err := p.begin(); err != nil {
		return nil, err
	}
	w, err := s.bucket.Create(s.ctx, p.info.ID.object())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(p.header); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	p.w, p.off = w, int64(len(p.header))
	return p, nil
}

// begin makes the header, and the data key that it holds.
func (p *pack) begin() (err error) {
	var wrapped []byte
	begin := p.info.begin()
	if p.s.encrypted() {
		if p.cipher, wrapped, err = p.s.newDataKey(p.info.ID, begin); err != nil {
			return err
		}
	}
	p.header = endHeader(begin, wrapped)
	return nil
}

// slot is where an open pack is found.
type slot struct {
	class Class
	tag   tag
}

func (p *pack) slot() slot { return slot{p.info.Class, p.s.tag} }

// openPack returns the open pack of a class.
func (s realm) openPack(class Class) (*pack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if p := s.packs[slot{class, s.tag}]; p != nil {
		return p, nil
	}
	p, err := s.newPack(class)
	if err != nil {
		return nil, err
	}
	s.packs[p.slot()] = p
	return p, nil
}

// store appends a record, encrypted if the realm is, to an open pack and makes
// c the claim of that pack. It returns how many bytes it has appended.
func (s realm) store(class Class, c *claim, id ID, clear []byte) (int, error) {
	var sealed []byte
	if s.encrypted() {
		sealed = s.buffers.get()
		defer func() { s.buffers.put(sealed) }()
	}
	for {
		p, err := s.openPack(class)
		if err != nil {
			return 0, fmt.Errorf("begin pack: %w", err)
		}
		record := clear
		if p.cipher != nil {
			// Sealed outside of the lock of the pack. If the pack is closed
			// before the record comes, its sequence number stays unused.
			if sealed, err = p.cipher.seal(sealed, clear, p.seq.Add(1)); err != nil {
				return 0, fmt.Errorf("encrypt block: %w", err)
			}
			record = sealed
		}
		full, err := p.append(c, id, record)
		if err == errSealed {
			continue
		}
		if err != nil {
			s.leave(p)
			return 0, fmt.Errorf("append to pack %v: %w", p.info.ID, err)
		}
		if full {
			p.seal()
		}
		s.stats.bytesStored.Add(int64(len(record)))
		return len(record), nil
	}
}

// append adds a record. An error other than errSealed has failed the pack.
func (p *pack) append(c *claim, id ID, record []byte) (full bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return false, errSealed
	}
	if _, err := p.w.Write(record); err != nil {
		p.failLocked(err)
		return false, err
	}
	p.entries = append(p.entries, Entry{ID: id, Offset: p.off, Length: int32(len(record))})
	p.claims = append(p.claims, c)
	c.pack = p
	p.off += int64(len(record))
	return p.off >= p.s.packSize, nil
}

// leave takes the pack out of the open ones, so that the next record begins a
// new one.
func (s *Store) leave(p *pack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.packs[p.slot()] == p {
		delete(s.packs, p.slot())
	}
}

// fail settles an open pack with an error. The caller takes it out of the
// open ones.
func (p *pack) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		p.failLocked(err)
	}
}

func (p *pack) failLocked(err error) {
	p.failed.Store(true)
	err = errors.Join(err, p.w.Abort())
	p.w = nil
	p.s.spawn(func() { p.settle(err) })
}

// seal begins to make the pack durable, if nobody has yet. It waits while too
// many packs are being sealed.
func (p *pack) seal() {
	p.s.leave(p)
	p.mu.Lock()
	w := p.w
	p.w = nil
	p.mu.Unlock()
	if w == nil {
		return
	}
	p.s.sealing <- struct{}{}
	p.s.spawn(func() {
		defer func() { <-p.s.sealing }()
		p.settle(p.finish(w))
	})
}

// finish makes the pack durable and then known.
func (p *pack) finish(w objstore.ObjectWriter) error {
	foot := footer(p.header, p.entries, p.off)
	if _, err := w.Write(foot); err != nil {
		return errors.Join(fmt.Errorf("end pack %v: %w", p.info.ID, err), w.Abort())
	}
	if err := w.Commit(p.s.ctx); err != nil {
		return fmt.Errorf("commit pack %v: %w", p.info.ID, err)
	}
	p.info.Size, p.info.Records = p.off+int64(len(foot)), len(p.entries)
	if err := p.s.index.Add(p.s.ctx, p.info, p.entries); err != nil {
		return fmt.Errorf("add pack %v to the index: %w", p.info.ID, err)
	}
	p.s.stats.packs.Add(1)
	p.s.stats.storedBytes.Add(p.info.Size)
	return nil
}

// settle ends the pack. Its claims go only now: until the index knows a
// record, the claim does.
func (p *pack) settle(err error) {
	if err != nil && !errors.Is(err, ErrClosed) {
		p.s.log.Error("pack is discarded", "pack", p.info.ID.String(), "err", err)
	}
	p.failed.Store(err != nil)
	p.mu.Lock()
	claims := p.claims
	p.err, p.claims, p.entries = err, nil, nil
	p.mu.Unlock()
	p.s.release(slices.Values(claims))
	close(p.done)
}
