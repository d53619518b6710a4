package vnet

import (
	"bufio"
	"io"
)

// MaxWireFrame is the longest frame that may be on a socket.
const MaxWireFrame = maxWireFrame

// ReadFrames reads all frames of a stream.
func ReadFrames(r io.Reader, max int) (frames [][]byte, skipped int, err error) {
	br := bufio.NewReader(r)
	for {
		w, err := readWire(br, max, func() { skipped++ })
		if err != nil {
			return frames, skipped, err
		}
		frames = append(frames, w.frame())
	}
}

// ParseIPv4 parses a frame; p is nil if it carries ARP.
func ParseIPv4(b []byte) (p *Packet, payload []byte, err error) {
	f, err := parseFrame(b)
	return f.ip, f.payload, err
}

// Inject handles a frame as if it had come from the guest.
func (a *Attachment) Inject(b []byte) {
	w := newWire(len(b))
	copy(w.frame(), b)
	a.n.fromGuest(a.p, w)
}
