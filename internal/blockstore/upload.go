package blockstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"origami/disk"
	"origami/internal/durable"
)

// Upload is a disk that is written block by block, by a client that wants each
// block to be durable when it is told so. The blocks lie in a file until
// [Upload.Commit] moves them into the store; for a disk in a [Domain] with a
// name they are encrypted there, too. Its methods may be called concurrently.
type Upload struct {
	s   *Store
	f   durable.File
	log uploadLog

	keyMu  sync.Mutex
	cipher *uploadCipher // once it was needed; by keyMu

	mu       sync.Mutex // guards the following
	at       map[int64]int64
	last     time.Time
	written  int64 // end of the log
	synced   int64 // end of what is durable
	reserved int64 // end of the space that is asked for
	err      error // of a sync, or ErrClosed

	syncing  bool
	flushed  sync.Cond     // on mu: syncing has ended
	unsynced int           // entries written since the last sync began
	company  int           // entries of the last sync, and those that came while it ran
	expected int           // entries that a sync gathers
	gathered chan struct{} // closed when they are there
}

// CreateUpload begins an upload of a disk of the given size in bytes that is to
// be in a domain, in a new file that is durable when it returns.
func (s *Store) CreateUpload(ctx context.Context, fsys durable.FS, name string, size int64, d Domain) error {
	if size < 0 || size > disk.MaxSize || len(d) > maxDomain {
		return fmt.Errorf("begin upload of %d bytes, domain of %d: out of range", size, len(d))
	}
	r, err := s.realm(ctx, d)
	if err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	if f, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.Join(fs.ErrExist, f.Close())
		}
		return fmt.Errorf("begin upload: %w", err)
	}
	log := uploadLog{size: size, domain: d, tag: r.tag}
	rand.Read(log.id[:])
	if err := durable.WriteFile(fsys, name, log.encode()); err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	return nil
}

// OpenUpload goes on with an upload. All blocks whose Put has returned are
// there. A log that has lost one of them is not opened: the error is
// [ErrCorrupt]. The key of the domain is asked for when it is first needed; what
// needs it fails with a [KeyError] until it can be had.
func (s *Store) OpenUpload(fsys durable.FS, name string) (*Upload, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u := &Upload{s: s, f: f}
	u.flushed.L = &u.mu
	if err := u.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open upload: %w", err), f.Close())
	}
	return u, nil
}

// recover finds out what the log holds, and cuts off what it does not.
func (u *Upload) recover() error {
	size, err := u.f.Size()
	if err != nil {
		return err
	}
	head := make([]byte, max(uploadHeader, min(maxUploadHeader, size)))
	if err := readFull(u.f, head, 0); err != nil {
		return err
	}
	if u.log, err = parseUploadHeader(head); err != nil {
		return err
	}
	found, err := u.log.scan(u.f, size)
	if err != nil {
		return err
	}
	u.at, u.last, u.written = found.blocks, found.last, align(found.end)
	if size != u.written {
		if err := u.f.Truncate(u.written); err != nil {
			return err
		}
	}
	// What an earlier process wrote and did not sync counts now, too.
	if err := u.f.Sync(); err != nil {
		return err
	}
	u.synced = u.written
	return nil
}

// Size is the size of the disk in bytes.
func (u *Upload) Size() int64 { return u.log.size }

// Domain is the domain that the disk will be in.
func (u *Upload) Domain() Domain { return u.log.domain }

// Blocks is how many different blocks were put.
func (u *Upload) Blocks() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return int64(len(u.at))
}

// Last is when the last block was put; zero if none was.
func (u *Upload) Last() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}

// Put stores block n, in place of what was put there before, as of the given
// time. digest is the SHA-256 of the block, which the caller has computed:
// nobody else compares it. When Put returns nil the block is durable.
func (u *Upload) Put(n int64, digest [32]byte, block []byte, now time.Time) error {
	if n < 0 || n >= blocks(u.log.size) || len(block) != BlockSize {
		return fmt.Errorf("put block %d of %d bytes: out of range", n, len(block))
	}
	buf := entries.Get().(*[]byte)
	defer entries.Put(buf)
	e := uploadEntry{block: n, time: now, digest: digest}
	entry, err := u.encode(*buf, &e, block)
	if err == nil {
		var end int64
		if end, err = u.append(e, entry); err == nil {
			err = u.sync(end)
		}
	}
	if err != nil {
		return fmt.Errorf("put block %d: %w", n, err)
	}
	return nil
}

