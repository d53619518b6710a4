package blockstore

import (
	"bytes"
	"encoding/binary"
)

// The manifest. See docs/design/manifest.md.
const (
	fanOut      = 256
	nodeMagic   = "ONod"
	nodeVersion = 1
	nodeHead    = 16
	nodeSize    = nodeHead + fanOut*32
)

// topLevel is the level of the top node of a disk of n blocks.
func topLevel(n int64) int {
	level := 0
	for n > fanOut {
		n = (n + fanOut - 1) / fanOut
		level++
	}
	return level
}

// span is the number of blocks below one node of the given level.
func span(level int) int64 { return 1 << (8 * (level + 1)) }

// node is an encoded and checked manifest node. It is never changed.
type node []byte

// child returns the identity of child i.
func (n node) child(i int) ID { return ID(n[nodeHead+i*32:]) }

// children returns all identities.
func (n node) children() *[fanOut]ID {
	var ids [fanOut]ID
	for i := range ids {
		ids[i] = n.child(i)
	}
	return &ids
}

// appendNode appends the encoding of a node.
func appendNode(b []byte, level int, children *[fanOut]ID) []byte {
	b = append(b, nodeMagic...)
	b = binary.LittleEndian.AppendUint16(b, nodeVersion)
	b = append(b, byte(level))
	b = append(b, make([]byte, nodeHead-7)...)
	for i := range children {
		b = append(b, children[i][:]...)
	}
	return b
}

var zeroNode [nodeSize]byte

// parseNode checks the encoding of a node of the given level. What lies
// beyond the end of a disk is checked by those who know its size.
func parseNode(b []byte, level int) (node, error) {
	switch {
	case len(b) != nodeSize || !bytes.HasPrefix(b, []byte(nodeMagic)):
		return nil, malformed("no manifest node")
	case binary.LittleEndian.Uint16(b[4:]) != nodeVersion:
		return nil, malformed("manifest node of version %d", binary.LittleEndian.Uint16(b[4:]))
	case int(b[6]) != level:
		return nil, malformed("manifest node of level %d, want %d", b[6], level)
	case !bytes.Equal(b[7:nodeHead], zeroNode[7:nodeHead]):
		return nil, malformed("manifest node with a strange head")
	case bytes.Equal(b[nodeHead:], zeroNode[nodeHead:]):
		return nil, malformed("manifest node without children")
	}
	return node(b), nil
}
