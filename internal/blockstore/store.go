package blockstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"origami/internal/objstore"
)

// Config is what Open needs. Bucket and Index are required; the rest has
// defaults.
type Config struct {
	Bucket objstore.Bucket
	Index  Index

	// Codec compresses new blocks.
	Codec Codec

	// Keys has the keys of encrypted domains. Without it there are none.
	Keys Keys

	// SubFrames stores new blocks as four frames of 128 KiB, so that small
	// reads fetch and decode a quarter, and fills the cache by the quarter.
	// Such reads check only the CRC: the identity covers the whole block.
	SubFrames bool

	// PackSize is where a pack is closed: 64 MiB if zero, at most 1 GiB.
	PackSize int64

	// CacheBytes bounds the decoded blocks and nodes in memory: 32 MiB if
	// zero.
	CacheBytes int64

	// Logger is told about packs that the index does not know, and about
	// damage. Nobody is if it is nil.
	Logger *slog.Logger
}

const (
	defaultPackSize = 64 << 20
	maxConfigPack   = 1 << 30
	defaultCache    = 32 << 20
)

// Store is a block store. Its methods may be called concurrently.
type Store struct {
	bucket   objstore.Bucket
	index    Index
	keys     Keys
	log      *slog.Logger
	codec    Codec
	frames   int // of new blocks, and the unit of the cache
	packSize int64

	comp    *compressor
	buffers bufferPool
	cache   *cache
	leaves  leafCache
	lookups lookups
	ciphers ciphers

	ctx     context.Context // ends at Close
	stop    context.CancelFunc
	sealing chan struct{} // bounds the packs being sealed

	bgMu   sync.Mutex
	bg     sync.WaitGroup // background work
	closed bool           // Close waits for bg, or has

	mu      sync.Mutex
	packs   map[slot]*pack // that records are appended to
	writers map[tag]int    // under way

	claimMu sync.Mutex
	claims  map[ref]*claim // what is on its way into the index

	stats counters
}

type counters struct {
	packs, storedBytes     atomic.Int64
	garbage                atomic.Int64
	nodeReads, blockReads  atomic.Int64
	bytesRead, bytesStored atomic.Int64
}

// Open returns the store in a bucket. Packs that the index does not know are
// left alone: they are what a crash before their commit has left.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Bucket == nil || cfg.Index == nil {
		return nil, errors.New("open block store: no bucket or no index")
	}
	if cfg.PackSize < 0 || cfg.PackSize > maxConfigPack || cfg.CacheBytes < 0 || cfg.Codec < CodecZstd || cfg.Codec > CodecRaw {
		return nil, fmt.Errorf("open block store: invalid configuration: pack size %d, cache %d, codec %v", cfg.PackSize, cfg.CacheBytes, cfg.Codec)
	}
	comp, err := newCompressor()
	if err != nil {
		return nil, fmt.Errorf("open block store: %w", err)
	}
	s := &Store{
		bucket: cfg.Bucket, index: cfg.Index, keys: cfg.Keys, log: cfg.Logger, codec: cfg.Codec,
		frames: 1, packSize: cfg.PackSize, comp: comp,
		buffers: make(bufferPool, 2*runtime.GOMAXPROCS(0)),
		sealing: make(chan struct{}, 2),
		packs:   make(map[slot]*pack), claims: make(map[ref]*claim), writers: make(map[tag]int),
	}
	if cfg.SubFrames {
		s.frames = maxFrames
	}
	if s.packSize == 0 {
		s.packSize = defaultPackSize
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	s.cache = newCache(cfg.CacheBytes)
	s.leaves.init()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.lookups.init(s)
	s.ciphers.init()
	if err := s.census(ctx); err != nil {
		s.stop()
		comp.close()
		return nil, fmt.Errorf("open block store: %w", err)
	}
	return s, nil
}

