package blockstore

import (
	"encoding/hex"
	"hash/crc32"
	"testing"
	"time"

	"origami/internal/durable/durabletest"
)

// TestUploadHeader compares headers with what docs/design/upload.md says of them:
// logs of version 1 were left by programs that knew no other.
func TestUploadHeader(t *testing.T) {
	t.Parallel()
	const (
		plain = "4f524947" + "55504c44" + "0100" + "000000000000" + "01020000000000000000000000000000" + "0000080000000000" +
			"0000000000000000000000000000000000000000" + "d007b32f"
		sealed = "4f524947" + "55504c44" + "0200" + "0300" + "00000000" + "01020000000000000000000000000000" + "0000080000000000" +
			"05000000000000000000000000000000" + "00000000" + "bc29490b" + "6b6579" + "6d75a440" + "000000000000000000"
	)
	for want, log := range map[string]uploadLog{
		plain:  {id: uploadID{1, 2}, size: BlockSize},
		sealed: {id: uploadID{1, 2}, size: BlockSize, domain: "key", tag: tag{5}},
	} {
		if got := hex.EncodeToString(log.encode()); got != want {
			t.Errorf("header %s, want %s", got, want)
		}
		b, err := hex.DecodeString(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseUploadHeader(append(b, 1, 2, 3)); err != nil || got != log {
			t.Errorf("parsed: %+v, %v, want %+v", got, err, log)
		}
		for n := range len(b) {
			if _, err := parseUploadHeader(b[:n]); err == nil && int64(n) < log.begin()-entryAlign {
				t.Errorf("%d bytes of a header of %d are parsed", n, len(b))
			}
		}
	}
}

// FuzzUploadLog opens a log with any bytes behind a good header and, for the
// second half of the seeds, any header.
func FuzzUploadLog(f *testing.F) {
	comp := fuzzComp(f)
	block := make([]byte, BlockSize)
	block[7] = 1
	buf := make([]byte, entryHead, entryHead+maxRecord+bufferSlack)
	record := comp.appendRecord(buf[entryHead:entryHead], kindBlock, sumID(block), block, packedZstd, 1)
	for _, log := range []uploadLog{{id: uploadID{1, 2, 3}, size: 4 * BlockSize}, {id: uploadID{4}, size: 4 * BlockSize, domain: "key", tag: tag{5}}} {
		header := log.encode()
		body := record
		if log.sealed() {
			body = append(make([]byte, sealedHead), append(record, make([]byte, tagSize)...)...)
		}
		e := uploadEntry{length: len(body), block: 2, time: time.Unix(9, 0), synced: log.begin(), digest: sumID(block), crc: crc32.Checksum(body, castagnoli)}
		entry := append(make([]byte, entryHead), body...)
		e.put(entry, log.id, log.begin())
		f.Add(header, entry)
		f.Add(header, entry[:len(entry)-1])
		f.Add(header, []byte{})
		if s := seedScan(f, header, entry); len(s.blocks) != 1 {
			f.Fatalf("the seed for domain %q is not read", log.domain)
		}
	}
	bad := uploadLog{size: -1}
	f.Add(bad.encode(), []byte{})
	f.Add([]byte("ORIGUPLD"), []byte{})
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		log, err := parseUploadHeader(append(append([]byte(nil), head...), rest...))
		if err != nil {
			return
		}
		s := seedScan(t, head, rest)
		for number, off := range s.blocks {
			if number < 0 || number >= blocks(log.size) || off < log.begin() || off >= s.end {
				t.Fatalf("block %d of %d at %d", number, blocks(log.size), off)
			}
		}
	})
}

// seedScan scans a log, and finds nothing if that is an error.
func seedScan(t testing.TB, head, rest []byte) uploadScan {
	t.Helper()
	fs := durabletest.New()
	file, err := fs.Create("log")
	if err != nil {
		t.Fatal(err)
	}
	all := append(append([]byte(nil), head...), rest...)
	if _, err := file.WriteAt(all, 0); err != nil {
		t.Fatal(err)
	}
	log, err := parseUploadHeader(all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := log.scan(file, int64(len(all)))
	if err != nil {
		return uploadScan{}
	}
	if s.end != log.begin() && (s.end < log.begin() || s.end > int64(len(all))) {
		t.Fatalf("a log of %d bytes ends at %d", len(all), s.end)
	}
	return s
}
