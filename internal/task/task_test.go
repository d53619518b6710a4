package task_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// patience is how long a test waits for what must happen.
const patience = 5 * time.Minute

// until waits for a condition that other goroutines bring about.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

// ended waits until a task has a state.
func ended(t testing.TB, db *metadb.DB, id origami.TaskID, state origami.TaskState) *origami.Task {
	t.Helper()
	var job *origami.Task
	until(t, fmt.Sprintf("task %s is %s", id, state), func() bool {
		job = read(t, db, id)
		return job.State == state
	})
	return job
}

func TestDone(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		ran := make(chan origami.Task, 1)
		q.Handle("work", task.Handler{Run: func(_ context.Context, r *task.Run) error {
			ran <- r.Task
			r.Progress(50, "half")
			return nil
		}})
		serve(t, q)
		id := add(t, db, q, "work")
		got := <-ran
		if got.ID != id || string(got.Payload) != "p" || got.State != origami.TaskRunning || got.Attempts != 1 {
			t.Errorf("the handler got %+v", got)
		}
		if job := ended(t, db, id, origami.TaskDone); job.Progress != 100 || job.Reason != "" {
			t.Errorf("done task: %+v", job)
		}
	})
}

// What is not committed is not begun.
func TestAddRolledBack(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		ran := make(chan string, 2)
		q.Handle("work", task.Handler{Run: func(_ context.Context, r *task.Run) error {
			ran <- r.Task.Resource
			return nil
		}})
		serve(t, q)
		no := errors.New("no")
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			if err := q.Add(tx, &origami.Task{Kind: "work", Region: region, Owner: alice, Resource: "lost"}); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		id := add(t, db, q, "work")
		ended(t, db, id, origami.TaskDone)
		if got := <-ran; got == "lost" || len(ran) > 0 {
			t.Error("a task was begun whose transaction failed")
		}
	})
}

// The failure and what it shows on the resource are one transaction.
func TestFailed(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{
			Run: func(context.Context, *task.Run) error {
				return fmt.Errorf("work: %w", origami.Errorf(origami.CodeUnsupported, "No such disk"))
			},
			Failed: func(tx *metadb.Tx, job *origami.Task, reason string) error {
				if job.State != origami.TaskFailed || job.Reason != reason {
					t.Errorf("hook got %+v", job)
				}
				return tx.PutSetting("shown", []byte(reason))
			},
		})
		q.Handle("full", task.Handler{Run: func(context.Context, *task.Run) error {
			return &fs.PathError{Op: "write", Path: "/secret/path", Err: syscall.ENOSPC}
		}})
		q.Handle("internal", task.Handler{Run: func(context.Context, *task.Run) error { return errors.New("/secret/path") }})
		q.Handle("panic", task.Handler{Run: func(context.Context, *task.Run) error { panic("boom") }})
		serve(t, q)
		id := add(t, db, q, "work")
		if job := ended(t, db, id, origami.TaskFailed); job.Reason != "No such disk" {
			t.Errorf("reason: got %q", job.Reason)
		}
		err := db.View(t.Context(), func(tx *metadb.Tx) error {
			shown, err := tx.Setting("shown")
			if string(shown) != "No such disk" {
				t.Errorf("shown on the resource: %q", shown)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if job := ended(t, db, add(t, db, q, "full"), origami.TaskFailed); job.Reason != "There is no space left on the disk of the service. Make room on the file system of its data directory, then try again." {
			t.Errorf("full: got reason %q", job.Reason)
		}
		for _, kind := range []string{"internal", "panic"} {
			id := add(t, db, q, kind)
			want := "Internal error; the service's log has it under " + string(id)
			if job := ended(t, db, id, origami.TaskFailed); job.Reason != want {
				t.Errorf("%s: got reason %q, want %q", kind, job.Reason, want)
			}
		}
	})
}

