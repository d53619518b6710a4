package blockstore

import (
	"container/list"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// cache keeps decoded blocks, frames of blocks, and nodes, up to a number of
// bytes. It is divided into shards. Each evicts in the order of arrival, but an
// entry that was used since it arrived goes to the end of the queue instead
// (CLOCK), so that a scan does not drive out what is in use. Whoever misses
// first fills; the rest wait.
type cache struct {
	shards       []shard
	hits, misses atomic.Int64
}

type cacheKey struct {
	ref
	frame int // -1: the whole
}

type shard struct {
	mu      sync.Mutex
	entries map[cacheKey]*cached
	queue   *list.List // of *cached, filled
	bytes   int64
	max     int64
}

type cached struct {
	key   cacheKey
	ready chan struct{} // closed when data and err are valid
	data  []byte        // never changed
	err   error
	used  bool // guarded by shard.mu
}

// shardBytes is the least that makes a shard worth having.
const shardBytes = 8 << 20

func newCache(bytes int64) *cache {
	n := min(max(bytes/shardBytes, 1), 16)
	c := &cache{shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i] = shard{entries: make(map[cacheKey]*cached), queue: list.New(), max: bytes / n}
	}
	return c
}

func (c *cache) shard(k cacheKey) *shard {
	h := binary.LittleEndian.Uint32(k.id[:]) + uint32(k.frame+1)
	return &c.shards[h%uint32(len(c.shards))]
}

// get returns what is in the cache under k, or fills it. The fill goes on when
// a waiting caller's ctx ends. The caller does not change the result.
func (c *cache) get(ctx context.Context, k cacheKey, fill func() ([]byte, error)) ([]byte, error) {
	s := c.shard(k)
	s.mu.Lock()
	if e := s.entries[k]; e != nil {
		e.used = true
		s.mu.Unlock()
		c.hits.Add(1)
		select {
		case <-e.ready:
			return e.data, e.err
		default:
		}
		select {
		case <-e.ready:
			return e.data, e.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	e := &cached{key: k, ready: make(chan struct{})}
	s.entries[k] = e
	s.mu.Unlock()
	c.misses.Add(1)

	if e.data, e.err = fill(); e.err != nil {
		e.data = nil
	}
	close(e.ready)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.err != nil || int64(len(e.data)) > s.max {
		delete(s.entries, k)
	} else {
		s.insert(e)
	}
	return e.data, e.err
}

// peek returns what is in the cache under k, or nil.
func (c *cache) peek(k cacheKey) []byte {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return nil
	}
	select {
	case <-e.ready:
		e.used = true
		return e.data // nil if the fill has failed
	default:
		return nil
	}
}

// insert makes room for a filled entry, and puts it in the queue.
func (s *shard) insert(e *cached) {
	size := int64(len(e.data))
	for s.bytes+size > s.max {
		front := s.queue.Front() // there is one: bytes is not zero
		old := front.Value.(*cached)
		if old.used {
			old.used = false
			s.queue.MoveToBack(front)
			continue
		}
		s.queue.Remove(front)
		delete(s.entries, old.key)
		s.bytes -= int64(len(old.data))
	}
	s.queue.PushBack(e)
	s.bytes += size
}

func (c *cache) stats() (hits, misses, bytes int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		bytes += s.bytes
		s.mu.Unlock()
	}
	return c.hits.Load(), c.misses.Load(), bytes
}
