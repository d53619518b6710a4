package optional_test

import (
	"testing"

	"origami/internal/optional"
)

type word string

func TestValue(t *testing.T) {
	t.Parallel()
	if got := optional.Value[int32](nil); got != 0 {
		t.Errorf("of nothing: got %d, want 0", got)
	}
	if got := optional.Value(new("x")); got != "x" {
		t.Errorf("of a word: got %q, want x", got)
	}
	if got := optional.Value(new(false)); got {
		t.Error("of false: got true")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	if got := optional.Text(word("")); got != nil {
		t.Errorf("of an empty word: got %q, want nothing", *got)
	}
	if got := optional.Text(word("x")); got == nil || *got != "x" {
		t.Errorf("of a word: got %v, want x", got)
	}
}
