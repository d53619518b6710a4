package blockstore_test

import (
	"strings"
	"testing"

	"origami/internal/blockstore"
)

func TestRootText(t *testing.T) {
	t.Parallel()
	id := blockstore.ID{0xab, 31: 0xcd}
	hex := "ab" + strings.Repeat("00", 30) + "cd"
	for _, tc := range []struct {
		root blockstore.Root
		text string
	}{
		{blockstore.Root{}, "1:0:" + strings.Repeat("00", 32) + ":"},
		{blockstore.Root{ID: id, Size: 8 << 30}, "1:8589934592:" + hex + ":"},
		{blockstore.Root{ID: id, Size: 1, Domain: "arn:aws:kms:x"}, "1:1:" + hex + ":arn:aws:kms:x"},
	} {
		text, err := tc.root.MarshalText()
		if err != nil || string(text) != tc.text {
			t.Errorf("MarshalText(%+v) = %s, %v, want %s", tc.root, text, err, tc.text)
		}
		var got blockstore.Root
		if err := got.UnmarshalText([]byte(tc.text)); err != nil || got != tc.root {
			t.Errorf("UnmarshalText(%s) = %+v, %v", tc.text, got, err)
		}
	}
	for _, text := range []string{
		"", "1", "1:0", "1:0:" + hex, "2:8:" + hex + ":", "1:-8:" + hex + ":", "1:08:" + hex + ":", "1:+8:" + hex + ":",
		"1:0:" + hex + ":", "1:8:" + hex[2:] + ":", "1:8:" + strings.ToUpper(hex) + ":", "1:8:" + hex[2:] + "zz:",
		"1:70368744177665:" + hex + ":", "1:8:" + hex + ":" + strings.Repeat("x", 1025), " 1:8:" + hex + ":",
	} {
		if root, err := blockstore.ParseRoot(text); err == nil {
			t.Errorf("ParseRoot(%q) = %+v", text, root)
		}
	}
}

func FuzzParseRoot(f *testing.F) {
	f.Add("1:8589934592:" + strings.Repeat("ab", 32) + ":")
	f.Add("1:0:" + strings.Repeat("00", 32) + ":arn:aws")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := blockstore.ParseRoot(text)
		if err != nil {
			return
		}
		if again := root.String(); again != text {
			t.Errorf("ParseRoot(%q).String() = %q", text, again)
		}
	})
}
