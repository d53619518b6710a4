package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/durable/durabletest"
)

func TestIndexConformance(t *testing.T) {
	t.Parallel()
	blockstoretest.RunIndex(t, func() blockstore.Index { return blockstoretest.NewMemIndex() })
}

// configs are the ways in which bytes can be stored.
func configs() map[string]blockstore.Config {
	all := make(map[string]blockstore.Config)
	for _, codec := range []blockstore.Codec{blockstore.CodecZstd, blockstore.CodecS2, blockstore.CodecRaw} {
		for _, frames := range []bool{false, true} {
			cfg := small()
			cfg.Codec, cfg.SubFrames = codec, frames
			all[fmt.Sprintf("%v,frames=%v", codec, frames)] = cfg
		}
	}
	return all
}

func TestImageConformance(t *testing.T) {
	t.Parallel()
	want := disktest.Content(1, 3*block+512)
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t, durabletest.New(), cfg)
			defer w.close(t)
			root := mustCreate(t, w.Store, int64(len(want)), blockstore.Root{}, write{0, want})
			img, err := w.Image(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			disktest.TestImage(t, img, want)
		})
	}
}

func TestWriterConformance(t *testing.T) {
	t.Parallel()
	disktest.TestWriter(t, func(t *testing.T, size int64) disktest.Sink {
		w := newWorld(t)
		writer, err := w.NewWriter(size, blockstore.Root{})
		if err != nil {
			t.Fatal(err)
		}
		return disktest.Sink{Writer: writer, Open: func() (img disk.Image, err error) {
			defer func() {
				if recover() != nil {
					err = errors.New("not committed")
				}
			}()
			return w.Image(context.Background(), writer.Root())
		}}
	})
}

// What one configuration wrote, every other one reads.
func TestConfigsReadEachOther(t *testing.T) {
	t.Parallel()
	data := disktest.Content(2, 2*block)
	fsys := durabletest.New()
	var roots []blockstore.Root
	for _, cfg := range configs() {
		w := openWorld(t, fsys, cfg)
		// Different disks, so that each is stored by its own configuration.
		copy(data, fmt.Sprint(cfg))
		copy(data[block:], fmt.Sprint(cfg))
		roots = append(roots, mustCreate(t, w.Store, 2*block, blockstore.Root{}, write{0, data}))
		w.close(t)
	}
	for name, cfg := range configs() {
		w := openWorld(t, fsys, cfg)
		for _, root := range roots {
			img, err := w.Image(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			for _, off := range []int64{0, 130_000, block - 1, block + 400_000} {
				if _, err := img.ReadAt(make([]byte, 4096), off); err != nil {
					t.Errorf("%s: read at %d: %v", name, off, err)
				}
			}
		}
		w.close(t)
	}
}

func TestEqualDisksHaveEqualRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := disktest.Content(3, 5*block)
	whole := mustCreate(t, w.Store, leaf+block, blockstore.Root{}, write{0, data}, write{leaf, data[:block]})
	before := w.Stats()

	var pieces []write
	for off := 0; off < len(data); off += 70_000 {
		end := min(off+70_000, len(data))
		pieces = append([]write{{int64(off), data[off:end]}}, pieces...)
	}
	pieces = append(pieces, write{leaf, data[:block]})
	if got := mustCreate(t, w.Store, leaf+block, blockstore.Root{}, pieces...); got != whole {
		t.Errorf("the same bytes in pieces, backwards, give %v, want %v", got, whole)
	}
	other := mustCreate(t, w.Store, leaf+block, blockstore.Root{}, write{0, pattern(1, 2*block)})
	if got := mustCreate(t, w.Store, leaf+block, other, write{0, data}, write{leaf, data[:block]}); got != whole {
		t.Errorf("the same bytes over another disk give %v, want %v", got, whole)
	}
	zero := mustCreate(t, w.Store, 1<<40, blockstore.Root{}, write{1 << 39, make([]byte, 2*block)})
	if !zero.ID.IsZero() {
		t.Errorf("a disk of zeros has the root %v", zero)
	}
	if got := w.Stats().StoredBytes - before.StoredBytes; got > 20_000 {
		t.Errorf("%d bytes stored for disks that were there", got)
	}
}

func TestWriterStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := append(pattern(1, 3*block), pattern(2, block)...)
	data = append(data, make([]byte, block)...)
	data = append(data, pattern(2, block)...)
	writer, err := w.NewWriter(10*block, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	got := writer.Stats()
	if got.StoredBytes <= 0 || got.StoredBytes > 50_000 {
		t.Errorf("StoredBytes = %d", got.StoredBytes)
	}
	got.StoredBytes = 0
	// The pattern repeats every 1024 bytes, so its three blocks are one.
	want := blockstore.WriterStats{Blocks: 5, NewBlocks: 2, ZeroBlocks: 1, LogicalBytes: 6 * block}
	if got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	usage, err := w.Usage(t.Context(), writer.Root())
	if err != nil {
		t.Fatal(err)
	}
	if usage.Blocks != 5 || usage.DataBytes != 5*block || usage.StoredBytes <= 0 {
		t.Errorf("Usage = %+v", usage)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := mustCreate(t, w.Store, 4*block, blockstore.Root{})
	for _, tc := range []struct {
		name string
		size int64
		base blockstore.Root
	}{
		{"negative size", -1, blockstore.Root{}},
		{"too large", disk.MaxSize + 1, blockstore.Root{}},
		{"smaller than its base", 4*block - 1, base},
		{"base too large", disk.MaxSize, blockstore.Root{Size: disk.MaxSize + 1}},
		{"base of a domain without a key", 4 * block, blockstore.Root{Size: 4 * block, Domain: "unknown"}},
	} {
		if _, err := w.NewWriter(tc.size, tc.base); err == nil {
			t.Errorf("%s: accepted", tc.name)
		}
	}
	writer, err := w.NewWriter(block+1, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{-1, block, block + 1, 1 << 62} {
		if n, err := writer.WriteAt([]byte("xx"), off); err == nil || n != 0 {
			t.Errorf("WriteAt of 2 bytes at %d = %d, %v", off, n, err)
		}
		if err := writer.Zero(off, 2); err == nil {
			t.Errorf("Zero of 2 bytes at %d succeeded", off)
		}
	}
	if err := writer.Zero(0, -1); err == nil {
		t.Error("Zero of -1 bytes succeeded")
	}
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteAt([]byte("x"), 0); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("WriteAt after Commit: %v, want %v", err, blockstore.ErrClosed)
	}
	if err := writer.Commit(t.Context()); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("second Commit: %v, want %v", err, blockstore.ErrClosed)
	}
}

