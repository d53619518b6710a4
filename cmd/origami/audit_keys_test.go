package main

import (
	"fmt"
	"slices"
	"testing"

	"origami"
	"origami/internal/endpoint"
)

// TestAskedKeys remembers keys of requests until they are answered, and not
// without bound.
func TestAskedKeys(t *testing.T) {
	t.Parallel()
	var a askedKeys
	for _, key := range []string{"k1", "k2", "k1"} {
		a.note("r1", key)
	}
	a.note("r2", "k3")
	if got, want := a.keys("r1"), []string{"k1", "k2"}; !slices.Equal(got, want) {
		t.Errorf("got keys %v, want %v", got, want)
	}
	a.forget(endpoint.Call{Caller: origami.Caller{Request: "r1"}})
	if got := a.keys("r1"); len(got) != 0 {
		t.Errorf("got keys %v of a request that was answered", got)
	}
	for n := range 2 * maxRequestKeys {
		a.note("r2", fmt.Sprint(n))
	}
	if got := len(a.keys("r2")); got != maxRequestKeys {
		t.Errorf("got %d keys of a request, want %d", got, maxRequestKeys)
	}
	for n := range 2 * maxKeyRequests {
		a.note(fmt.Sprint("many", n), "k")
	}
	if got := len(a.of); got != maxKeyRequests {
		t.Errorf("got %d requests, want %d", got, maxKeyRequests)
	}
}
