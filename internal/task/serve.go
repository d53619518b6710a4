package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Serve begins tasks and runs their handlers until ctx ends. Then the contexts
// of the handlers end, Serve waits for them, queues what they left unfinished,
// and returns nil. Another error means that it could not begin.
func (q *Queue) Serve(ctx context.Context) error {
	q.mu.Lock()
	if q.serving {
		q.mu.Unlock()
		return errors.New("serve tasks: already serving")
	}
	q.serving = true
	q.mu.Unlock()

	leave, err := q.db.JoinWorkers(func() error { return q.takeLost(ctx, true) })
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("serve tasks: %w", err)
	}
	defer leave()

	// The keeper goes on while handlers end, so that their leases live.
	var handlers, keeper sync.WaitGroup
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	keeper.Go(func() { q.keep(keeping) })
	defer func() {
		handlers.Wait()
		stop()
		keeper.Wait()
	}()
	for ctx.Err() == nil {
		next, err := q.begin(ctx, &handlers)
		if err != nil && ctx.Err() == nil {
			q.log.Error("cannot begin tasks", "err", err)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// begin starts what is due and within the limits. It returns how long there
// is nothing to do unless something wakes it.
func (q *Queue) begin(ctx context.Context, handlers *sync.WaitGroup) (time.Duration, error) {
	rest := pollInterval
	for _, kind := range slices.Sorted(maps.Keys(q.handlers)) {
		room := q.room(kind)
		if room <= 0 {
			continue // whoever ends of that kind wakes us
		}
		wait, err := q.beginKind(ctx, kind, room, handlers)
		if err != nil {
			return pollInterval, err
		}
		rest = min(rest, wait)
	}
	return rest, nil
}

// room is how many more tasks of a kind may run.
func (q *Queue) room(kind string) int {
	limit, ok := q.limits[kind]
	if !ok {
		limit = DefaultLimit
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return limit - q.counts[kind]
}

// beginKind starts at most limit tasks of a kind. It returns after what time
// the next one is due.
func (q *Queue) beginKind(ctx context.Context, kind string, limit int, handlers *sync.WaitGroup) (time.Duration, error) {
	wait := pollInterval
	err := q.db.View(ctx, func(tx *metadb.Tx) error {
		due, err := tx.NextTask(kind)
		if err == nil {
			wait = due.Sub(tx.Now())
		}
		if errors.Is(err, metadb.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || wait > 0 {
		return wait, err
	}
	var claimed []metadb.Lease
	err = q.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		claimed, err = tx.ClaimTasks(kind, q.worker, tx.Now().Add(leaseLength), limit)
		return err
	})
	if err != nil {
		return pollInterval, err
	}
	for _, l := range claimed {
		q.start(ctx, l, handlers)
	}
	if len(claimed) == 0 {
		return pollInterval, nil // another process was faster
	}
	return 0, nil // there may be more
}

// start runs the handler of a claimed task.
func (q *Queue) start(ctx context.Context, l metadb.Lease, handlers *sync.WaitGroup) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &Run{Task: *l.Task, cancel: cancel, progress: l.Task.Progress, status: l.Task.Status}
	q.mu.Lock()
	q.running[r.Task.ID] = r
	q.counts[r.Task.Kind]++
	q.mu.Unlock()
	if l.Cancelled {
		cancel(ErrCancelled)
	}
	handlers.Go(func() {
		defer cancel(nil)
		began := time.Now()
		err := context.Cause(ctx)
		if err == nil {
			err = q.call(ctx, r)
		}
		q.finish(ctx, r, err, time.Since(began))
		q.mu.Lock()
		delete(q.running, r.Task.ID)
		q.counts[r.Task.Kind]--
		q.mu.Unlock()
		q.poke()
	})
}

// call calls the handler. A panic is an error like any other: one task must
// not take the rest of the region with it.
func (q *Queue) call(ctx context.Context, r *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return q.handlers[r.Task.Kind].Run(ctx, r)
}

// attrs are the keys of every log line about a task.
func attrs(t *origami.Task) slog.Attr {
	return slog.Group("task", "id", t.ID, "kind", t.Kind, "resource", t.Resource, "account", t.Owner,
		"region", t.Region, "attempt", t.Attempts)
}
