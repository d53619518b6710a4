package keywrap_test

import (
	"bytes"
	"errors"
	"testing"

	"origami/internal/keywrap"
)

func TestKey(t *testing.T) {
	t.Parallel()
	k := keywrap.NewKey()
	same, err := keywrap.KeyOf(k.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal([]byte("secret"), "p")
	if got, err := same.Open(sealed, "p"); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	if k.Derive("a") != same.Derive("a") || k.Derive("a") == k.Derive("b") || k.Derive("a") == keywrap.NewKey().Derive("a") {
		t.Error("derived values are not of key and purpose")
	}
	if _, err := keywrap.NewKey().Open(sealed, "p"); !errors.Is(err, keywrap.ErrDamaged) {
		t.Errorf("another key: got error %v", err)
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := keywrap.KeyOf(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestSealPanics(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, keywrap.MaxKey + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("sealed %d bytes", n)
				}
			}()
			keywrap.NewKey().Seal(make([]byte, n), "")
		}()
	}
}

func FuzzOpen(f *testing.F) {
	k, err := keywrap.KeyOf(bytes.Repeat([]byte{1}, keywrap.KeySize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Seal([]byte("secret"), "p"), "p")
	f.Add([]byte("okw1"), "")
	f.Add([]byte("okw2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "p")
	f.Fuzz(func(t *testing.T, sealed []byte, purpose string) {
		plain, err := k.Open(sealed, purpose)
		if err != nil {
			if plain != nil || !errors.Is(err, keywrap.ErrDamaged) {
				t.Errorf("got %x, %v", plain, err)
			}
			return
		}
		if len(plain) == 0 || string(plain) != "secret" {
			t.Errorf("something else was opened: %q", plain)
		}
	})
}
