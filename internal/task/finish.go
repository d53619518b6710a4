package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"origami"
	"origami/internal/metadb"
)

// finish writes how an attempt ended. The context may have ended; the
// database is told nevertheless.
func (q *Queue) finish(ctx context.Context, r *Run, err error, took time.Duration) {
	stopping := ctx.Err() != nil
	cause := context.Cause(ctx)
	if errors.Is(cause, errTaken) {
		q.log.Warn("task was taken by another process", attrs(&r.Task), "err", err)
		return
	}
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	var state origami.TaskState
	failed := q.db.Update(write, func(tx *metadb.Tx) (err2 error) {
		state, err2 = q.settle(tx, r, err, stopping)
		return err2
	})
	var hook *hookError
	if errors.As(failed, &hook) {
		q.log.Error("task cannot end", attrs(&r.Task), "err", failed)
		failed = q.db.Update(write, func(tx *metadb.Tx) (err2 error) {
			state, err2 = q.again(tx, r)
			return err2
		})
	}
	switch {
	case errors.Is(failed, metadb.ErrNotFound):
		q.log.Warn("task was taken by another process", attrs(&r.Task), "err", err)
	case failed != nil: // the lease runs out, and somebody begins it again
		q.log.Error("end of task cannot be written", attrs(&r.Task), "err", failed)
	default:
		level := slog.LevelInfo
		if state == origami.TaskFailed {
			level = slog.LevelError
		}
		q.log.Log(write, level, "task", attrs(&r.Task), "state", state, "took", took, "err", err)
	}
}

// settle decides what becomes of a task after an attempt that ended in err.
func (q *Queue) settle(tx *metadb.Tx, r *Run, err error, stopping bool) (origami.TaskState, error) {
	l, held := tx.HeldTask(r.Task.ID, q.worker)
	if held != nil {
		return "", held
	}
	t, h := l.Task, q.handlers[r.Task.Kind]
	r.told(t)
	t.Updated = tx.Now()
	var retry *retryError
	switch {
	case err == nil:
		t.State, t.Progress, t.Status = origami.TaskDone, 100, ""
		return t.State, tx.ReleaseTask(t, tx.Now(), false)
	case l.Cancelled:
		return origami.TaskCancelled, h.end(tx, t, origami.TaskCancelled, reasonCancelled)
	case stopping:
		t.State = origami.TaskQueued
		return t.State, tx.ReleaseTask(t, tx.Now(), false)
	case errors.As(err, &retry) && t.Attempts-l.Interrupted < h.attempts():
		t.State = origami.TaskQueued
		return t.State, tx.ReleaseTask(t, tx.Now().Add(pause(t.Attempts)), false)
	default:
		return origami.TaskFailed, h.end(tx, t, origami.TaskFailed, reason(t, err))
	}
}

// again queues a task that could not be ended.
func (q *Queue) again(tx *metadb.Tx, r *Run) (origami.TaskState, error) {
	l, err := tx.HeldTask(r.Task.ID, q.worker)
	if err != nil {
		return "", err
	}
	l.Task.State, l.Task.Updated = origami.TaskQueued, tx.Now()
	return l.Task.State, tx.ReleaseTask(l.Task, tx.Now().Add(pause(l.Task.Attempts)), false)
}

func (h Handler) attempts() int {
	if h.MaxAttempts > 0 {
		return h.MaxAttempts
	}
	return defaultAttempts
}

// reason is what the owner of a task is told about an error: the message of
// an EC2 error, that the disk is full, and of any other only where to look.
func reason(t *origami.Task, err error) string {
	var e *origami.Error
	if errors.As(err, &e) {
		return e.Message
	}
	if full := origami.Full(err); full != nil {
		return full.Message
	}
	return fmt.Sprintf("Internal error; the service's log has it under %s", t.ID)
}
