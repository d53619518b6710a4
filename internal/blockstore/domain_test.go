package blockstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami/disk"
	"origami/disk/disktest"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
)

const (
	keyA = blockstore.Domain("arn:aws:kms:us-east-1:111111111111:key/a")
	keyB = blockstore.Domain("arn:aws:kms:us-east-1:222222222222:key/b")
)

// domains are those that tests use, the unencrypted one among them.
var domains = []blockstore.Domain{"", keyA, keyB}

var errDisabled = errors.New("the key is disabled")

// keyring has keys and loses them.
type keyring struct {
	mu   sync.Mutex
	keys map[blockstore.Domain]blockstore.Key
}

func newKeyring() *keyring {
	return &keyring{keys: map[blockstore.Domain]blockstore.Key{keyA: {1}, keyB: {2}}}
}

func (k *keyring) DomainKey(_ context.Context, d blockstore.Domain) (blockstore.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[d]
	if !ok {
		return blockstore.Key{}, errDisabled
	}
	return key, nil
}

// set changes or, if it is nil, takes away the key of a domain.
func (k *keyring) set(d blockstore.Domain, key *blockstore.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, d)
	if key != nil {
		k.keys[d] = *key
	}
}

// world with a keyring of its own.
func keyedWorld(t *testing.T, cfg blockstore.Config) (*world, *keyring) {
	t.Helper()
	ring := newKeyring()
	cfg.Keys = ring
	w := openWorld(t, durabletest.New(), cfg)
	t.Cleanup(func() { w.close(t) })
	return w, ring
}

