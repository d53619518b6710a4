package vnet

import (
	"net/netip"
	"sync"
)

const defaultMaxFlows = 4096

// flows counts what guests have open at the gateway: connections and UDP
// exchanges, in and out, or the attempts to make some. It bounds them for the network, and for one guest to
// a quarter of that, so that no guest can starve the others; and it ends what
// a guest has open when it goes, so that nothing of it meets the next owner of
// its address.
type flows struct {
	max, share int

	mu     sync.Mutex // guards the following
	total  int
	guests map[netip.Addr]map[*flow]struct{} // of attached guests only
}

// flow is one entry of flows. Its abort must not wait.
type flow struct {
	flows *flows
	guest netip.Addr
	abort func()
}

func newFlows(limit int) *flows {
	return &flows{max: limit, share: max(1, limit/4), guests: make(map[netip.Addr]map[*flow]struct{})}
}

// admit lets a guest have flows.
func (f *flows) admit(guest netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guests[guest] = make(map[*flow]struct{})
}

// open counts a new flow. It returns nil if the guest is not attached or there
// are too many. The caller calls done when the flow has ended.
func (f *flows) open(guest netip.Addr, abort func()) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	own, attached := f.guests[guest]
	if !attached || f.total >= f.max || len(own) >= f.share {
		return nil
	}
	fl := &flow{f, guest, abort}
	own[fl] = struct{}{}
	f.total++
	return fl
}

// done forgets a flow. Calling it twice is harmless.
func (fl *flow) done() {
	f := fl.flows
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.guests[fl.guest]
	if _, ok := own[fl]; ok {
		delete(own, fl)
		f.total--
	}
}

// expel aborts the flows of a guest and admits no more.
func (f *flows) expel(guest netip.Addr) {
	f.mu.Lock()
	own := f.guests[guest]
	delete(f.guests, guest)
	f.total -= len(own)
	f.mu.Unlock()
	for fl := range own {
		fl.abort()
	}
}

// abortAll aborts everything and admits nothing more.
func (f *flows) abortAll() {
	f.mu.Lock()
	guests := f.guests
	f.guests, f.total = nil, 0
	f.mu.Unlock()
	for _, own := range guests {
		for fl := range own {
			fl.abort()
		}
	}
}