// If the failure cannot be shown the task has not failed: it runs again.
func TestFailedHookFails(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		var hooks atomic.Int64
		q.Handle("work", task.Handler{
			Run: func(context.Context, *task.Run) error { return errors.New("no") },
			Failed: func(tx *metadb.Tx, job *origami.Task, reason string) error {
				if err := tx.PutSetting("shown", []byte(fmt.Sprint(job.Attempts))); err != nil {
					return err
				}
				if job.Attempts == 1 {
					hooks.Add(1)
					return errors.New("cannot show")
				}
				return nil
			},
		})
		serve(t, q)
		id := add(t, db, q, "work")
		if job := ended(t, db, id, origami.TaskFailed); job.Attempts != 2 {
			t.Errorf("got %d attempts, want 2", job.Attempts)
		}
		if hooks.Load() != 1 {
			t.Errorf("hook of attempt 1 ran %d times, want once", hooks.Load())
		}
		err := db.View(t.Context(), func(tx *metadb.Tx) error {
			shown, err := tx.Setting("shown")
			if string(shown) != "2" {
				t.Errorf("shown: %q, want that of attempt 2", shown)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCancelRunning(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		began := make(chan struct{})
		q.Handle("work", task.Handler{
			Run: func(ctx context.Context, r *task.Run) error {
				close(began)
				<-ctx.Done()
				return context.Cause(ctx)
			},
			Failed: func(tx *metadb.Tx, job *origami.Task, reason string) error {
				return tx.PutSetting("shown", []byte(job.State))
			},
		})
		serve(t, q)
		id := add(t, db, q, "work")
		<-began
		if err := q.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		job := ended(t, db, id, origami.TaskCancelled)
		if job.Reason != "The task was cancelled" {
			t.Errorf("reason: %q", job.Reason)
		}
		db.View(t.Context(), func(tx *metadb.Tx) error {
			if shown, err := tx.Setting("shown"); string(shown) != "cancelled" {
				t.Errorf("shown: %q, %v", shown, err)
			}
			return nil
		})
		err := q.Cancel(t.Context(), id)
		if !errors.Is(err, &origami.Error{Code: origami.CodeIncorrectState}) {
			t.Errorf("cancel again: got %v", err)
		}
	})
}

func TestCancelQueued(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(context.Context, *task.Run) error {
			t.Error("a cancelled task was begun")
			return nil
		}})
		id := add(t, db, q, "work")
		if err := q.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if job := read(t, db, id); job.State != origami.TaskCancelled {
			t.Errorf("state: %s", job.State)
		}
		// A process without the handler leaves it to one that can show it.
		id = add(t, db, q, "work")
		if err := task.New(db, quiet()).Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if job := read(t, db, id); job.State != origami.TaskQueued {
			t.Errorf("state before the queue serves: %s", job.State)
		}
		serve(t, q)
		ended(t, db, id, origami.TaskCancelled)
		if err := q.Cancel(t.Context(), origami.NewTaskID()); err == nil {
			t.Error("cancel of an unknown task: no error")
		}
	})
}

// Shutdown ends the handlers' contexts; what they leave is begun again later.
func TestShutdown(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		began := make(chan struct{})
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(ctx context.Context, r *task.Run) error {
			r.Progress(30, "working")
			close(began)
			<-ctx.Done()
			return ctx.Err()
		}})
		stop := serve(t, q)
		id := add(t, db, q, "work")
		<-began
		stop()
		if job := read(t, db, id); job.State != origami.TaskQueued || job.Progress != 30 || job.Attempts != 1 {
			t.Fatalf("after shutdown: %+v", job)
		}
		q = task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(context.Context, *task.Run) error { return nil }})
		serve(t, q)
		if job := ended(t, db, id, origami.TaskDone); job.Attempts != 2 {
			t.Errorf("got %d attempts, want 2", job.Attempts)
		}
	})
}

func TestLimits(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		c := quiet()
		c.Limits = map[string]int{"narrow": 2}
		q := task.New(db, c)
		var now, most atomic.Int64
		release := make(chan struct{})
		work := func(context.Context, *task.Run) error {
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release
			now.Add(-1)
			return nil
		}
		q.Handle("narrow", task.Handler{Run: work})
		other := make(chan struct{})
		q.Handle("other", task.Handler{Run: func(context.Context, *task.Run) error { close(other); return nil }})
		serve(t, q)
		var all []origami.TaskID
		for range 6 {
			all = append(all, add(t, db, q, "narrow"))
		}
		until(t, "two running", func() bool { return now.Load() == 2 })
		add(t, db, q, "other")
		<-other // a full kind does not hold up another
		close(release)
		for _, id := range all {
			ended(t, db, id, origami.TaskDone)
		}
		if most.Load() != 2 {
			t.Errorf("%d ran at once, want 2", most.Load())
		}
	})
}

// Two queues on one database do every task once.
func TestTwoQueues(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		var mu sync.Mutex
		runs := map[origami.TaskID]int{}
		work := task.Handler{Run: func(_ context.Context, r *task.Run) error {
			mu.Lock()
			defer mu.Unlock()
			runs[r.Task.ID]++
			return nil
		}}
		var dbs [2]*metadb.DB
		var queues [2]*task.Queue
		for n := range dbs {
			dbs[n] = open(t, dsn)
			queues[n] = task.New(dbs[n], quiet())
			queues[n].Handle("work", work)
			serve(t, queues[n])
		}
		var all []origami.TaskID
		for n := range 40 {
			all = append(all, add(t, dbs[n%2], queues[n%2], "work"))
		}
		for _, id := range all {
			ended(t, dbs[0], id, origami.TaskDone)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, id := range all {
			if runs[id] != 1 {
				t.Errorf("task %s ran %d times, want once", id, runs[id])
			}
		}
	})
}

func TestHandleTwice(t *testing.T) {
	t.Parallel()
	q := task.New(open(t, "sqlite:"+t.TempDir()+"/meta.db"), quiet())
	h := task.Handler{Run: func(context.Context, *task.Run) error { return nil }}
	q.Handle("work", h)
	defer func() {
		if recover() == nil {
			t.Error("a second handler of a kind was accepted")
		}
	}()
	q.Handle("work", h)
}
