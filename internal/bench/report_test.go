package main

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	got := spreadOf([]float64{3, 1, 2})
	if want := (spread{1, 2, 3}); got != want {
		t.Errorf("spreadOf(3, 1, 2) = %v, want %v", got, want)
	}
	if got, want := got.String(), "2.000 (1.000–3.000)"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

// A ratio is taken pair by pair, so that drift of the machine cancels.
func TestOver(t *testing.T) {
	t.Parallel()
	a := []cost{{wall: 1}, {wall: 10}, {wall: 100}}
	b := []cost{{wall: 2}, {wall: 20}, {wall: 200}}
	if got, want := over(a, b, wall), (spread{0.5, 0.5, 0.5}); got != want {
		t.Errorf("over = %v, want %v", got, want)
	}
}

func TestEveryBenchmarkHasAName(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, b := range benchmarks {
		if b.name == "" || strings.Contains(b.name, ",") || seen[b.name] || b.run == nil {
			t.Errorf("benchmark %q has no name of its own", b.name)
		}
		seen[b.name] = true
	}
}
