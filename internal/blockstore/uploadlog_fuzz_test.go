package blockstore

import (
	"testing"
	"time"

	"origami/internal/durable/durabletest"
)

// FuzzUploadLog opens a log with any bytes behind a good header and, for the
// second half of the seeds, any header.
func FuzzUploadLog(f *testing.F) {
	comp := fuzzComp(f)
	block := make([]byte, BlockSize)
	block[7] = 1
	id := uploadID{1, 2, 3}
	header := encodeUploadHeader(id, 4*BlockSize)
	buf := make([]byte, entryHead, entryHead+maxRecord+bufferSlack)
	record := comp.appendRecord(buf[entryHead:entryHead], kindBlock, sumID(block), block, packedZstd, 1)
	e := uploadEntry{length: len(record), block: 2, time: time.Unix(9, 0), synced: uploadHeader, digest: sumID(block)}
	e.put(buf, id, uploadHeader)
	entry := append(buf, record...)
	f.Add(header, entry)
	f.Add(header, entry[:len(entry)-1])
	f.Add(header, []byte{})
	f.Add(encodeUploadHeader(id, -1), entry)
	f.Add([]byte("ORIGUPLD"), []byte{})
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		fs := durabletest.New()
		file, err := fs.Create("log")
		if err != nil {
			t.Fatal(err)
		}
		all := append(append([]byte(nil), head...), rest...)
		if _, err := file.WriteAt(all, 0); err != nil {
			t.Fatal(err)
		}
		if len(all) < uploadHeader {
			return
		}
		id, size, err := parseUploadHeader(all[:uploadHeader])
		if err != nil {
			return
		}
		n := blocks(size)
		s, err := scanUpload(file, int64(len(all)), id, n)
		if err != nil {
			return
		}
		if s.end < uploadHeader || s.end > int64(len(all)) {
			t.Fatalf("a log of %d bytes ends at %d", len(all), s.end)
		}
		for number, off := range s.blocks {
			if number < 0 || number >= n || off < uploadHeader || off >= s.end {
				t.Fatalf("block %d of %d at %d", number, n, off)
			}
		}
	})
}
