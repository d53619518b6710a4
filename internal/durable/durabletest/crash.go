package durabletest

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
)

// Crash returns the file system as it may be found after the power failed at
// this moment. What survived of everything not durable is chosen by seed: one
// state of the file system and one seed always give the same result. c itself
// goes on undisturbed, and files open on it stay with it. The result has no
// faults set.
func (c *CrashFS) Crash(seed uint64) *CrashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	rng := rand.New(rand.NewPCG(seed, 0x6f726967616d69))
	// The extremes, all lost and all kept, deserve more than their chance.
	keep := []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]

	names := make(map[*node]map[string]*node)
	collect(c.root, names)
	for _, ch := range c.pending {
		if rng.Float64() >= keep {
			continue
		}
		for _, e := range ch {
			if names[e.dir] == nil {
				collect(e.dir, names)
			}
			apply(names[e.dir], e)
			if e.to != nil && e.to.isDir() && names[e.to] == nil {
				collect(e.to, names)
			}
		}
	}
	after := New()
	after.root = rebuild(c.root, names, make(map[*node]*node), rng, keep)
	return after
}

// collect copies the durable names of every directory reachable from n.
func collect(n *node, names map[*node]map[string]*node) {
	names[n] = maps.Clone(n.durableNames)
	for _, child := range n.durableNames {
		if child.isDir() && names[child] == nil {
			collect(child, names)
		}
	}
}

// rebuild makes the tree that survived. Two names of one file stay two names
// of one file.
func rebuild(n *node, names map[*node]map[string]*node, made map[*node]*node, rng *rand.Rand, keep float64) *node {
	if m := made[n]; m != nil {
		return m
	}
	if !n.isDir() {
		m := &node{data: n.data.crash(rng, keep)}
		made[n] = m
		return m
	}
	m := newDir()
	made[n] = m
	for _, name := range sortedKeys(names[n]) {
		child := rebuild(names[n][name], names, made, rng, keep)
		m.names[name], m.durableNames[name] = child, child
	}
	return m
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
