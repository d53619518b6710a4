// Package keywraptest is what the contract of keywrap.Root asks of every
// implementation.
package keywraptest

import (
	"bytes"
	"errors"
	"testing"

	"origami/internal/keywrap"
)

// Run tests a root. Each call of open gives the same root as a process that
// starts anew would find it; it does not exist before the first Wrap, or has
// always existed.
func Run(t *testing.T, open func() keywrap.Root) {
	t.Helper()
	ctx := t.Context()
	secret := bytes.Repeat([]byte{7}, 32)
	wrapped, err := open().Wrap(ctx, secret, "purpose")
	if err != nil {
		t.Fatal(err)
	}
	if len(wrapped) > keywrap.MaxWrapped || bytes.Contains(wrapped, secret) {
		t.Errorf("wrapped form %x", wrapped)
	}
	again, err := open().Wrap(ctx, secret, "purpose")
	if err != nil || bytes.Equal(again, wrapped) {
		t.Errorf("wrapping twice: %v, equal %t, want two different forms", err, bytes.Equal(again, wrapped))
	}
	for _, w := range [][]byte{wrapped, again} {
		if got, err := open().Unwrap(ctx, w, "purpose"); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("unwrap: got %x, %v, want %x", got, err, secret)
		}
	}
	names(t, open)
	sizes(t, open())
	damage(t, open(), wrapped)
}

func names(t *testing.T, open func() keywrap.Root) {
	t.Helper()
	one, err := open().Name(t.Context())
	two, err2 := open().Name(t.Context())
	if err != nil || err2 != nil || one == "" || one != two || len(one) > keywrap.MaxName {
		t.Errorf("names %q, %v and %q, %v, want the same", one, err, two, err2)
	}
}

func sizes(t *testing.T, root keywrap.Root) {
	t.Helper()
	for _, n := range []int{1, keywrap.MaxKey} {
		plain := bytes.Repeat([]byte{1}, n)
		wrapped, err := root.Wrap(t.Context(), plain, "")
		if err != nil {
			t.Fatalf("wrap %d bytes: %v", n, err)
		}
		if got, err := root.Unwrap(t.Context(), wrapped, ""); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("unwrap %d bytes: got %d, %v", n, len(got), err)
		}
	}
	for _, n := range []int{0, keywrap.MaxKey + 1} {
		if _, err := root.Wrap(t.Context(), make([]byte, n), ""); err == nil {
			t.Errorf("wrapped %d bytes", n)
		}
	}
}

// damage checks that nothing but what was wrapped is unwrapped.
func damage(t *testing.T, root keywrap.Root, wrapped []byte) {
	t.Helper()
	refused := func(what string, w []byte, purpose string) {
		if got, err := root.Unwrap(t.Context(), w, purpose); !errors.Is(err, keywrap.ErrDamaged) || got != nil {
			t.Errorf("%s: got %x, %v, want ErrDamaged", what, got, err)
		}
	}
	refused("other purpose", wrapped, "purposes")
	refused("nothing", nil, "purpose")
	refused("too much", make([]byte, keywrap.MaxWrapped+1), "purpose")
	for _, i := range []int{0, len(wrapped) / 2, len(wrapped) - 1} {
		bent := bytes.Clone(wrapped)
		bent[i] ^= 1
		refused("a bit flipped", bent, "purpose")
	}
	refused("cut", wrapped[:len(wrapped)-1], "purpose")
	refused("longer", append(bytes.Clone(wrapped), 0), "purpose")
}
