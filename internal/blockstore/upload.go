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
// [Upload.Commit] moves them into the store. Its methods may be called
// concurrently.
type Upload struct {
	s    *Store
	f    durable.File
	id   uploadID
	size int64

	mu      sync.Mutex // guards the following
	flushed sync.Cond  // on mu: syncing has ended
	at      map[int64]int64
	last    time.Time
	written int64 // end of the log
	synced  int64 // end of what is durable
	syncing bool
	err     error // of a sync, or ErrClosed
}

// CreateUpload begins an upload of a disk of the given size in bytes, in a new
// file that is durable when it returns.
func (s *Store) CreateUpload(fsys durable.FS, name string, size int64) error {
	if size < 0 || size > disk.MaxSize {
		return fmt.Errorf("begin upload of %d bytes: size out of range", size)
	}
	if f, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.Join(fs.ErrExist, f.Close())
		}
		return fmt.Errorf("begin upload: %w", err)
	}
	var id uploadID
	rand.Read(id[:])
	if err := durable.WriteFile(fsys, name, encodeUploadHeader(id, size)); err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	return nil
}

// OpenUpload goes on with an upload. All blocks whose Put has returned are
// there. A log that has lost one of them is not opened: the error is
// [ErrCorrupt].
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
	head := make([]byte, uploadHeader)
	if err := readFull(u.f, head, 0); err != nil {
		return err
	}
	if u.id, u.size, err = parseUploadHeader(head); err != nil {
		return err
	}
	found, err := scanUpload(u.f, size, u.id, blocks(u.size))
	if err != nil {
		return err
	}
	u.at, u.last = found.blocks, found.last
	u.written = (found.end + entryAlign - 1) &^ (entryAlign - 1)
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
func (u *Upload) Size() int64 { return u.size }

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
	if n < 0 || n >= blocks(u.size) || len(block) != BlockSize {
		return fmt.Errorf("put block %d of %d bytes: out of range", n, len(block))
	}
	buf := u.s.buffers.get()
	defer func() { u.s.buffers.put(buf) }()
	e := uploadEntry{block: n, time: now, digest: digest}
	entry := buf[:entryHead]
	if !disk.IsZero(block) {
		record := u.s.comp.appendRecord(buf[entryHead:entryHead], kindBlock, digest, block, u.s.codec.packed(), u.s.frames)
		e.length, e.crc = len(record), crc32.Checksum(record, castagnoli)
		entry = append(entry, record...) // which is there already, unless a codec wanted more room
	}
	end, err := u.append(e, entry)
	if err == nil {
		err = u.sync(end)
	}
	if err != nil {
		return fmt.Errorf("put block %d: %w", n, err)
	}
	return nil
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
	e.synced = u.synced
	e.put(entry, u.id, off)
	if _, err := u.f.WriteAt(entry, off); err != nil {
		return 0, err
	}
	durable.StartWriteback(u.f, off, int64(len(entry)))
	u.at[e.block], u.last, u.written = off, e.time, e.end(off)
	return u.written, nil
}

// entry reads the head of an entry that is there. The caller holds mu.
func (u *Upload) entry(off int64) (uploadEntry, error) {
	var b [entryHead]byte
	if err := readFull(u.f, b[:], off); err != nil {
		return uploadEntry{}, err
	}
	e, ok := parseUploadEntry(b[:], u.id, off, blocks(u.size))
	if !ok {
		return e, malformed("upload log entry at %d", off)
	}
	return e, nil
}

// sync returns when the log is durable up to end. Who finds nobody syncing does
// it for all.
func (u *Upload) sync(end int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.synced < end {
		switch {
		case u.err != nil:
			return u.err
		case u.syncing:
			u.flushed.Wait()
			continue
		}
		u.syncing = true
		upto := u.written
		u.mu.Unlock()
		err := u.f.Sync()
		u.mu.Lock()
		u.syncing = false
		if err != nil {
			u.err = fmt.Errorf("the upload cannot be synced: %w", err)
		} else {
			u.synced = upto
		}
		u.flushed.Broadcast()
	}
	return nil
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
		u.mu.Lock()
		e, err := u.entry(u.at[n])
		u.mu.Unlock()
		if err != nil {
			return sum, fmt.Errorf("sum of the upload: %w", err)
		}
		h.Write(e.digest[:])
	}
	h.Sum(sum[:0])
	return sum, nil
}

// numbers are those of the blocks that were put.
func (u *Upload) numbers() []int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.at))
}

// Commit stores the disk that starts as base, which is not larger, and has the
// blocks that were put. It may be repeated. No block may be put meanwhile.
// progress is told how many blocks are done.
func (u *Upload) Commit(ctx context.Context, base Root, progress func(done, total int64)) (Root, error) {
	w, err := u.s.NewWriter(u.size, base)
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
			e, err := u.load(n, &buf, &batch[k])
			if err != nil {
				return err
			}
			batch[k].n = n
			if e.length > 0 {
				batch[k].id = w.s.identity(e.digest)
			}
		}
		if err := w.putRecords(batch); err != nil {
			return err
		}
		progress(int64(i+len(some)), int64(len(numbers)))
	}
	return nil
}

// load reads the record of block n behind what is in buf, and checks it.
func (u *Upload) load(n int64, buf *[]byte, r *blockRecord) (uploadEntry, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	off := u.at[n]
	e, err := u.entry(off)
	if err != nil || e.length == 0 {
		return e, err
	}
	start := len(*buf)
	*buf = slices.Grow(*buf, e.length)[:start+e.length]
	r.record = (*buf)[start:]
	if err := readFull(u.f, r.record, off+entryHead); err != nil {
		return e, err
	}
	if crc32.Checksum(r.record, castagnoli) != e.crc {
		return e, malformed("record of block %d in the upload log fails its checksum", n)
	}
	h, err := parseHead(r.record)
	if err == nil {
		err = h.checkFrames(r.record)
	}
	if err != nil || h.frames == u.s.frames {
		return e, err
	}
	// It was put while records were divided otherwise.
	r.plain = make([]byte, BlockSize)
	return e, u.s.comp.decodeRecord(r.plain, &h, r.record)
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