// entries are buffers for entries. They are large, and as many are needed as
// clients put at once.
var entries = sync.Pool{New: func() any {
	return new(make([]byte, maxRecord+bufferSlack))
}}

// encode makes an entry in buf, without its head: room for that is in front of
// the body.
func (u *Upload) encode(buf []byte, e *uploadEntry, block []byte) (entry []byte, err error) {
	c, err := u.key()
	if err != nil {
		return nil, err
	}
	digest, at := e.digest, entryHead
	if c != nil {
		e.digest, at = c.realm.identity(digest), entryHead+sealedHead
	}
	if digest == zeroSum {
		return buf[:entryHead], nil
	}
	record := u.s.comp.appendRecord(buf[at:at], kindBlock, digest, block, u.s.codec.packed(), u.s.frames)
	if entry = buf[:at+len(record)]; &entry[at] != &record[0] { // a codec wanted more room
		entry = append(buf[:at], record...)
	}
	if c != nil {
		if entry, err = c.seal(entry, entryHead, e.block, digest); err != nil {
			return nil, err
		}
	}
	e.length, e.crc = len(entry)-entryHead, crc32.Checksum(entry[entryHead:], castagnoli)
	return entry, nil
}

// append writes an entry, unless the block holds that already, and returns up
// to where the log must be durable.
func (u *Upload) append(e uploadEntry, entry []byte) (end int64, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return 0, u.err
	}
	if off, ok := u.at[e.block]; ok {
		had, err := u.entry(off)
		if err != nil {
			return 0, err
		}
		if had.digest == e.digest {
			u.last = e.time
			return had.end(off), nil
		}
	}
	off := u.written
	u.reserve(off + int64(len(entry)))
	e.synced = u.synced
	e.put(entry, u.log.id, off)
	if _, err := u.f.WriteAt(entry, off); err != nil {
		return 0, err
	}
	u.at[e.block], u.last, u.written = off, e.time, e.end(off)
	u.count()
	return u.written, nil
}

// entry reads the head of an entry that is there. The caller holds mu.
func (u *Upload) entry(off int64) (uploadEntry, error) {
	var b [entryHead]byte
	if err := readFull(u.f, b[:], off); err != nil {
		return uploadEntry{}, err
	}
	e, ok := u.log.parseEntry(b[:], off)
	if !ok {
		return e, malformed("upload log entry at %d", off)
	}
	return e, nil
}

// Close ends the use of the log, which stays.
func (u *Upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.syncing {
		u.flushed.Wait()
	}
	if errors.Is(u.err, ErrClosed) {
		return ErrClosed
	}
	u.err = ErrClosed
	u.flushed.Broadcast()
	return u.f.Close()
}

// Broken is the error of a failed sync, after which the upload cannot go on,
// here or after it is opened again; nil if there was none.
func (u *Upload) Broken() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors.Is(u.err, ErrClosed) {
		return nil
	}
	return u.err
}

// Sum is the SHA-256 of the SHA-256s of all blocks that were put, in ascending
// order of their numbers.
func (u *Upload) Sum(ctx context.Context) (sum [32]byte, err error) {
	h := sha256.New()
	for _, n := range u.numbers() {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		digest, err := u.digest(n)
		if err != nil {
			return sum, fmt.Errorf("sum of the upload: %w", err)
		}
		h.Write(digest[:])
	}
	h.Sum(sum[:0])
	return sum, nil
}

// digest is the SHA-256 of block n, which was put.
func (u *Upload) digest(n int64) (digest [32]byte, err error) {
	c, err := u.key()
	if err != nil {
		return digest, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	off := u.at[n]
	e, err := u.entry(off)
	switch {
	case err != nil || c == nil:
		return e.digest, err
	case e.length == 0:
		return zeroSum, nil
	}
	var head [sealedHead]byte
	if err := readFull(u.f, head[:], off+entryHead); err != nil {
		return digest, err
	}
	return c.openDigest(head[:], n)
}

// numbers are those of the blocks that were put.
func (u *Upload) numbers() []int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.at))
}

