package blockstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"
)

func fuzzComp(f *testing.F) *compressor {
	c, err := newCompressor()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.close)
	return c
}

// sumID is the identity of plain bytes.
func sumID(b []byte) ID { return sha256.Sum256(b) }

func FuzzRecord(f *testing.F) {
	c := fuzzComp(f)
	block := bytes.Repeat([]byte("origami "), BlockSize/8)
	for _, codec := range []packed{packedZstd, packedS2} {
		for _, frames := range []int{1, maxFrames} {
			f.Add(c.appendRecord(nil, kindBlock, sumID(block), block, codec, frames), true)
		}
	}
	node := appendNode(nil, 0, &[fanOut]ID{1: {1}})
	f.Add(c.appendRecord(nil, kindNode, sumID(node), node, packedZstd, 1), false)
	dst := make([]byte, BlockSize+1)
	f.Fuzz(func(t *testing.T, record []byte, mend bool) {
		if mend && len(record) >= minHead {
			// Let the fuzzer past the checksums.
			h := head{frames: int(record[7]), encrypted: record[6] == flagEncrypt}
			if h.frames <= maxFrames && len(record) >= h.size() {
				mendHead(record, &h)
			}
		}
		h, err := parseHead(record)
		if err != nil {
			return
		}
		size := h.kind.plainSize()
		dst[size] = 0x55
		if h.encrypted || h.checkFrames(record) != nil {
			return
		}
		if err := c.decodeRecord(dst[:size], &h, record); err == nil && h.codec == packedRaw {
			if again := c.appendRecord(nil, h.kind, h.id, dst[:size], packedRaw, h.frames); !bytes.Equal(again, record) {
				t.Error("a raw record does not come back")
			}
		}
		if dst[size] != 0x55 {
			t.Error("decoded beyond the end")
		}
	})
}

func mendHead(record []byte, h *head) {
	end := h.size() - 4
	binary.LittleEndian.PutUint32(record[end:], crc32.Checksum(record[:end], castagnoli))
}

func FuzzPack(f *testing.F) {
	p := Pack{ID: PackID{1}, Class: ClassData, Created: time.Unix(1, 2)}
	header := endHeader(p.begin(), nil)
	entries := []Entry{{ID: ID{2}, Offset: 44, Length: 100}, {ID: ID{1}, Offset: 144, Length: 60}}
	f.Add(header, footer(header, entries, 204), int64(204))
	f.Add(header, footer(header, nil, 44), int64(44))
	f.Fuzz(func(t *testing.T, head, foot []byte, records int64) {
		p, n, err := parseHeader(head)
		if err != nil {
			return
		}
		var wrapped []byte
		if p.Domain != "" {
			_, wrapped = divideHeader(head[:n])
		}
		if again := endHeader(p.begin(), wrapped); !bytes.Equal(again, head[:n]) {
			t.Errorf("header does not come back: %x, %x", again, head[:n])
		}
		if len(foot) < trailerSize || records < 0 || records > 1<<40 {
			return
		}
		size := records + int64(len(foot))
		start, err := parseTrailer(foot[len(foot)-trailerSize:], size)
		if err != nil || start < int64(n) || start > size-trailerSize || size-start > int64(len(foot)) {
			return
		}
		foot = foot[int64(len(foot))-(size-start):]
		entries, err := parseFooter(head[:n], foot, start)
		if err != nil {
			return
		}
		if again := footer(head[:n], entries, start); !bytes.Equal(again, foot) {
			t.Errorf("footer does not come back: %x, %x", again, foot)
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add(appendNode(nil, 2, &[fanOut]ID{0: {1}, 255: {2}}), 2)
	f.Add(appendNode(nil, 0, &[fanOut]ID{}), 0)
	f.Fuzz(func(t *testing.T, b []byte, level int) {
		n, err := parseNode(b, level)
		if err != nil {
			return
		}
		if again := appendNode(nil, level, n.children()); !bytes.Equal(again, b) {
			t.Error("node does not come back")
		}
		_ = checkEnd(ID{}, n, level, 0, 1000) // it must not panic
	})
}
