package task

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"origami"
)

// ErrCancelled is the cause of a run's context after Cancel.
var ErrCancelled = errors.New("task was cancelled")

// errTaken is the cause of a run's context after another process has taken
// the task: this one was silent for longer than a lease.
var errTaken = errors.New("task was taken by another process")

const reasonCancelled = "The task was cancelled"

// Run is one attempt at a task.
type Run struct {
	// Task is the task as it was when the attempt began. The handler does not
	// change it.
	Task origami.Task

	cancel context.CancelCauseFunc

	mu       sync.Mutex
	progress int    // by mu
	status   string // by mu
	dirty    bool   // progress or status is not written yet; by mu
}

// Progress tells how far the work is, in percent, and what is happening, for
// people. It is cheap: what was told last is written once a second.
func (r *Run) Progress(percent int, status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	percent = min(max(percent, 0), 100)
	if percent != r.progress || status != r.status {
		r.progress, r.status, r.dirty = percent, status, true
	}
}

// told writes into t what Progress was told last. It reports whether that is
// news.
func (r *Run) told(t *origami.Task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Progress, t.Status = r.progress, r.status
	news := r.dirty
	r.dirty = false
	return news
}

// Retry marks an error as one that may be gone at the next attempt. The task
// is queued again, after a pause that doubles from a quarter of a second to a
// minute. Retry(nil) is nil.
func Retry(err error) error {
	if err == nil {
		return nil
	}
	return &retryError{err}
}

type retryError struct{ err error }

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// pause is how long to wait after attempt number n, counted from 1: double
// each time, and up to a quarter more, so that tasks that failed together do
// not come back together.
func pause(n int) time.Duration {
	p := longestPause
	if n < 10 {
		p = min(firstPause<<(n-1), longestPause)
	}
	return p + rand.N(p/4)
}
