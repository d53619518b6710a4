package main

import (
	"slices"
	"sync"

	"origami/internal/endpoint"
)

// Bounds of what is kept about keys until its request is answered.
const (
	maxKeyRequests = 4096
	maxRequestKeys = 32
)

// askedKeys remembers which KMS keys the requests that are under way asked for,
// for their lines in the audit log: a request to EC2 need not name the key that
// it uses. The zero value remembers nothing yet.
type askedKeys struct {
	mu sync.Mutex
	of map[string][]string // ARNs by request; guarded by mu
}

// note remembers a key of a request.
func (a *askedKeys) note(request, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys, known := a.of[request]
	if len(keys) >= maxRequestKeys || !known && len(a.of) >= maxKeyRequests || slices.Contains(keys, key) {
		return
	}
	if a.of == nil {
		a.of = make(map[string][]string)
	}
	a.of[request] = append(keys, key)
}

// keys lists the keys of a request.
func (a *askedKeys) keys(request string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.of[request])
}

// forget ends what is remembered of a request, when it has been answered.
func (a *askedKeys) forget(c endpoint.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.of, c.Caller.Request)
}