// census compares the packs of the index with those in the bucket.
func (s *Store) census(ctx context.Context) error {
	known := make(map[PackID]bool)
	var stored int64
	for p, err := range s.index.Packs(ctx) {
		if err != nil {
			return fmt.Errorf("list packs of the index: %w", err)
		}
		known[p.ID] = true
		stored += p.Size
	}
	s.stats.packs.Store(int64(len(known)))
	s.stats.storedBytes.Store(stored)
	s.stats.garbage.Store(0)
	for id, err := range s.listPacks(ctx) {
		if err != nil {
			return err
		}
		if !known[id] {
			s.stats.garbage.Add(1)
			s.log.Info("pack without index rows", "pack", id.String())
		}
		delete(known, id)
	}
	for id := range known {
		s.log.Error("pack is missing from the bucket", "pack", id.String())
	}
	return nil
}

// listPacks yields the packs in the bucket. Other names there are not ours.
func (s *Store) listPacks(ctx context.Context) func(yield func(PackID, error) bool) {
	return func(yield func(PackID, error) bool) {
		for name, err := range s.bucket.List(ctx, packPrefix) {
			if err != nil {
				yield(PackID{}, fmt.Errorf("list packs: %w", err))
				return
			}
			var id PackID
			digits := strings.TrimPrefix(name, packPrefix)
			if n, err := hex.Decode(id[:], []byte(digits)); err != nil || n != len(id) || len(digits) != 2*len(id) {
				continue
			}
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Close ends the store. What writers have not committed is discarded. Reads
// and writes under way fail.
func (s *Store) Close() error {
	s.mu.Lock()
	s.stop()
	for _, p := range s.packs {
		p.fail(ErrClosed)
	}
	clear(s.packs)
	s.mu.Unlock()

	s.bgMu.Lock()
	closed := s.closed
	s.closed = true
	s.bgMu.Unlock()
	if closed {
		return ErrClosed
	}
	s.bg.Wait()
	s.comp.close()
	return nil
}

// spawn runs f in the background. Close waits for it; what begins later finds
// the context ended and does not last.
func (s *Store) spawn(f func()) {
	s.bgMu.Lock()
	defer s.bgMu.Unlock()
	if s.closed {
		go f()
		return
	}
	s.bg.Go(f)
}

// closedErr is err, or ErrClosed if the store was closed meanwhile.
func (s *Store) closedErr(err error) error {
	if err != nil && s.ctx.Err() != nil {
		return fmt.Errorf("block store: %w", ErrClosed)
	}
	return err
}

// Stats are totals of a Store. Counts of work begin at Open.
type Stats struct {
	Packs       int64 // that the index knows
	StoredBytes int64 // in them
	Garbage     int64 // packs that the index did not know at Open

	BytesStored int64 // of new records
	BytesRead   int64 // from the bucket, to read blocks and nodes
	BlocksRead  int64 // whole blocks or frames, from the bucket
	NodeReads   int64 // nodes visited, from the bucket or the cache

	CacheHits, CacheMisses int64
	CacheBytes             int64 // in the cache now
}

// Stats returns the totals of now.
func (s *Store) Stats() Stats {
	hits, misses, bytes := s.cache.stats()
	return Stats{
		Packs:       s.stats.packs.Load(),
		StoredBytes: s.stats.storedBytes.Load(),
		Garbage:     s.stats.garbage.Load(),
		BytesStored: s.stats.bytesStored.Load(),
		BytesRead:   s.stats.bytesRead.Load(),
		BlocksRead:  s.stats.blockReads.Load(),
		NodeReads:   s.stats.nodeReads.Load(),
		CacheHits:   hits, CacheMisses: misses, CacheBytes: bytes,
	}
}

// bufferPool keeps a few buffers of maxRecord bytes. Unlike a sync.Pool it
// does not lose them to the garbage collector, nor hold more than it was made
// for.
type bufferPool chan []byte

func (p bufferPool) get() []byte {
	select {
	case b := <-p:
		return b
	default:
		return make([]byte, maxRecord+bufferSlack)
	}
}

func (p bufferPool) put(b []byte) {
	if cap(b) < maxRecord+bufferSlack {
		return
	}
	select {
	case p <- b[:maxRecord+bufferSlack]:
	default:
	}
}

// bufferSlack is room for what compressors write beyond the plain length
// before the record becomes raw.
const bufferSlack = 128 << 10
