package blockstore

import (
	"bytes"
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"origami/disk/disktest"
)

// BenchmarkCopyLimit is what a copy into another domain cannot do without, on
// one core: decrypt, decompress, SHA-256, HMAC twice, encrypt.
func BenchmarkCopyLimit(b *testing.B) {
	c, err := newCompressor()
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	from, to := testRealm(b, 1, "from"), testRealm(b, 2, "to")
	p := Pack{Class: ClassData, Domain: from.domain, Created: time.Unix(1, 2)}
	opens, _, err := from.newDataKey(p.ID, p.begin())
	if err != nil {
		b.Fatal(err)
	}
	seals, _, err := to.newDataKey(p.ID, p.begin())
	if err != nil {
		b.Fatal(err)
	}
	n := 128
	data := disktest.Content(1, int64(n)*BlockSize)
	if name := os.Getenv("ORIGAMI_BENCH_DISK"); name != "" {
		n = 1000
		if data, err = disktest.Sample(name, n, BlockSize); err != nil {
			b.Fatal(err)
		}
	}
	records, ids := make([][]byte, n), make([]ID, n)
	for i := range records {
		block := data[i*BlockSize : (i+1)*BlockSize]
		ids[i] = from.identity(sha256.Sum256(block))
		clear := c.appendRecord(nil, kindBlock, ids[i], block, packedZstd, 1)
		if records[i], err = opens.seal(nil, clear, uint32(i)); err != nil {
			b.Fatal(err)
		}
	}
	from.ciphers.init()
	from.ciphers.put(cipherKey{from.tag, p.ID}, opens)
	from.Store.comp = c
	plain, sealed, buf := make([]byte, BlockSize), make([]byte, maxRecord), make([]byte, maxRecord)
	b.SetBytes(int64(n) * BlockSize)
	for b.Loop() {
		for i, record := range records {
			d, err := from.decode(kindBlock, ids[i], p.ID, append(buf[:0], record...), plain)
			if err != nil {
				b.Fatal(err)
			}
			clear := adopt(d.record, to.identity(d.sum), 1)
			if sealed, err = seals.seal(sealed, clear, uint32(i)); err != nil || bytes.Equal(sealed, record) {
				b.Fatal(err)
			}
		}
	}
}
