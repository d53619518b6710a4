package disk

import "bytes"

// zeros is what IsZero compares with.
var zeros [64 << 10]byte

// IsZero reports whether every byte of p is zero. It runs at memory speed, and
// leaves at the first page that differs.
func IsZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}