// More leaves and more unfinished blocks than a Writer keeps in memory, and
// then all of them again.
func TestWriterBeyondMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const leaves = 1300
	mod := newModel(leaves * leaf)
	writer, err := w.NewWriter(mod.size, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(p []byte, off int64) {
		t.Helper()
		mod.write(p, off)
		if _, err := writer.WriteAt(p, off); err != nil {
			t.Fatal(err)
		}
	}
	whole := pattern(1, block)
	for n := int64(0); n < leaves; n++ {
		put(whole, n*leaf)
	}
	for n := int64(0); n < 40; n++ {
		put(pattern(uint64(n)*8, 1000), n*leaf+100) // over a spilled leaf
	}
	for n := int64(39); n >= 0; n-- {
		put([]byte("again"), n*leaf+500) // over a block that left its buffer
	}
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	sample := newModel(mod.size)
	for n, b := range mod.blocks {
		sample.blocks[n] = b
	}
	sample.check(t, w.Store, writer.Root())
}

// Writers at work at once, partly on the same blocks, and readers beside them.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := mustCreate(t, w.Store, 20*block, blockstore.Root{}, write{0, disktest.Content(7, 20*block)})
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			data := disktest.Content(uint64(k/2), 20*block) // each twice
			writer, err := w.NewWriter(20*block, blockstore.Root{})
			if err != nil {
				t.Error(err)
				return
			}
			var parts sync.WaitGroup
			for i := range 4 {
				parts.Go(func() {
					for off := i * 5 * block; off < (i+1)*5*block; off += 300_000 {
						end := min(off+300_000, (i+1)*5*block)
						if _, err := writer.WriteAt(data[off:end], int64(off)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			parts.Wait()
			if k == 3 {
				if err := writer.Abort(); err != nil {
					t.Error(err)
				}
				return
			}
			if err := writer.Commit(t.Context()); err != nil {
				t.Error(err)
				return
			}
			img, err := w.Image(t.Context(), writer.Root())
			if err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, len(data))
			if _, err := img.ReadAt(got, 0); err != nil && err != io.EOF {
				t.Error(err)
			} else if !bytes.Equal(got, data) {
				t.Errorf("disk %d differs", k)
			}
		})
		wg.Go(func() {
			img, err := w.Image(t.Context(), first)
			if err != nil {
				t.Error(err)
				return
			}
			disktest.TestImage(t, img, disktest.Content(7, 20*block))
		})
	}
	wg.Wait()
	seen := make(map[blockstore.ID]bool)
	for _, a := range w.index.adds {
		for _, e := range a.Entries {
			if seen[e.ID] {
				t.Errorf("block %v is stored twice", e.ID)
			}
			seen[e.ID] = true
		}
	}
}

func TestTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := mustCreate(t, w.Store, leaf+10*block, blockstore.Root{}, write{0, pattern(7, 4*block)}, write{leaf, pattern(15, 3*block)})
	img, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{5, 6, block + 1, leaf + block, 9 * block} {
		if _, err := img.ReadAt(make([]byte, 10), off); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := img.ReadAt(make([]byte, block), leaf+block/2); err != nil {
		t.Fatal(err)
	}
	read, total, err := img.Touched(t.Context())
	if err != nil || read != 4 || total != 7 {
		t.Errorf("Touched = %d of %d, %v, want 4 of 7", read, total, err)
	}
}

// An open store fetches a block once, however many ask for it.
func TestCacheFetchesOnce(t *testing.T) {
	t.Parallel()
	for _, frames := range []bool{false, true} {
		cfg := small()
		cfg.SubFrames = frames
		w := openWorld(t, durabletest.New(), cfg)
		defer w.close(t)
		root := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(7, block)})
		img, err := w.Image(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		before := w.Stats()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if _, err := img.ReadAt(make([]byte, 100), int64(i*1000)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		after := w.Stats()
		if got := after.BlocksRead - before.BlocksRead; got != 1 {
			t.Errorf("frames %v: %d reads from the bucket, want 1", frames, got)
		}
		limit := int64(block + 200)
		if frames {
			limit = block/4 + 200
		}
		if got := after.BytesRead - before.BytesRead; got > limit {
			t.Errorf("frames %v: %d bytes read, want at most %d", frames, got, limit)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // 4 MiB of cache
	data := disktest.Content(5, 30*block)
	root := mustCreate(t, w.Store, int64(len(data)), blockstore.Root{}, write{0, data})
	img, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		for off := int64(0); off < int64(len(data)); off += block / 2 {
			got := make([]byte, 1000)
			if _, err := img.ReadAt(got, off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data[off:off+1000]) {
				t.Fatalf("round %d: bytes at %d differ", round, off)
			}
			if got := w.Stats().CacheBytes; got > 4<<20 {
				t.Fatalf("%d bytes in the cache", got)
			}
		}
	}
}
