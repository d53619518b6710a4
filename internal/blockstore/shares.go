package blockstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Share is what exactly these disks refer to in common, and no other of those
// that were asked about. Each record counts once, however often a disk refers
// to it.
type Share struct {
	Disks     []int // positions in the list of roots, ascending
	Blocks    int64 // that are not zero
	DataBytes int64 // in these blocks
	// StoredBytes are those of the records of blocks and manifest nodes.
	StoredBytes int64
}

// Shares divides the records that disks refer to by who refers to them. Every
// record is in one Share: what deleting some of the disks would free are the
// Shares that hold none of the others. It reads each manifest node once and
// no blocks.
//
// Disks whose key cannot be had are left out; hidden are their positions. Nothing
// that they refer to is shared with other domains, so the rest is exact.
func (s *Store) Shares(ctx context.Context, roots []Root) (shares []Share, hidden []int, err error) {
	c := newCensus(s)
	locked := make(map[Domain]bool)
	for i, root := range roots {
		if locked[root.Domain] {
			hidden = append(hidden, i)
			continue
		}
		r, err := c.realm(ctx, root)
		if errors.Is(err, ErrNoKey) {
			locked[root.Domain] = true
			hidden = append(hidden, i)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("count shares: %w", err)
		}
		if !root.ID.IsZero() {
			c.add(topLevel(blocks(root.Size)), r.ref(root.ID), c.sets.of(i))
		}
	}
	for level := maxLevel; level >= 0; level-- {
		if err := c.descend(ctx, level); err != nil {
			return nil, nil, fmt.Errorf("count shares: %w", err)
		}
	}
	if err := c.count(ctx, c.blocks, true); err != nil {
		return nil, nil, fmt.Errorf("count shares: %w", err)
	}
	return c.shares(), hidden, nil
}

// maxLevel is the level of the top node of the largest disk.
const maxLevel = 3

// census finds out who refers to what, from the top level of all trees
// downwards: when a level is reached, all who refer to its nodes are known.
type census struct {
	s      *Store
	sets   *sets
	realms map[tag]realm
	levels [maxLevel + 1]map[ref]setID
	blocks map[ref]setID
	totals map[setID]*Share
}

func newCensus(s *Store) *census {
	c := &census{s: s, sets: newSets(), realms: make(map[tag]realm), blocks: make(map[ref]setID), totals: make(map[setID]*Share)}
	for i := range c.levels {
		c.levels[i] = make(map[ref]setID)
	}
	return c
}

// realm returns the realm of a disk and remembers it.
func (c *census) realm(ctx context.Context, root Root) (realm, error) {
	for _, r := range c.realms {
		if r.domain == root.Domain {
			return r, root.check()
		}
	}
	r, err := c.s.open(ctx, root)
	if err == nil {
		c.realms[r.tag] = r
	}
	return r, err
}

// add notes that a set of disks refers to a node, or, at level -1, a block.
func (c *census) add(level int, id ref, by setID) {
	m := c.blocks
	if level >= 0 {
		m = c.levels[level]
	}
	m[id] = c.sets.union(m[id], by)
}

// descend passes those who refer to the nodes of a level on to their children.
func (c *census) descend(ctx context.Context, level int) error {
	nodes := c.levels[level]
	if err := c.count(ctx, nodes, false); err != nil {
		return err
	}
	for id, by := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		nd, err := c.realms[id.tag].node(ctx, id.id, level)
		if err != nil {
			return err
		}
		for i := range fanOut {
			if child := nd.child(i); !child.IsZero() {
				c.add(level-1, ref{id.tag, child}, by)
			}
		}
	}
	c.levels[level] = nil
	return nil
}

// count adds the records of blocks or nodes to the totals.
func (c *census) count(ctx context.Context, records map[ref]setID, isBlock bool) error {
	byRealm := make(map[tag][]ID)
	for r := range records {
		byRealm[r.tag] = append(byRealm[r.tag], r.id)
	}
	for tag, ids := range byRealm {
		slices.SortFunc(ids, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
		if err := c.countIn(ctx, c.realms[tag], ids, records, isBlock); err != nil {
			return err
		}
	}
	return nil
}

// countIn adds the records of one realm.
func (c *census) countIn(ctx context.Context, r realm, ids []ID, records map[ref]setID, isBlock bool) error {
	for some := range slices.Chunk(ids, MaxLookup) {
		locs, err := r.resolve(ctx, some)
		if err != nil {
			return err
		}
		for i, id := range some {
			set := records[r.ref(id)]
			t := c.totals[set]
			if t == nil {
				t = new(Share)
				c.totals[set] = t
			}
			t.StoredBytes += int64(locs[i].Length)
			if isBlock {
				t.Blocks++
				t.DataBytes += BlockSize
			}
		}
	}
	return nil
}

func (c *census) shares() []Share {
	list := make([]Share, 0, len(c.totals))
	for set, share := range c.totals {
		share.Disks = c.sets.members[set]
		list = append(list, *share)
	}
	slices.SortFunc(list, func(a, b Share) int { return slices.Compare(a.Disks, b.Disks) })
	return list
}

// setID names a set of disks. The zero setID is the empty one.
type setID int

// sets knows every set of disks once. There are few in practice: what a disk
// has in common with another it mostly has in large parts.
type sets struct {
	members [][]int // ascending, by setID
	byKey   map[string]setID
	unions  map[[2]setID]setID
}

func newSets() *sets {
	return &sets{members: [][]int{nil}, byKey: map[string]setID{"": 0}, unions: make(map[[2]setID]setID)}
}

// of is the set of one disk.
func (s *sets) of(disk int) setID { return s.intern([]int{disk}) }

func (s *sets) intern(members []int) setID {
	key := make([]byte, 0, 4*len(members))
	for _, m := range members {
		key = binary.BigEndian.AppendUint32(key, uint32(m))
	}
	id, ok := s.byKey[string(key)]
	if !ok {
		id = setID(len(s.members))
		s.members = append(s.members, members)
		s.byKey[string(key)] = id
	}
	return id
}

func (s *sets) union(a, b setID) setID {
	switch {
	case a == b || b == 0:
		return a
	case a == 0:
		return b
	}
	key := [2]setID{min(a, b), max(a, b)}
	id, ok := s.unions[key]
	if !ok {
		all := slices.Concat(s.members[a], s.members[b])
		slices.SortFunc(all, cmp.Compare[int])
		id = s.intern(slices.Compact(all))
		s.unions[key] = id
	}
	return id
}
