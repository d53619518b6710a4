package disktest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Content returns size bytes that look like a small disk: holes, runs of text
// that compresses, runs of noise that does not, sectors of data in the middle
// of zeros, and data at both ends. The same seed gives the same bytes on every
// machine.
func Content(seed uint64, size int64) []byte {
	b := make([]byte, size)
	rng := rand.New(rand.NewPCG(seed, 0x6f726967616d69))
	for off := int64(0); off < size; {
		n := min(size-off, 512*(1+rng.Int64N(int64(1)<<(1+rng.IntN(10)))))
		switch p := b[off : off+n]; rng.IntN(5) {
		case 0, 1: // hole
		case 2:
			noise(rng, p)
		case 3:
			text(rng, p)
		case 4: // one sector of data, and zeros
			noise(rng, p[:min(512, n)])
		}
		off += n
	}
	noise(rng, b[:min(512, size)])
	noise(rng, b[size-min(512, size):])
	return b
}

func noise(rng *rand.Rand, p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, rng.Uint64())
	}
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
}

// text fills p with lines such as a log has.
func text(rng *rand.Rand, p []byte) {
	words := []string{"kernel", "device", "sector", "mounted", "error", "read", "write", "cluster", "session", "closed"}
	var line []byte
	for n := 0; n < len(p); n += copy(p[n:], line) {
		line = fmt.Appendf(line[:0], "%08d", rng.Uint32N(1e8))
		for range 3 + rng.IntN(6) {
			line = append(append(line, ' '), words[rng.IntN(len(words))]...)
		}
		line = append(line, '\n')
	}
}
