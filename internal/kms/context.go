package kms

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Context is an encryption context: names and values that are bound to a
// ciphertext and that decryption must be given again.
type Context map[string]string

// maxContext bounds an encryption context, in bytes of names and values.
const maxContext = 8192

// canonical is the one form of a context that is authenticated.
func (c Context) canonical() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(c)))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		for _, s := range []string{name, c[name]} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
			b = append(b, s...)
		}
	}
	return b
}

// check refuses a context that is too large.
func (c Context) check() error {
	n := 0
	for name, value := range c {
		if name == "" {
			return invalid("The encryption context has an empty name.")
		}
		n += len(name) + len(value)
	}
	if n > maxContext {
		return invalid("The encryption context exceeds the maximum size of %d bytes.", maxContext)
	}
	return nil
}

// includes reports whether every pair of sub is in c.
func (c Context) includes(sub map[string]string) bool {
	for name, value := range sub {
		if have, ok := c[name]; !ok || have != value {
			return false
		}
	}
	return true
}