func TestEncryptedConformance(t *testing.T) {
	t.Parallel()
	want := disktest.Content(1, 3*block+512)
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t, durabletest.New(), cfg)
			defer w.close(t)
			root := mustCreate(t, w.Store, int64(len(want)), blockstore.Root{Domain: keyA}, write{0, want})
			if root.Domain != keyA {
				t.Errorf("root in domain %q", root.Domain)
			}
			img, err := w.Image(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			disktest.TestImage(t, img, want)
		})
	}
	disktest.TestWriter(t, func(t *testing.T, size int64) disktest.Sink {
		w := newWorld(t)
		writer, err := w.NewWriter(size, blockstore.Root{Domain: keyA})
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

// Blocks are stored once in a domain, and once more in another.
func TestDedupeInsideDomainsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := pattern(7, 3*block)
	roots := make(map[blockstore.ID]blockstore.Domain)
	for _, d := range domains {
		before := w.Stats().BytesStored
		first := mustCreate(t, w.Store, 4*block, blockstore.Root{Domain: d}, write{0, data})
		stored := w.Stats().BytesStored - before
		if stored < 3*block {
			t.Errorf("domain %q: %d bytes stored for three blocks that it did not have", d, stored)
		}
		again := mustCreate(t, w.Store, 4*block, blockstore.Root{Domain: d}, write{0, data})
		if again != first {
			t.Errorf("domain %q: equal disks are %v and %v", d, first, again)
		}
		if got := w.Stats().BytesStored - before; got != stored {
			t.Errorf("domain %q: %d bytes stored for what was there", d, got-stored)
		}
		if other, ok := roots[first.ID]; ok {
			t.Errorf("domains %q and %q have one identity for a disk", d, other)
		}
		roots[first.ID] = d
	}
	for id, d := range roots {
		for _, other := range domains {
			if other == d {
				continue
			}
			// An identity opens nothing in another domain.
			if _, err := w.Image(t.Context(), blockstore.Root{ID: id, Size: 4 * block, Domain: other}); !errors.Is(err, blockstore.ErrCorrupt) {
				t.Errorf("a root of %q opened in %q: %v", d, other, err)
			}
		}
	}
}

// Neither plain bytes, nor their hashes, nor the domain's key are in any file.
func TestNoPlaintextInFiles(t *testing.T) {
	t.Parallel()
	for _, codec := range []blockstore.Codec{blockstore.CodecRaw, blockstore.CodecZstd} {
		cfg := small()
		cfg.Codec = codec
		w, ring := keyedWorld(t, cfg)
		ring.set(keyA, (*blockstore.Key)([]byte("this key is in no file at all!!!")))
		data := append(pattern(7, block), bytes.Repeat([]byte("a secret "), block/9+1)[:block]...)
		plain := mustCreate(t, w.Store, leaf+2*block, blockstore.Root{}, write{0, pattern(15, block)})
		mustCreate(t, w.Store, leaf+2*block, blockstore.Root{Domain: keyA}, write{0, data}, write{leaf, data})
		if _, err := w.Copy(t.Context(), plain, keyA, blockstore.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		key, _ := ring.DomainKey(t.Context(), keyA)
		sums := [][]byte{key[:]}
		for _, b := range [][]byte{data[:block], data[block:]} {
			sum := sha256.Sum256(b)
			sums = append(sums, sum[:], []byte(hex.EncodeToString(sum[:])))
		}
		for name, b := range files(t, w.fs) {
			for _, sum := range sums {
				if bytes.Contains(b, sum) {
					t.Errorf("%v: %s has a hash or the key in it", codec, name)
				}
			}
			for off := 0; off+16 <= block; off += 30_011 {
				for _, piece := range [][]byte{data[off : off+16], data[block+off : block+off+16]} {
					if bytes.Contains(b, piece) {
						t.Fatalf("%v: %s has plain bytes in it", codec, name)
					}
				}
			}
			if bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("ONod")) && !unencrypted(b) {
				t.Errorf("%v: %s has text in it", codec, name)
			}
		}
	}
}

// unencrypted says whether a file is the index, or a pack of the unencrypted
// domain, whose nodes are as they are.
func unencrypted(b []byte) bool {
	return !bytes.HasPrefix(b, []byte("ORIGPACK")) || b[11] == 0
}

func files(t *testing.T, fsys durable.FS) map[string][]byte {
	t.Helper()
	names, err := fsys.List(".")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for _, name := range names {
		if name == ".tmp" {
			continue
		}
		b, err := durable.ReadFile(fsys, name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	if len(all) < 3 {
		t.Fatalf("files %v test nothing", slices.Collect(maps.Keys(all)))
	}
	return all
}

// TestEveryFlipOfEncrypted is TestEveryFlip for encrypted packs.
func TestEveryFlipOfEncrypted(t *testing.T) {
	t.Parallel()
	for _, frames := range []bool{false, true} {
		cfg := small()
		cfg.SubFrames = frames
		w := openWorld(t, durabletest.New(), cfg)
		data := append(bytes.Repeat([]byte("one "), block/4), bytes.Repeat([]byte("two "), block/4)...)
		root := mustCreate(t, w.Store, 2*block, blockstore.Root{Domain: keyA}, write{0, data})
		rows := w.index.mem.Rows()
		w.close(t)
		for _, name := range packFiles(t, w.fs) {
			for off := range fileSize(t, w.fs, name) {
				flip(t, w.fs, name, off, 1<<(off%8))
				if !checkFlipped(t, w.fs, cfg, root, data, rows) {
					t.Errorf("frames %v: flip at %d of %s is not noticed", frames, off, name)
				}
				flip(t, w.fs, name, off, 1<<(off%8))
				if t.Failed() {
					t.Fatalf("frames %v: flip at %d of %s", frames, off, name)
				}
			}
		}
	}
}

// Without the key nothing can be read or written, and the error says why.
func TestMissingKey(t *testing.T) {
	t.Parallel()
	w, ring := keyedWorld(t, small())
	data := pattern(7, 2*block)
	root := mustCreate(t, w.Store, 3*block, blockstore.Root{Domain: keyA}, write{0, data})
	plain := mustCreate(t, w.Store, 3*block, blockstore.Root{}, write{0, data})
	open, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.ReadAt(make([]byte, 100), 0); err != nil { // into the cache
		t.Fatal(err)
	}
	key, _ := ring.DomainKey(t.Context(), keyA)
	ring.set(keyA, nil)

	refusals := func(t *testing.T, w *world, want ...error) {
		for name, f := range map[string]func() error{
			"Image":        func() error { _, err := w.Image(t.Context(), root); return err },
			"Image, empty": func() error { _, err := w.Image(t.Context(), blockstore.Root{Domain: keyA}); return err },
			"NewWriter":    func() error { _, err := w.NewWriter(block, blockstore.Root{Domain: keyA}); return err },
			"NewWriter over a base": func() error {
				_, err := w.NewWriter(3*block, root)
				return err
			},
			"Usage":  func() error { _, err := w.Usage(t.Context(), root); return err },
			"Verify": func() error { _, err := w.Verify(t.Context(), root); return err },
			"Diff": func() error {
				for _, err := range w.Diff(t.Context(), root, root) {
					return err
				}
				return nil
			},
			"Copy from": func() error {
				_, err := w.Copy(t.Context(), root, "", blockstore.CopyOptions{})
				return err
			},
			"Copy to itself": func() error {
				_, err := w.Copy(t.Context(), root, keyA, blockstore.CopyOptions{})
				return err
			},
			"Copy to": func() error {
				_, err := w.Copy(t.Context(), plain, keyA, blockstore.CopyOptions{})
				return err
			},
		} {
			err := f()
			var ke *blockstore.KeyError
			if !errors.As(err, &ke) || ke.Domain != keyA {
				t.Errorf("%s: %v, want a KeyError of the domain", name, err)
			}
			for _, target := range append(want, blockstore.ErrNoKey) {
				if !errors.Is(err, target) {
					t.Errorf("%s: %v, want %v", name, err, target)
				}
			}
		}
	}
	refusals(t, w, errDisabled)
	got := make([]byte, 2*block)
	if _, err := open.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("what was open does not go on: %v", err)
	}
	readAll(t, w, plain, append(data, make([]byte, block)...))

	ring.set(keyA, &key)
	readAll(t, w, root, append(data, make([]byte, block)...))

	without := small()
	without.Keys = nil
	again := openWorld(t, w.fs, without)
	defer again.close(t)
	refusals(t, again)
}

func readAll(t *testing.T, w *world, root blockstore.Root, want []byte) {
	t.Helper()
	img, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := img.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%v holds other bytes", root)
	}
}

// Another key opens nothing, whether or not the bytes are cached.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	w, ring := keyedWorld(t, small())
	data := pattern(7, 2*block)
	root := mustCreate(t, w.Store, 2*block, blockstore.Root{Domain: keyA}, write{0, data})
	readAll(t, w, root, data)
	img, _ := w.Image(t.Context(), root)
	if _, err := img.ReadAt(make([]byte, 10), 5); err != nil {
		t.Fatal(err)
	}
	right, _ := ring.DomainKey(t.Context(), keyA)
	ring.set(keyA, &blockstore.Key{9})
	if _, err := w.Image(t.Context(), root); !errors.Is(err, blockstore.ErrWrongKey) || !errors.Is(err, blockstore.ErrNoKey) || errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("Image with another key: %v, want %v", err, blockstore.ErrWrongKey)
	}
	if _, err := w.Verify(t.Context(), root); !errors.Is(err, blockstore.ErrWrongKey) {
		t.Errorf("Verify with another key: %v, want %v", err, blockstore.ErrWrongKey)
	}
	// It writes disks of its own, which the right key does not open.
	other := mustCreate(t, w.Store, 2*block, blockstore.Root{Domain: keyA}, write{0, data})
	readAll(t, w, other, data)
	ring.set(keyA, &right)
	if _, err := w.Image(t.Context(), other); !errors.Is(err, blockstore.ErrWrongKey) {
		t.Errorf("Image of a disk of another key: %v, want %v", err, blockstore.ErrWrongKey)
	}
	readAll(t, w, root, data)
}

