package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/metadb"
)

// keep renews the leases of what runs here, writes progress, notices
// cancellation by other processes, takes over from dead ones and forgets what
// ended long ago, until ctx ends.
func (q *Queue) keep(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	renewed := time.Now()
	var purged time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := q.flush(ctx); err != nil && ctx.Err() == nil {
			q.log.Error("progress of tasks cannot be written", "err", err)
		}
		if time.Since(renewed) >= renewInterval {
			renewed = time.Now()
			if err := q.renew(ctx); err != nil && ctx.Err() == nil {
				q.log.Error("leases of tasks cannot be renewed", "err", err)
			}
			if err := q.takeLost(ctx, false); err != nil && ctx.Err() == nil {
				q.log.Error("lost tasks cannot be taken over", "err", err)
			}
		}
		if time.Since(purged) >= purgeInterval {
			purged = time.Now()
			if err := q.purge(ctx); err != nil && ctx.Err() == nil {
				q.log.Error("records of ended tasks cannot be deleted", "err", err)
			}
		}
	}
}

// runs are the attempts that are under way.
func (q *Queue) runs() []*Run {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []*Run
	for _, r := range q.running {
		out = append(out, r)
	}
	return out
}

// flush writes the progress of what runs here.
func (q *Queue) flush(ctx context.Context) error {
	var news []origami.Task
	for _, r := range q.runs() {
		t := origami.Task{ID: r.Task.ID}
		if r.told(&t) {
			news = append(news, t)
		}
	}
	if len(news) == 0 {
		return nil
	}
	return q.db.Update(ctx, func(tx *metadb.Tx) error {
		for _, n := range news {
			l, err := tx.HeldTask(n.ID, q.worker)
			if errors.Is(err, metadb.ErrNotFound) {
				continue // it has just ended
			}
			if err != nil {
				return err
			}
			_, err = tx.UpdateTask(l.Task.Region, n.ID, func(t *origami.Task) error {
				t.Progress, t.Status, t.Updated = n.Progress, n.Status, tx.Now()
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// renew holds what runs here for longer.
func (q *Queue) renew(ctx context.Context) error {
	runs := q.runs()
	if len(runs) == 0 {
		return nil
	}
	var held []metadb.Lease
	err := q.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		held, err = tx.RenewTasks(q.worker, tx.Now().Add(leaseLength))
		return err
	})
	if err != nil {
		return err
	}
	cancelled := map[origami.TaskID]bool{}
	for _, l := range held {
		cancelled[l.Task.ID] = l.Cancelled
	}
	for _, r := range runs {
		switch wanted, ok := cancelled[r.Task.ID]; {
		case !ok && q.isRunning(r): // else it ended while we asked
			r.cancel(errTaken)
		case wanted:
			r.cancel(ErrCancelled)
		}
	}
	return nil
}

// isRunning reports whether an attempt is still under way and its end not yet
// written.
func (q *Queue) isRunning(r *Run) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[r.Task.ID] == r
}

// takeLost queues the tasks of workers that died: those whose lease has run
// out, or all if this process knows that it is alone.
func (q *Queue) takeLost(ctx context.Context, alone bool) error {
	var lost []metadb.Lease
	err := q.db.View(ctx, func(tx *metadb.Tx) (err error) {
		lost, err = tx.LostTasks(q.worker, alone)
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range lost {
		if err := q.takeOne(ctx, l, alone); err != nil {
			return err
		}
	}
	if len(lost) > 0 {
		q.poke()
	}
	return nil
}

// takeOne queues the task of a dead worker, or ends it.
func (q *Queue) takeOne(ctx context.Context, l metadb.Lease, alone bool) error {
	take := func(mayEnd bool) error {
		return q.db.Update(ctx, func(tx *metadb.Tx) error {
			now, err := tx.LostTask(l.Task.ID, l.Worker, alone)
			if errors.Is(err, metadb.ErrNotFound) {
				return nil // it was alive after all, or another process took it
			}
			if err != nil {
				return err
			}
			return q.interrupted(tx, now, mayEnd)
		})
	}
	err := take(true)
	var hook *hookError
	if errors.As(err, &hook) {
		q.log.Error("task cannot end", attrs(l.Task), "err", err)
		err = take(false)
	}
	if err == nil {
		q.log.Warn("worker of a task died", attrs(l.Task), "worker", l.Worker, "interrupted", l.Interrupted+1)
	}
	return err
}

// interrupted decides what becomes of a task whose worker died.
func (q *Queue) interrupted(tx *metadb.Tx, l *metadb.Lease, mayEnd bool) error {
	t, times := l.Task, l.Interrupted+1
	h, known := q.handlers[t.Kind]
	if known && mayEnd {
		switch {
		case l.Cancelled:
			return h.end(tx, t, origami.TaskCancelled, reasonCancelled)
		case times >= maxInterrupted:
			return h.end(tx, t, origami.TaskFailed, fmt.Sprintf("The work was interrupted %d times", times))
		}
	}
	t.State, t.Updated = origami.TaskQueued, tx.Now()
	due := tx.Now()
	if times > 1 { // it may be what kills us
		due = due.Add(pause(times))
	}
	return tx.ReleaseTask(t, due, true)
}

// purge deletes the records of tasks that ended long ago.
func (q *Queue) purge(ctx context.Context) error {
	const batch = 500
	for n := batch; n == batch; {
		err := q.db.Update(ctx, func(tx *metadb.Tx) error {
			old, err := tx.FinishedTasks(tx.Now().Add(-keepFinished), batch)
			n = len(old)
			if err != nil {
				return err
			}
			for _, t := range old {
				if err := tx.DeleteTask(t.Region, t.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
