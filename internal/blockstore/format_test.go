package blockstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"
)

// The bytes of version 1 never change: what stands here is what stores hold.
func TestFormatIsFixed(t *testing.T) {
	t.Parallel()
	c, err := newCompressor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	p := Pack{ID: PackID{0xaa, 15: 0xbb}, Class: ClassMeta, Created: time.Unix(1_700_000_000, 5)}
	header := p.header()
	block := bytes.Repeat([]byte("origami\n"), BlockSize/8)
	id := ID(sha256.Sum256(block))
	whole := c.appendRecord(nil, kindBlock, id, block, packedRaw, 1)
	framed := c.appendRecord(nil, kindBlock, id, block, packedRaw, maxFrames)
	node := appendNode(nil, 1, &[fanOut]ID{0: id, 255: {1}})
	foot := footer(header, []Entry{{ID: ID{2}, Offset: 44, Length: 100}, {ID: ID{1}, Offset: 144, Length: 60}}, 204)
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"header", header, "4f5249475041434b0100020000000000aa0000000000000000000000000000bb05002a36fe9c9717199e8ddf"},
		{"head of a record", whole[:minHead], "4f526563010000010000080000000800310c01a3ae3701992954155ae3d2a8a91523e8c3132b3236f1b8f0964d4a781e0000080053132c74b935bab9"},
		{"head of a record of frames", framed[:maxHead], "4f526563010000040000080000000800310c01a3ae3701992954155ae3d2a8a91523e8c3132b3236f1b8f0964d4a781e00000200799da07400000200799da07400000200799da07400000200799da074bc490ec2"},
		{"head of a node", node[:nodeHead], "4f4e6f64010001000000000000000000"},
		{"footer", foot, "0100000000000000000000000000000000000000000000000000000000000000900000003c00000002000000000000000000000000000000000000000000000000000000000000002c000000640000004f524947464f4f5402000000cc000000a1c66f6c25d3e4ab24fb51ab053cc2e803be412c176829b748d9ebb22de7e89e72fbce1f"},
	} {
		if got := hex.EncodeToString(tc.got); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
	if got, want := fmt.Sprintf("%x", sha256.Sum256(node)), "c56a77de32f052c3d933181f5e04b5fa278d105e9a3fe3412f5fd5f8a72ea173"; got != want {
		t.Errorf("identity of the node = %s, want %s", got, want)
	}
	if got := whole[minHead:]; !bytes.Equal(got, block) {
		t.Error("a raw record does not hold the block")
	}
}
