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
	header := endHeader(p.begin(), nil)
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
		{"head of a record of frames", framed[:maxHead-seqSize], "4f526563010000040000080000000800310c01a3ae3701992954155ae3d2a8a91523e8c3132b3236f1b8f0964d4a781e00000200799da07400000200799da07400000200799da07400000200799da074bc490ec2"},
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

// The bytes that depend on a domain key never change either.
func TestEncryptedFormatIsFixed(t *testing.T) {
	t.Parallel()
	r := testRealm(t, 1, "domain")
	id := r.identify(bytes.Repeat([]byte("origami\n"), BlockSize/8))
	p := Pack{ID: PackID{0xaa, 15: 0xbb}, Class: ClassMeta, Domain: "domain", Created: time.Unix(1_700_000_000, 5)}
	kek, err := r.packKey(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	wrapped := kek.Seal(r.tag[:], zeroNonce[:], key, append(p.begin(), r.tag[:]...))
	if _, err := r.openDataKey(p.ID, p.begin(), wrapped); err != nil {
		t.Fatal(err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		t.Fatal(err)
	}
	h := head{kind: kindNode, frames: 1, id: id, stored: 5}
	clear := make([]byte, h.size()+5)
	copy(clear[h.size():], "plain")
	h.frame[0] = frame{5, 0}
	h.put(clear)
	sealed, err := (&packCipher{pack: p.ID, aead: aead}).seal(nil, clear, 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"identity", id[:], "196235abd1486c4024f8570856516f1b138bcd273aa064b8aad56203c183c0cf"},
		{"header", endHeader(p.begin(), wrapped), "4f5249475041434b0100020106004000aa0000000000000000000000000000bb05002a36fe9c9717646f6d61696e3dd416084efdd312441a6ab06a66537409e321ffa5f5c92e41f0785aeec1ad66be5bff4615ebaf3d04a628cf0e429db098bf9e8ad7ea31a26f58db120ccae98c7b3aee2f"},
		{"record", sealed, "4f526563020001011020000015000000196235abd1486c4024f8570856516f1b138bcd273aa064b8aad56203c183c0cf1500000058ef087a09000000ab0629eefe5b37e2655ba6c0816c677cb238580d6217245845"},
	} {
		if got := hex.EncodeToString(tc.got); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}
