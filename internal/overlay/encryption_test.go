package overlay_test

import (
	"bytes"
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/xts"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

var (
	testKey     = bytes.Repeat([]byte{0x5a, 0xc3}, overlay.KeySize/2)
	testWrapped = overlay.WrappedKey{KeyID: "arn:aws:kms:us-east-1:123456789012:key/k", Blob: []byte("wrapped")}
)

// unwrapTest unwraps testWrapped only.
func unwrapTest(w overlay.WrappedKey) ([]byte, error) {
	if !cmp.Equal(w, testWrapped) {
		return nil, errors.New("another key was wrapped")
	}
	return bytes.Clone(testKey), nil
}

func ones(string) (disk.Image, error) { return image(bytes.Repeat([]byte{1}, 64*unit)), nil }

// encrypted is an encrypted volume over a base of ones.
func encrypted(t testing.TB, fsys durable.FS, dir string) *overlay.Device {
	t.Helper()
	if err := overlay.CreateEncrypted(fsys, dir, 64*unit, "base", testKey, testWrapped); err != nil {
		t.Fatal(err)
	}
	return openEncrypted(t, fsys, dir)
}

func openEncrypted(t testing.TB, fsys durable.FS, dir string) *overlay.Device {
	t.Helper()
	d, err := overlay.OpenWith(fsys, dir, overlay.Options{Resolve: ones, Unwrap: unwrapTest, Boot: liveBoot})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// contents returns all files of a directory.
func contents(t testing.TB, fsys durable.FS, dir string) map[string][]byte {
	t.Helper()
	names, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for _, name := range names {
		if all[name], err = durable.ReadFile(fsys, path.Join(dir, name), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestCiphertext reads data files as the format says, with other code.
func TestCiphertext(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	d := encrypted(t, fsys, "v")
	var secret [3*unit + 100]byte
	for i := range secret {
		secret[i] = byte(i*7 + i/unit)
	}
	write(t, d, secret[:], 5*unit)
	if _, err := overlay.Freeze(d); err != nil {
		t.Fatal(err)
	}
	write(t, d, secret[:], 5*unit)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files := contents(t, fsys, "v")
	volume := files["state"][16:32]
	want := append(bytes.Clone(secret[:]), bytes.Repeat([]byte{1}, unit-100)...) // completed from the base
	seen := make(map[string]bool)
	for layer := range uint64(2) {
		prk, err := hkdf.Extract(sha256.New, testKey, volume)
		if err != nil {
			t.Fatal(err)
		}
		info := binary.LittleEndian.AppendUint64([]byte("origami overlay layer "), layer+1)
		key, err := hkdf.Expand(sha256.New, prk, string(info), 64)
		if err != nil {
			t.Fatal(err)
		}
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			t.Fatal(err)
		}
		file := files[[]string{"0000000000000001.00.data", "0000000000000002.00.data"}[layer]]
		if len(file) != 64*unit {
			t.Fatalf("data file of layer %d has %d bytes", layer+1, len(file))
		}
		for u := range 4 {
			sealed := file[(5+u)*unit : (6+u)*unit]
			if seen[string(sealed)] {
				t.Errorf("unit %d of layer %d has the ciphertext of another", 5+u, layer+1)
			}
			seen[string(sealed)] = true
			got := make([]byte, unit)
			c.Decrypt(got, sealed, uint64(5+u))
			if !bytes.Equal(got, want[u*unit:(u+1)*unit]) {
				t.Errorf("unit %d of layer %d is not what was written", 5+u, layer+1)
			}
		}
	}
}

// TestNoPlaintext looks for what was written in all files, at any time of the
// life of a volume.
func TestNoPlaintext(t *testing.T) {
	t.Parallel()
	for _, crypt := range []bool{true, false} { // without, it must be found
		fsys := durabletest.New()
		create := func() error { return overlay.Create(fsys, "v", 64*unit, "base") }
		if crypt {
			create = func() error { return overlay.CreateEncrypted(fsys, "v", 64*unit, "base", testKey, testWrapped) }
		}
		if err := create(); err != nil {
			t.Fatal(err)
		}
		secret := []byte("~squeamish~ossifrage~")
		found := 0
		look := func() {
			for _, b := range contents(t, fsys, "v") {
				// Any 8 bytes of it, and any 8 of the key and the base.
				for i := range len(secret) - 8 {
					found += bytes.Count(b, secret[i:i+8])
				}
				found += bytes.Count(b, testKey[:8]) + bytes.Count(b, bytes.Repeat([]byte{1}, 256))
			}
		}
		d := openEncrypted(t, fsys, "v")
		for i := range int64(20) {
			write(t, d, secret, i*unit+i*100)                                        // completes a unit
			write(t, d, secret, i*unit+i*90)                                         // overwrites a part
			write(t, d, bytes.Repeat(secret, 3*unit/len(secret)), (20+i)*unit+i*100) // several units
			look()
			var err error
			switch i % 5 {
			case 0:
				err = d.Trim(i*unit, 2*unit)
			case 1:
				err = d.Flush()
			case 2:
				_, err = overlay.Freeze(d)
			case 3:
				d = openEncrypted(t, fsys, "v")
			}
			if err != nil {
				t.Fatal(err)
			}
			look()
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		look()
		if crypt != (found == 0) {
			t.Errorf("encrypted %v: %d pieces of plaintext in the files", crypt, found)
		}
	}
}

func TestKeyErrors(t *testing.T) {
	t.Parallel()
	refused := errors.New("key is disabled")
	fsys := durabletest.New()
	d := encrypted(t, fsys, "v")
	write(t, d, []byte("x"), 0)
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	// What an Open would tidy up, if it went on.
	f, err := fsys.Create("v/garbage.tmp")
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	before := contents(t, fsys, "v")
	for name, tt := range map[string]struct {
		unwrap func(overlay.WrappedKey) ([]byte, error)
		want   error
	}{
		"wrong":   {func(overlay.WrappedKey) ([]byte, error) { return make([]byte, overlay.KeySize), nil }, overlay.ErrWrongKey},
		"bit":     {func(overlay.WrappedKey) ([]byte, error) { k := bytes.Clone(testKey); k[31] ^= 1; return k, nil }, overlay.ErrWrongKey},
		"short":   {func(overlay.WrappedKey) ([]byte, error) { return testKey[:16], nil }, overlay.ErrWrongKey},
		"long":    {func(overlay.WrappedKey) ([]byte, error) { return append(bytes.Clone(testKey), 0), nil }, overlay.ErrWrongKey},
		"refused": {func(overlay.WrappedKey) ([]byte, error) { return nil, refused }, refused},
		"nobody":  {nil, overlay.ErrNoKey},
	} {
		_, err := overlay.OpenWith(fsys, "v", overlay.Options{Resolve: ones, Unwrap: tt.unwrap, Boot: liveBoot})
		var k *overlay.KeyError
		if !errors.Is(err, tt.want) || !errors.As(err, &k) || k.KeyID != testWrapped.KeyID {
			t.Errorf("%s: %v, want a KeyError of %q that is %v", name, err, testWrapped.KeyID, tt.want)
		}
	}
	if _, err := overlay.Open(fsys, "v", ones); !errors.Is(err, overlay.ErrNoKey) {
		t.Errorf("Open: %v, want ErrNoKey", err)
	}
	if diff := cmp.Diff(before, contents(t, fsys, "v")); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
	p := make([]byte, 1)
	if _, err := openEncrypted(t, fsys, "v").ReadAt(p, 0); err != nil || p[0] != 'x' {
		t.Errorf("with the right key: %q, %v", p, err)
	}
}

func TestCreateEncrypted(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	long := overlay.WrappedKey{KeyID: strings.Repeat("k", overlay.MaxKeyID), Blob: bytes.Repeat([]byte{9}, overlay.MaxWrappedKey)}
	for name, tt := range map[string]struct {
		key     []byte
		wrapped overlay.WrappedKey
		ok      bool
	}{
		"usual":     {testKey, testWrapped, true},
		"none":      {nil, testWrapped, false},
		"short":     {testKey[:31], testWrapped, false},
		"empty":     {testKey, overlay.WrappedKey{}, true},
		"longest":   {testKey, long, true},
		"long ID":   {testKey, overlay.WrappedKey{KeyID: long.KeyID + "k"}, false},
		"long blob": {testKey, overlay.WrappedKey{Blob: append(bytes.Clone(long.Blob), 9)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := overlay.WrappedKey{KeyID: tt.wrapped.KeyID, Blob: bytes.Clone(tt.wrapped.Blob)}
			err := overlay.CreateEncrypted(fsys, name, 4*unit, "", tt.key, wrapped)
			if !tt.ok {
				if err == nil {
					t.Error("a volume was made")
				}
				if _, err := fsys.List(name); err == nil {
					t.Error("a directory was made")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, is, err := overlay.KeyOf(fsys, name)
			if err != nil || !is || got.KeyID != tt.wrapped.KeyID || !bytes.Equal(got.Blob, tt.wrapped.Blob) {
				t.Errorf("KeyOf: %+v, %v, %v; want %+v", got, is, err, tt.wrapped)
			}
			var asked overlay.WrappedKey
			d, err := overlay.OpenWith(fsys, name, overlay.Options{Unwrap: func(w overlay.WrappedKey) ([]byte, error) {
				asked = w
				return tt.key, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got, is := d.Key(); !is || !cmp.Equal(got, asked) {
				t.Errorf("Key: %+v, %v; Unwrap was asked for %+v", got, is, asked)
			}
			// Every kind of change of the state keeps the key.
			if err := errors.Join(d.Grow(8*unit), d.Close()); err != nil {
				t.Fatal(err)
			}
			if got, _, err := overlay.KeyOf(fsys, name); err != nil || !cmp.Equal(got, asked) {
				t.Errorf("KeyOf after Close: %+v, %v; want %+v", got, err, asked)
			}
		})
	}
	if err := overlay.Create(fsys, "plain", 4*unit, ""); err != nil {
		t.Fatal(err)
	}
	if _, is, err := overlay.KeyOf(fsys, "plain"); is || err != nil {
		t.Errorf("KeyOf of a volume that is not encrypted: %v, %v", is, err)
	}
}

// TestSameKey makes two volumes with one key: their ciphertexts differ.
func TestSameKey(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	p := bytes.Repeat([]byte{3}, unit)
	var sealed [][]byte
	for _, dir := range []string{"a", "b"} {
		d := encrypted(t, fsys, dir)
		write(t, d, p, unit)
		sealed = append(sealed, contents(t, fsys, dir)["0000000000000001.00.data"][unit:2*unit])
	}
	if bytes.Equal(sealed[0], sealed[1]) {
		t.Error("two volumes have the same ciphertext")
	}
	// Neither opens with the state of the other.
	for name, b := range contents(t, fsys, "a") {
		if name != "state" {
			edit(t, fsys, path.Join("b", name), func([]byte) []byte { return b })
		}
	}
	if _, err := overlay.OpenWith(fsys, "b", overlay.Options{Resolve: ones, Unwrap: unwrapTest}); !errors.Is(err, overlay.ErrCorrupt) {
		t.Errorf("with the maps of another volume: %v, want ErrCorrupt", err)
	}
}

// TestEncryptedBitFlips flips every bit of the state, the key's included.
func TestEncryptedBitFlips(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := encrypted(t, fsys, "v").Close(); err != nil {
		t.Fatal(err)
	}
	b := contents(t, fsys, "v")["state"]
	open := func(state []byte) error {
		edit(t, fsys, "v/state", func([]byte) []byte { return state })
		_, err := overlay.OpenWith(fsys, "v", overlay.Options{Resolve: ones, Unwrap: unwrapTest})
		return err
	}
	for bit := range 8 * len(b) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := open(flipped); !errors.Is(err, overlay.ErrCorrupt) {
			t.Fatalf("bit %d: %v, want ErrCorrupt", bit, err)
		}
	}
	for n := range len(b) {
		if err := open(b[:n]); !errors.Is(err, overlay.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v, want ErrCorrupt", n, err)
		}
		// The same with a checksum that is right.
		if err := open(seal(bytes.Clone(b[:n]))); n < len(b)-4 && !errors.Is(err, overlay.ErrCorrupt) {
			t.Fatalf("cut to %d bytes and sealed: %v, want ErrCorrupt", n, err)
		}
	}
}

// TestEncryptedRaces reads and trims units while they are written: each block
// of the cipher is of one write or the other, or zero.
func TestEncryptedRaces(t *testing.T) {
	t.Parallel()
	fsys, err := durable.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := overlay.CreateEncrypted(fsys, "v", 64*unit, "", testKey, testWrapped); err != nil {
		t.Fatal(err)
	}
	d := openEncrypted(t, fsys, "v")
	const rounds = 300
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range byte(2) {
		writers.Go(func() {
			for range rounds {
				write(t, d, bytes.Repeat([]byte{w + 1}, 4*unit), 0)
				write(t, d, bytes.Repeat([]byte{w + 1}, unit+100), 50)
			}
		})
	}
	writers.Go(func() {
		for range rounds {
			if err := d.Trim(unit, unit); err != nil {
				t.Error(err)
			}
		}
	})
	check := func() {
		p := make([]byte, 4*unit)
		if _, err := d.ReadAt(p, 0); err != nil && err != io.EOF {
			t.Error(err)
		}
		if i := slices.IndexFunc(p, func(b byte) bool { return b > 2 }); i >= 0 {
			t.Errorf("byte %d is %#x, which nobody wrote", i, p[i])
		}
	}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				check()
			}
		}
	})
	writers.Wait()
	close(stop)
	readers.Wait()
	check()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