// The index is rebuilt without any key.
func TestRebuildWithoutKeys(t *testing.T) {
	t.Parallel()
	for _, footers := range []bool{true, false} {
		w, ring := keyedWorld(t, small())
		var roots []blockstore.Root
		data := pattern(7, 2*block)
		for _, d := range domains {
			roots = append(roots, mustCreate(t, w.Store, leaf+block, blockstore.Root{Domain: d}, write{leaf - block, data}))
		}
		keys := maps.Clone(ring.keys)
		ring.set(keyA, nil)
		ring.set(keyB, nil)
		rows, packs := w.index.mem.Rows(), packsOf(w)
		if !footers {
			for _, name := range packFiles(t, w.fs) {
				flip(t, w.fs, name, fileSize(t, w.fs, name)-20, 1)
			}
		}
		if err := w.RebuildIndex(t.Context()); (err != nil) == footers {
			t.Errorf("RebuildIndex: %v", err)
		}
		if d := cmp.Diff(rows, w.index.mem.Rows()); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
		if d := cmp.Diff(packs, packsOf(w)); d != "" {
			t.Errorf("packs (-want +got):\n%s", d)
		}
		for d, key := range keys {
			ring.set(d, &key)
		}
		for _, root := range roots {
			damage, err := w.Verify(t.Context(), root)
			if err != nil || len(damage) > 0 {
				t.Errorf("Verify of %v = %v, %v", root, damage, err)
			}
		}
	}
}

// Packs of a domain are closed with its last writer.
func TestManyDomains(t *testing.T) {
	t.Parallel()
	ring := newKeyring()
	cfg := blockstore.Config{Keys: ring}
	w := openWorld(t, durabletest.New(), cfg)
	defer w.close(t)
	for n := range 20 {
		d := blockstore.Domain([]byte{'k', byte('a' + n)})
		ring.set(d, &blockstore.Key{byte(n)})
		writer, err := w.NewWriter(block, blockstore.Root{Domain: d})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.WriteAt(pattern(1, block), 0); err != nil {
			t.Fatal(err)
		}
		if err := writer.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	for late := time.Now().Add(5 * time.Minute); ; runtime.Gosched() {
		open, err := w.fs.List(".tmp")
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 && w.Stats().Packs == 20 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%d packs are open: %v", len(open), open)
		}
	}
}
