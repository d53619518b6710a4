package blockstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

const logName = "snap-1.upload"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openUpload(t tb, w *world) *blockstore.Upload {
	t.Helper()
	u, err := w.OpenUpload(w.fs, logName)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func beginUpload(t tb, w *world, size int64, d blockstore.Domain) *blockstore.Upload {
	t.Helper()
	if err := w.CreateUpload(context.Background(), w.fs, logName, size, d); err != nil {
		t.Fatal(err)
	}
	return openUpload(t, w)
}

func put(u *blockstore.Upload, n int64, b []byte) error { return u.Put(n, sha256.Sum256(b), b, noon) }

func silent(int64, int64) {}

// linear is the aggregate of the blocks of a model that were put.
func linear(blocks map[int64][]byte) [32]byte {
	h := sha256.New()
	numbers := make([]int64, 0, len(blocks))
	for n := range blocks {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		sum := sha256.Sum256(blocks[n])
		h.Write(sum[:])
	}
	return [32]byte(h.Sum(nil))
}

// TestUpload puts blocks in a random order, some of them twice and some of
// zeros, from many clients, over a base, opens the log again in between, and
// commits.
func TestUpload(t *testing.T) {
	t.Parallel()
	for _, d := range []blockstore.Domain{"", keyA} {
		t.Run("domain "+string(d), func(t *testing.T) {
			t.Parallel()
			testUpload(t, d)
		})
	}
}

func testUpload(t *testing.T, d blockstore.Domain) {
	w := newWorld(t)
	const size = leaf + 5*block
	base := mustCreate(t, w.Store, 3*block, blockstore.Root{Domain: d}, write{0, pattern(1, block)}, write{2 * block, pattern(2, block)})
	u := beginUpload(t, w, size, d)
	m := newModel(size)
	m.write(pattern(1, block), 0)
	m.write(pattern(2, block), 2*block)
	blocks := make(map[int64][]byte)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 4 {
		var clients sync.WaitGroup
		for range 10 {
			n, b := rng.Int64N(size/block), pattern(rng.Uint64N(30), block)
			if rng.IntN(4) == 0 {
				clear(b)
			}
			if _, twice := blocks[n]; twice {
				clients.Wait() // the order of puts of one block matters
			}
			blocks[n] = b
			m.write(b, n*block)
			clients.Go(func() {
				if err := put(u, n, b); err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		u = openUpload(t, w)
	}
	defer u.Close()
	if u.Domain() != d {
		t.Errorf("the upload is in domain %q", u.Domain())
	}
	if got := u.Blocks(); got != int64(len(blocks)) {
		t.Errorf("Blocks = %d, want %d", got, len(blocks))
	}
	if !u.Last().Equal(noon) || u.Size() != size {
		t.Errorf("Last = %v, Size = %d", u.Last(), u.Size())
	}
	if sum, err := u.Sum(t.Context()); err != nil || sum != linear(blocks) {
		t.Errorf("Sum = %x, %v, want %x", sum, err, linear(blocks))
	}
	var done, total int64
	root, err := u.Commit(t.Context(), base, func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if done != total || total != int64(len(blocks)) {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	m.check(t, w.Store, root)
	again, err := u.Commit(t.Context(), base, silent)
	if err != nil || again != root {
		t.Errorf("committed again: %v, %v, want %v", again, err, root)
	}
	var listed []int64
	for n, err := range w.Blocks(t.Context(), root, 0) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, n)
	}
	img, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, block)
	for n := range int64(size / block) {
		want := padded(m.blocks[n])
		zero := slices.Equal(want, make([]byte, block))
		if slices.Contains(listed, n) == zero {
			t.Errorf("block %d: listed %v, zero %v", n, !zero, zero)
		}
		sum, err := img.ReadBlock(buf, n)
		if err != nil || sum != sha256.Sum256(want) || !slices.Equal(buf, want) {
			t.Errorf("block %d reads as another, %v", n, err)
		}
	}
	for from := range int64(size/block + 1) {
		var got []int64
		for n, err := range w.Blocks(t.Context(), root, from) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		at, _ := slices.BinarySearch(listed, from)
		if !slices.Equal(got, listed[at:]) {
			t.Fatalf("Blocks from %d = %v, want %v", from, got, listed[at:])
		}
	}
}

func TestUploadRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := beginUpload(t, w, 2*block, "")
	if err := w.CreateUpload(t.Context(), w.fs, logName, 2*block, ""); err == nil {
		t.Error("a second upload takes the name")
	}
	b := pattern(1, block)
	for n, p := range map[int64][]byte{-1: b, 2: b, 1 << 62: b, 0: b[:block-1], 1: append(slices.Clip(b), 0)} {
		if err := put(u, n, p); err == nil {
			t.Errorf("block %d of %d bytes is accepted", n, len(p))
		}
	}
	if _, err := u.Commit(t.Context(), blockstore.Root{Size: 3 * block}, silent); err == nil {
		t.Error("a larger base is accepted")
	}
	if _, err := u.Commit(t.Context(), mustCreate(t, w.Store, block, blockstore.Root{Domain: keyA}, write{0, b}), silent); err == nil {
		t.Error("a base in another domain is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := put(u, 0, b); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(ctx, blockstore.Root{}, silent); !errors.Is(err, context.Canceled) {
		t.Errorf("commit after the end of its context: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(u, 0, b); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("put after Close: %v", err)
	}
	if u.Close() == nil {
		t.Error("closed twice")
	}
	for _, size := range []int64{-1, 1 << 60} {
		if w.CreateUpload(t.Context(), w.fs, "other", size, "") == nil {
			t.Errorf("an upload of %d bytes begins", size)
		}
	}
}

// TestUploadRepeat shows that a client which puts the same again and again does
// not fill the disk.
func TestUploadRepeat(t *testing.T) {
	t.Parallel()
	for _, d := range []blockstore.Domain{"", keyA} {
		w := newWorld(t)
		u := beginUpload(t, w, block, d)
		b := pattern(7, block)
		if err := put(u, 0, b); err != nil {
			t.Fatal(err)
		}
		before := w.fs.Count(durabletest.OpWrite)
		for range 10 {
			if err := put(u, 0, b); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.fs.Count(durabletest.OpWrite) - before; n != 0 {
			t.Errorf("domain %q: %d writes for what is there", d, n)
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUploadAlone shows that a client which puts alone is not kept waiting for
// others.
func TestUploadAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		u := beginUpload(t, w, 4*block, "")
		defer u.Close()
		begin := time.Now()
		for n := range int64(4) {
			if err := put(u, n, pattern(uint64(n), block)); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("four puts waited for %v", waited)
		}
	})
}

// TestUploadTogether has clients put all at once, again and again: each put is
// answered, with fewer syncs than puts and long before anything times out.
func TestUploadTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const clients, rounds = 8, 6
		w := newWorld(t)
		u := beginUpload(t, w, clients*rounds*block, "")
		defer u.Close()
		before, begin := w.fs.Count(durabletest.OpSync), time.Now()
		var all sync.WaitGroup
		for c := range int64(clients) {
			all.Go(func() {
				for r := range int64(rounds) {
					if err := put(u, c*rounds+r, pattern(uint64(c*rounds+r), block)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		syncs, took := w.fs.Count(durabletest.OpSync)-before, time.Since(begin)
		if syncs > clients*rounds || took > time.Duration(syncs)*4*time.Millisecond {
			t.Errorf("%d puts took %d syncs and %v", clients*rounds, syncs, took)
		}
		if u.Blocks() != clients*rounds {
			t.Errorf("%d blocks were put, want %d", u.Blocks(), clients*rounds)
		}
	})
}

// TestUploadFull fails writes: what was answered stays, and the upload goes on.
func TestUploadFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := beginUpload(t, w, 4*block, "")
	m := newModel(4 * block)
	for n := range int64(4) {
		b := pattern(uint64(n)*8+7, block)
		if n%2 == 1 {
			w.fs.Fail(durabletest.OpWrite, 1, syscall.ENOSPC)
			if err := put(u, n, b); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("put on a full disk: %v", err)
			}
			continue
		}
		if err := put(u, n, b); err != nil {
			t.Fatal(err)
		}
		m.write(b, n*block)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	u = openUpload(t, w)
	defer u.Close()
	root, err := u.Commit(t.Context(), blockstore.Root{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	m.check(t, w.Store, root)
}

// TestUploadSyncFails shows that a failed sync ends the upload for all.
func TestUploadSyncFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := beginUpload(t, w, 4*block, "")
	defer u.Close()
	w.fs.Fail(durabletest.OpSync, 1, syscall.EIO)
	if err := put(u, 0, pattern(1, block)); !errors.Is(err, syscall.EIO) {
		t.Errorf("put whose sync fails: %v", err)
	}
	if err := put(u, 1, pattern(1, block)); !errors.Is(err, syscall.EIO) || u.Broken() == nil {
		t.Errorf("put after a failed sync: %v", err)
	}
}

// TestUploadCrash cuts the power at every point of an upload: what was answered
// is there, and its disk can be committed.
func TestUploadCrash(t *testing.T) {
	t.Parallel()
	const size = 6 * block
	points := 0
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w, d := openWorld(t, durabletest.New(), small()), []blockstore.Domain{"", keyA}[seed%2]
		if err := w.CreateUpload(t.Context(), w.fs, logName, size, d); err != nil {
			t.Fatal(err)
		}
		answered := make(map[int64][]byte)
		for range 4 {
			u := openUpload(t, w)
			maybe := make(map[int64][][]byte) // put and not answered
			w.fs.StopAfter(rng.IntN(12))
			for err := error(nil); err == nil; {
				n, b := rng.Int64N(size/block), pattern(rng.Uint64N(40), block)
				if err = put(u, n, b); err == nil {
					answered[n] = b
				} else {
					maybe[n] = append(maybe[n], b)
				}
			}
			points++
			_ = u.Close()
			after := w.fs.Crash(rng.Uint64())
			w.close(t)
			w = openWorld(t, after, small())
			u = openUpload(t, w)
			root, err := u.Commit(t.Context(), blockstore.Root{}, silent)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			img, err := w.Image(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, block)
			for n := range int64(size / block) {
				if _, err := img.ReadBlock(got, n); err != nil {
					t.Fatal(err)
				}
				ok := slices.Equal(got, padded(answered[n]))
				for _, b := range maybe[n] {
					if !ok && slices.Equal(got, b) {
						answered[n], ok = b, true
					}
				}
				if !ok {
					t.Fatalf("seed %d, crash %d: block %d is neither what was answered nor what came after", seed, points, n)
				}
			}
			if err := u.Close(); err != nil {
				t.Fatal(err)
			}
		}
		w.close(t)
	}
	t.Logf("%d crash points", points)
}

// TestUploadDamage flips a bit in an answered entry that is not the last: the
// log is not opened as if it were shorter.
func TestUploadDamage(t *testing.T) {
	t.Parallel()
	const sealed = 64 + int64(len(keyA)) + 8 // where the entries of a sealed log begin: behind a checksum and 4 zeros
	for d, offsets := range map[blockstore.Domain][]int64{
		"":   {64, 70, 64 + 80 + 5, 0, 40, 61},
		keyA: {sealed, sealed + 6, sealed + 80, sealed + 80 + 20, sealed + 80 + 70, 0, 10, 40, 61, 64, sealed - 5},
	} {
		w := newWorld(t)
		u := beginUpload(t, w, 4*block, d)
		for n := range int64(3) {
			if err := put(u, n, pattern(uint64(n), block)); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := w.fs.Open(logName)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, off := range offsets {
			var b [1]byte
			if _, err := f.ReadAt(b[:], off); err != nil {
				t.Fatal(err)
			}
			flip := []byte{b[0] ^ 1}
			if _, err := f.WriteAt(flip, off); err != nil {
				t.Fatal(err)
			}
			if _, err := w.OpenUpload(w.fs, logName); !errors.Is(err, blockstore.ErrCorrupt) {
				t.Errorf("domain %q, damaged at %d: got %v", d, off, err)
			}
			if _, err := f.WriteAt(b[:], off); err != nil {
				t.Fatal(err)
			}
		}
		u = openUpload(t, w)
		if u.Blocks() != 3 {
			t.Errorf("domain %q: %d blocks after the damage was mended", d, u.Blocks())
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUploadSealed looks for what was put in the log of an encrypted upload:
// neither the bytes, nor their hash, nor the key are there, and two logs with
// the same blocks have nothing in common.
func TestUploadSealed(t *testing.T) {
	t.Parallel()
	for _, codec := range []blockstore.Codec{blockstore.CodecRaw, blockstore.CodecZstd} {
		cfg := small()
		cfg.Codec = codec
		w, ring := keyedWorld(t, cfg)
		ring.set(keyA, (*blockstore.Key)([]byte("this key is in no file at all!!!")))
		data := append(pattern(7, block), bytes.Repeat([]byte("a secret "), block/9+1)[:block]...)
		logs := []string{logName, "snap-2.upload"}
		for _, name := range logs {
			if err := w.CreateUpload(t.Context(), w.fs, name, 3*block, keyA); err != nil {
				t.Fatal(err)
			}
			u, err := w.OpenUpload(w.fs, name)
			if err != nil {
				t.Fatal(err)
			}
			for n := range int64(2) {
				if err := put(u, n, data[n*block:(n+1)*block]); err != nil {
					t.Fatal(err)
				}
			}
			if err := u.Close(); err != nil {
				t.Fatal(err)
			}
		}
		mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(3, block)})
		all := files(t, w.fs)
		secrets := [][]byte{[]byte("this key is"), []byte("a secret"), []byte("ORec")}
		for n := range 2 {
			sum := sha256.Sum256(data[n*block : (n+1)*block])
			secrets = append(secrets, sum[:])
		}
		for off := 0; off+16 <= block; off += 30_011 {
			secrets = append(secrets, data[off:off+16])
		}
		for _, name := range logs {
			for _, secret := range secrets {
				if bytes.Contains(all[name], secret) {
					t.Errorf("%v: %s has %.32q in it", codec, name, secret)
				}
			}
		}
		const at = 64 + len(keyA) + 8 + 80 // the body of the first entry
		if one, two := all[logs[0]], all[logs[1]]; len(one) != len(two) || bytes.Equal(one[at:at+64], two[at:at+64]) || bytes.Equal(one[at+64:at+4096], two[at+64:at+4096]) {
			t.Errorf("%v: two logs have the same ciphertext", codec)
		}
	}
}

// TestUploadKey takes the key of an upload away, and gives it another. The log
// can be opened all the same, to see how old it is.
func TestUploadKey(t *testing.T) {
	t.Parallel()
	w, ring := keyedWorld(t, small())
	u := beginUpload(t, w, 4*block, keyA)
	b := pattern(7, block)
	if err := errors.Join(put(u, 1, b), put(u, 2, make([]byte, block)), u.Close()); err != nil {
		t.Fatal(err)
	}
	use := func(u *blockstore.Upload) map[string]error {
		_, sumErr := u.Sum(t.Context())
		_, commitErr := u.Commit(t.Context(), blockstore.Root{}, silent)
		return map[string]error{"Put": put(u, 0, b), "Sum": sumErr, "Commit": commitErr}
	}
	for name, tt := range map[string]struct {
		key  *blockstore.Key
		want error
	}{"no key": {nil, errDisabled}, "another key": {&blockstore.Key{9}, blockstore.ErrWrongKey}} {
		ring.set(keyA, tt.key)
		u := openUpload(t, w)
		if u.Blocks() != 2 || !u.Last().Equal(noon) {
			t.Errorf("%s: %d blocks, the last at %v", name, u.Blocks(), u.Last())
		}
		for what, err := range use(u) {
			if !errors.Is(err, tt.want) || !errors.Is(err, blockstore.ErrNoKey) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
		if err := w.CreateUpload(t.Context(), w.fs, "other", block, keyA); tt.key == nil && !errors.Is(err, errDisabled) {
			t.Errorf("%s: another upload begins: %v", name, err)
		}
	}
	ring.set(keyA, &blockstore.Key{1})
	u = openUpload(t, w)
	defer u.Close()
	for what, err := range use(u) {
		if err != nil {
			t.Errorf("with its key again: %s: %v", what, err)
		}
	}
}

// TestDiffFrom pages through changes: each page reads only nodes on the way to
// its own changes.
func TestDiffFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const size = 1 << 40
	base := mustCreate(t, w.Store, size, blockstore.Root{}, write{0, pattern(8, block)})
	var writes []write
	for n := range int64(50) {
		writes = append(writes, write{(n*37 + 5) * leaf, pattern(uint64(n)*8, block)})
	}
	next := mustCreate(t, w.Store, size, base, writes...)
	all := diff(t, w, base, next)
	for i, n := range all {
		before := w.Stats().NodeReads
		for c, err := range w.DiffFrom(t.Context(), base, next, n) {
			if err != nil {
				t.Fatal(err)
			}
			if c.Block != n {
				t.Errorf("the first change from %d is %d", n, c.Block)
			}
			break
		}
		if nodes := w.Stats().NodeReads - before; nodes > 8 {
			t.Errorf("change %d: %d nodes read", i, nodes)
		}
	}
	for c, err := range w.DiffFrom(t.Context(), base, next, all[len(all)-1]+1) {
		t.Errorf("a change behind the last: %v, %v", c, err)
	}
}