// Commit stores the disk that starts as base, which is not larger and in the
// domain of the upload, or is the zero Root, and has the blocks that were put. It
// may be repeated. No block may be put meanwhile. progress is told how many
// blocks are done.
func (u *Upload) Commit(ctx context.Context, base Root, progress func(done, total int64)) (Root, error) {
	if base == (Root{}) {
		base.Domain = u.log.domain
	}
	if base.Domain != u.log.domain {
		return Root{}, errors.New("commit upload: the base is in another domain")
	}
	w, err := u.s.NewWriter(u.log.size, base)
	if err != nil {
		return Root{}, fmt.Errorf("commit upload: %w", err)
	}
	err = u.copyTo(ctx, w, progress)
	if err == nil {
		err = w.Commit(ctx)
	}
	if err != nil {
		return Root{}, errors.Join(fmt.Errorf("commit upload: %w", err), w.Abort())
	}
	return w.Root(), nil
}

// copyTo copies the records of the log.
func (u *Upload) copyTo(ctx context.Context, w *Writer, progress func(done, total int64)) error {
	numbers := u.numbers()
	buf := make([]byte, 0, batchBlocks*(BlockSize/2))
	for i := 0; i < len(numbers); i += batchBlocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := numbers[i:min(i+batchBlocks, len(numbers))]
		batch := make([]blockRecord, len(some))
		buf = buf[:0]
		for k, n := range some {
			digest, err := u.load(n, &buf, &batch[k])
			if err != nil {
				return err
			}
			batch[k].n = n
			if batch[k].record != nil {
				batch[k].id = w.s.identity(digest)
			}
		}
		if err := w.putRecords(batch); err != nil {
			return err
		}
		progress(int64(i+len(some)), int64(len(numbers)))
	}
	return nil
}

// load reads the record of block n, if it is not zero, behind what is in buf,
// checks it, and returns the SHA-256 of the block.
func (u *Upload) load(n int64, buf *[]byte, r *blockRecord) (digest [32]byte, err error) {
	c, err := u.key()
	if err != nil {
		return digest, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	off := u.at[n]
	e, err := u.entry(off)
	if err != nil || e.length == 0 {
		return e.digest, err
	}
	start := len(*buf)
	*buf = slices.Grow(*buf, e.length)[:start+e.length]
	body := (*buf)[start:]
	if err := readFull(u.f, body, off+entryHead); err != nil {
		return digest, err
	}
	if crc32.Checksum(body, castagnoli) != e.crc {
		return digest, malformed("record of block %d in the upload log fails its checksum", n)
	}
	digest, r.record = e.digest, body
	if c != nil {
		if digest, r.record, err = c.open(body, n); err != nil {
			return digest, err
		}
	}
	h, err := parseHead(r.record)
	if err == nil {
		err = h.checkFrames(r.record)
	}
	if err != nil || h.frames == u.s.frames {
		return digest, err
	}
	// It was put while records were divided otherwise.
	r.plain = make([]byte, BlockSize)
	return digest, u.s.comp.decodeRecord(r.plain, &h, r.record)
}

// blockRecord is a block that is compressed already.
type blockRecord struct {
	n      int64
	id     ID // zero for zeros
	record []byte
	plain  []byte // if the record cannot be stored as it is
}

// putRecords writes whole blocks.
func (w *Writer) putRecords(batch []blockRecord) error {
	items := make([]item, 0, len(batch))
	for _, r := range batch {
		if err := w.begin(r.n*BlockSize, min(BlockSize, w.size-r.n*BlockSize)); err != nil {
			return err
		}
		if !r.id.IsZero() {
			items = append(items, item{id: r.id, plain: r.plain, record: r.record})
		}
	}
	out, err := w.s.put(w.s.ctx, kindBlock, items)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.depend(out)
	if err != nil {
		return err
	}
	w.stats.NewBlocks += int64(out.fresh)
	w.stats.StoredBytes += out.bytes
	for _, r := range batch {
		if r.id.IsZero() {
			w.stats.ZeroBlocks++
		} else {
			w.stats.Blocks++
		}
		if err := w.leaves.set(r.n, r.id); err != nil {
			return err
		}
	}
	return nil
}
