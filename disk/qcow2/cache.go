package qcow2

import (
	"container/list"
	"sync"
)

// cache holds blocks of the file, or made from it, by number. What it holds is
// bounded by the number of blocks; those not used for longest leave first. A
// block that several goroutines ask for at once is loaded once.
type cache struct {
	capacity int

	mu     sync.Mutex              // guards what follows
	blocks map[int64]*list.Element // of *block
	recent list.List               // the most recently used in front
}

// block is loaded by the first goroutine that asks for it. The others wait for
// that in load.
type block struct {
	key  int64
	load sync.Once
	data []byte // not changed after load
	err  error
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, blocks: make(map[int64]*list.Element)}
}

// get returns the block with the given key, and calls load to make it if it is
// not there. The caller must not change it. Errors are not remembered.
func (c *cache) get(key int64, load func() ([]byte, error)) ([]byte, error) {
	b := c.block(key)
	b.load.Do(func() { b.data, b.err = load() })
	if b.err != nil {
		c.drop(b)
	}
	return b.data, b.err
}

// block returns the block with the given key, which may not be loaded yet.
func (c *cache) block(key int64) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.blocks[key]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(*block)
	}
	for len(c.blocks) >= c.capacity {
		oldest := c.recent.Back()
		c.recent.Remove(oldest)
		delete(c.blocks, oldest.Value.(*block).key)
	}
	b := &block{key: key}
	c.blocks[key] = c.recent.PushFront(b)
	return b
}

func (c *cache) drop(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.blocks[b.key]; ok && e.Value.(*block) == b {
		c.recent.Remove(e)
		delete(c.blocks, b.key)
	}
}
