// Package task does work in the background that a request has promised. A
// task is queued in the transaction that promises it, survives the process,
// and ends done, failed with a reason, or cancelled. docs/design/task.md tells
// the protocol.
//
// A handler may be run again for the same task: after a kill, after a
// shutdown, after an error that it wrapped by [Retry]. It must find out what
// an earlier run did, and do the rest.
package task

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Handler does the tasks of one kind.
type Handler struct {
	// Run does the work. Its context ends when the task is cancelled, when the
	// queue shuts down, and when another process has taken the task. An error
	// fails the task, except one made by Retry, and any error after shutdown
	// or cancellation.
	Run func(ctx context.Context, run *Run) error

	// Failed, if not nil, is called in the transaction that makes the task
	// failed or cancelled (t.State says which), to show the reason on the
	// resource. If it fails, so does the transaction; the task is queued again.
	Failed func(tx *metadb.Tx, t *origami.Task, reason string) error

	// MaxAttempts is how often an error made by Retry is followed by another
	// attempt; 100 if zero.
	MaxAttempts int
}

// Config is what can be chosen about a queue. The zero value is useful.
type Config struct {
	// Limits is how many tasks of a kind run at once in this process;
	// DefaultLimit for kinds that are not in it.
	Limits map[string]int
	// Logger gets a line for each task; slog.Default() if nil.
	Logger *slog.Logger
}

// DefaultLimit is how many tasks of a kind run at once unless Config says
// otherwise.
const DefaultLimit = 8

// The times and bounds of the protocol.
const (
	pollInterval    = time.Second      // between looks for tasks that another process queued
	leaseLength     = 15 * time.Second // for which a task is held
	renewInterval   = 5 * time.Second
	flushInterval   = time.Second // between writes of progress
	firstPause      = 250 * time.Millisecond
	longestPause    = time.Minute
	defaultAttempts = 100
	maxInterrupted  = 5 // deaths of workers after which a task is not begun again
	purgeInterval   = time.Hour
	keepFinished    = 7 * 24 * time.Hour // for which the record of an ended task is kept
	finishTimeout   = 30 * time.Second
)

// Queue hands tasks to handlers. Its methods may be called concurrently.
type Queue struct {
	db       *metadb.DB
	limits   map[string]int
	log      *slog.Logger
	worker   string // name of this queue in leases
	handlers map[string]Handler
	wake     chan struct{} // of Serve, when something may be ready to begin

	mu      sync.Mutex
	running map[origami.TaskID]*Run // by mu
	counts  map[string]int          // of running by kind; by mu
	serving bool                    // by mu
}

// New makes a queue over db. Handle tells it what it can do, Serve does it.
func New(db *metadb.DB, c Config) *Queue {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	host, _ := os.Hostname() // only for people who read the table
	return &Queue{
		db: db, limits: c.Limits, log: c.Logger,
		worker:   fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8]),
		handlers: map[string]Handler{},
		wake:     make(chan struct{}, 1),
		running:  map[origami.TaskID]*Run{},
		counts:   map[string]int{},
	}
}

// Handle has h do the tasks of a kind. It is called before Serve, once for
// each kind; otherwise it panics. Tasks of other kinds stay queued for a
// process that knows them.
func (q *Queue) Handle(kind string, h Handler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.handlers[kind]; ok || q.serving || h.Run == nil {
		panic("task: Handle of " + kind + " twice, without Run, or after Serve")
	}
	q.handlers[kind] = h
}

// Add queues a task in tx; it is begun after the commit. Kind, Region, Owner,
// Resource and Payload are the caller's; Add decides the rest.
func (q *Queue) Add(tx *metadb.Tx, t *origami.Task) error { return q.AddAt(tx, t, tx.Now()) }

// AddAt is Add of a task that is begun at a time to come, by the clock of the
// database.
func (q *Queue) AddAt(tx *metadb.Tx, t *origami.Task, due time.Time) error {
	if t.Kind == "" {
		return errors.New("queue task: kind is missing")
	}
	now := tx.Now()
	t.ID = origami.NewTaskID()
	t.State = origami.TaskQueued
	t.Progress, t.Status, t.Reason, t.Attempts = 0, "", "", 0
	t.Created, t.Updated = now, now
	if err := tx.PutTask(t, due); err != nil {
		return fmt.Errorf("queue task: %w", err)
	}
	tx.AfterCommit(q.poke)
	return nil
}

// poke has Serve look for tasks to begin.
func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Cancel has a task end. A queued one is cancelled at once; a running one when
// its handler has returned an error after its context ended, unless it was
// done first. Cancelling a task that has ended is an IncorrectState error.
// Whether the caller may cancel it is not asked here.
func (q *Queue) Cancel(ctx context.Context, id origami.TaskID) error {
	return q.db.Update(ctx, func(tx *metadb.Tx) error {
		l, err := tx.LeaseOf(id)
		if err != nil {
			return err
		}
		switch l.Task.State {
		case origami.TaskQueued, origami.TaskRunning:
		default:
			return origami.Errorf(origami.CodeIncorrectState, "The task '%s' is already %s", id, l.Task.State)
		}
		h, known := q.handlers[l.Task.Kind]
		if l.Task.State == origami.TaskQueued && known {
			return h.end(tx, l.Task, origami.TaskCancelled, reasonCancelled)
		}
		// The process that runs or will run it ends it.
		tx.AfterCommit(func() { q.cancelRun(id) })
		return tx.CancelTask(id)
	})
}

// cancelRun ends the context of a task that runs here.
func (q *Queue) cancelRun(id origami.TaskID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r := q.running[id]; r != nil {
		r.cancel(ErrCancelled)
	}
	q.poke()
}

// end makes a task failed or cancelled, and shows it.
func (h Handler) end(tx *metadb.Tx, t *origami.Task, state origami.TaskState, reason string) error {
	t.State, t.Reason, t.Updated = state, reason, tx.Now()
	if err := tx.ReleaseTask(t, tx.Now(), false); err != nil {
		return err
	}
	if h.Failed == nil {
		return nil
	}
	if err := h.Failed(tx, t, reason); err != nil {
		return &hookError{err}
	}
	return nil
}

// hookError is an error of Handler.Failed.
type hookError struct{ err error }

func (e *hookError) Error() string { return "show the failure on the resource: " + e.err.Error() }
func (e *hookError) Unwrap() error { return e.err }
