package firewall

import (
	"encoding/binary"
	"time"

	"origami/internal/vnet"
)

// MaxFlows is how many flows a guard remembers of those that the guest opened,
// and as many of those opened to it. A flow takes about 150 bytes.
const MaxFlows = 8192

// ICMP types of echoes.
const (
	echoReply   = 0
	echoRequest = 8
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	_
	ack
)

// class says how much a flow is worth keeping, the least first.
type class uint8

const (
	closing     class = iota // TCP after FIN from both ends, or RST
	embryonic                // TCP before the handshake is complete
	single                   // others, not yet answered
	answered                 // others
	established              // TCP
	classes
)

// silence is how long a flow of a class is remembered after its last packet.
// Those of EC2 where it publishes them.
var silence = [classes]time.Duration{
	closing:     10 * time.Second,
	embryonic:   60 * time.Second,
	single:      30 * time.Second,
	answered:    180 * time.Second,
	established: 432000 * time.Second,
}

// key identifies a flow of a guest: the other address, both ports, and the
// protocol.
type key struct {
	ends     uint64
	protocol uint8
}

// keyOf is the key of the flow that a packet belongs to.
func keyOf(dir vnet.Direction, p *vnet.Packet) key {
	local, remote := p.Src.Port(), p.Dst
	if dir == vnet.ToGuest {
		local, remote = p.Dst.Port(), p.Src
	}
	far := remote.Port()
	if p.Protocol == vnet.ICMP {
		local, far = p.ICMPID, 0
	}
	a := remote.Addr().As4()
	return key{uint64(binary.BigEndian.Uint32(a[:]))<<32 | uint64(local)<<16 | uint64(far), p.Protocol}
}

// flow is traffic between the guest and one other end.
type flow struct {
	key    key
	opener vnet.Direction
	class  class
	heard  [2]bool // anything, by direction
	ended  [2]bool // a FIN, by direction
	last   time.Duration

	older, newer *flow // in the list of its opener and class
}

// carries reports whether the flow itself lets a packet pass, without asking
// the rules. It is not so for what begins a flow: a SYN, and the opener's
// packets while nobody answers, so that these stop when their rule goes.
func (f *flow) carries(dir vnet.Direction, p *vnet.Packet) bool {
	if p.Protocol == vnet.TCP && p.TCPFlags&(syn|ack) == syn {
		return false
	}
	if dir == f.opener {
		return f.class == established || f.class == answered || f.class == closing
	}
	if p.Protocol == vnet.ICMP {
		return p.ICMPType == echoReply
	}
	return true
}

// over reports whether a packet of the opener's begins another flow with the
// same ends.
func (f *flow) over(p *vnet.Packet) bool {
	return f.class == closing || f.class == established && p.TCPFlags&(syn|ack) == syn
}

// list is flows by their last packet.
type list struct{ oldest, newest *flow }

// flows are the flows of a guest, in one list for each opener and class. In
// each list all wait equally long, so the oldest is the first to be forgotten.
type flows struct {
	known map[key]*flow
	lists [2][classes]list
	count [2]int
}

// find returns the flow of a key, or nil.
func (t *flows) find(k key, now time.Duration) *flow {
	f := t.known[k]
	if f != nil && now-f.last > silence[f.class] {
		t.forget(f)
		return nil
	}
	return f
}

// open makes a flow in place of what was known about its key.
func (t *flows) open(k key, opener vnet.Direction, p *vnet.Packet, now time.Duration) *flow {
	if old := t.known[k]; old != nil {
		t.forget(old)
	}
	t.makeRoom(opener, now)
	f := &flow{key: k, opener: opener, class: single, last: now}
	if p.Protocol == vnet.TCP {
		f.class = embryonic
	}
	t.known[k] = f
	t.count[opener]++
	t.push(f)
	return f
}

// makeRoom forgets flows of an opener that have been silent for too long, and
// if that is not enough the one least worth keeping.
func (t *flows) makeRoom(opener vnet.Direction, now time.Duration) {
	for c := range t.lists[opener] {
		for f := t.lists[opener][c].oldest; f != nil && now-f.last > silence[c]; f = t.lists[opener][c].oldest {
			t.forget(f)
		}
	}
	for c := 0; t.count[opener] >= MaxFlows && c < int(classes); c++ {
		if f := t.lists[opener][c].oldest; f != nil {
			t.forget(f)
			return
		}
	}
}

// saw notes a packet of a flow that passes.
func (t *flows) saw(f *flow, dir vnet.Direction, p *vnet.Packet, now time.Duration) {
	f.heard[dir] = true
	f.last = now
	t.remove(f)
	f.class = f.next(dir, p)
	t.push(f)
}

// next is the class of a flow after a packet.
func (f *flow) next(dir vnet.Direction, p *vnet.Packet) class {
	both := f.heard[0] && f.heard[1]
	if p.Protocol != vnet.TCP {
		// An echo is over with its reply; the next is asked for anew.
		if both && p.Protocol != vnet.ICMP {
			return answered
		}
		return single
	}
	if p.TCPFlags&fin != 0 {
		f.ended[dir] = true
	}
	switch {
	case f.class == closing || p.TCPFlags&rst != 0 || f.ended[0] && f.ended[1]:
		return closing
	case both && p.TCPFlags&(syn|ack) == ack && (dir == f.opener || f.class == established):
		return established
	}
	return f.class
}

func (t *flows) forget(f *flow) {
	t.remove(f)
	delete(t.known, f.key)
	t.count[f.opener]--
}

// push puts a flow at the new end of its list.
func (t *flows) push(f *flow) {
	l := &t.lists[f.opener][f.class]
	f.older, f.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
}

// remove takes a flow out of its list.
func (t *flows) remove(f *flow) {
	l := &t.lists[f.opener][f.class]
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		l.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.newest = f.older
	}
	f.older, f.newer = nil, nil
}
