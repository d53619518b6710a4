package task_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// inBubble runs a test with false time and a database inside it.
func inBubble(t *testing.T, test func(t *testing.T, db *metadb.DB)) {
	path := filepath.Join(t.TempDir(), "meta.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := metadb.Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		test(t, db)
	})
}

// serveIn is serve inside a bubble, where everything ends before the test does.
func serveIn(t *testing.T, q *task.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Serve(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// A commit wakes the queue: what is added is begun at once and not at its next
// look. Time that stands still tells the two apart on a machine of any speed.
func TestAddWakes(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		q := task.New(db, quiet())
		began := make(chan time.Time, 1)
		q.Handle("work", task.Handler{Run: func(context.Context, *task.Run) error { began <- time.Now(); return nil }})
		stop := serveIn(t, q)
		defer stop()
		for range 3 {
			time.Sleep(1300 * time.Millisecond) // between two looks
			synctest.Wait()
			now := time.Now()
			add(t, db, q, "work")
			if got := (<-began).Sub(now); got != 0 {
				t.Errorf("begun %v after the commit, want at once", got)
			}
		}
	})
}

// Attempts come a quarter of a second apart, then twice that, up to a minute
// and a quarter, and end after MaxAttempts.
func TestRetry(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		var mu sync.Mutex // guards at
		var at []time.Time
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{MaxAttempts: 12, Run: func(context.Context, *task.Run) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Now())
			return task.Retry(origami.Errorf(origami.CodeServiceUnavailable, "not yet"))
		}})
		stop := serveIn(t, q)
		defer stop()
		id := add(t, db, q, "work")
		time.Sleep(time.Hour)
		synctest.Wait()
		if job := read(t, db, id); job.State != origami.TaskFailed || job.Reason != "not yet" || job.Attempts != 12 {
			t.Errorf("after all attempts: %+v", job)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(at) != 12 {
			t.Fatalf("%d attempts, want 12", len(at))
		}
		want := 250 * time.Millisecond
		for n := 1; n < len(at); n++ {
			if got := at[n].Sub(at[n-1]); got < want || got > want+want/4+10*time.Millisecond {
				t.Errorf("pause %d: got %v, want %v and at most a quarter more", n, got, want)
			}
			want = min(2*want, time.Minute)
		}
	})
}

func TestRetryThenDone(t *testing.T) {
	if task.Retry(nil) != nil {
		t.Error("Retry(nil) is an error")
	}
	cause := errors.New("cause")
	if !errors.Is(task.Retry(cause), cause) {
		t.Error("Retry hides its cause")
	}
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(_ context.Context, r *task.Run) error {
			if r.Task.Attempts < 3 {
				return task.Retry(cause)
			}
			return nil
		}})
		stop := serveIn(t, q)
		defer stop()
		id := add(t, db, q, "work")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if job := read(t, db, id); job.State != origami.TaskDone || job.Attempts != 3 || job.Reason != "" {
			t.Errorf("got %+v", job)
		}
	})
}

// A lease is renewed for as long as the work takes: another queue on the same
// database does not take it.
func TestLease(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		var stops []func()
		var runs atomic.Int64
		var first *task.Queue
		for range 2 {
			q := task.New(db, quiet())
			q.Handle("work", task.Handler{Run: func(_ context.Context, r *task.Run) error {
				runs.Add(1)
				r.Progress(40, "slowly")
				time.Sleep(3 * time.Minute)
				return nil
			}})
			stops = append(stops, serveIn(t, q))
			if first == nil {
				first = q
			}
		}
		id := add(t, db, first, "work")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if job := read(t, db, id); job.State != origami.TaskRunning || job.Progress != 40 || job.Status != "slowly" {
			t.Errorf("while running: %+v", job)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if job := read(t, db, id); job.State != origami.TaskDone || job.Attempts != 1 || runs.Load() != 1 {
			t.Errorf("at the end: %+v after %d runs", job, runs.Load())
		}
		for _, stop := range stops {
			stop()
		}
	})
}

// A task whose worker fell silent is taken after the lease, and given up after
// five deaths.
func TestLeaseRunsOut(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		q := task.New(db, quiet())
		var runs atomic.Int64
		q.Handle("work", task.Handler{
			Run: func(context.Context, *task.Run) error { runs.Add(1); return nil },
			Failed: func(tx *metadb.Tx, _ *origami.Task, reason string) error {
				return tx.PutSetting("shown", []byte(reason))
			},
		})
		id := add(t, db, q, "work")
		die := func() {
			err := db.Update(t.Context(), func(tx *metadb.Tx) error {
				l, err := tx.ClaimTasks("work", "dead", tx.Now().Add(15*time.Second), 1)
				if len(l) != 1 {
					t.Errorf("claimed %d tasks, want 1", len(l))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		die()
		beside, err := db.JoinWorkers(func() error { return nil }) // so that q cannot know it is alone
		if err != nil {
			t.Fatal(err)
		}
		stop := serveIn(t, q)
		time.Sleep(14 * time.Second)
		synctest.Wait()
		if runs.Load() != 0 {
			t.Error("the task was taken before its lease ran out")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if job := read(t, db, id); job.State != origami.TaskDone || job.Attempts != 2 || runs.Load() != 1 {
			t.Errorf("after the lease: %+v, %d runs", job, runs.Load())
		}
		stop()
		beside()

		// Alone, a process takes what is left at once; and the fifth death is
		// the last.
		id = add(t, db, q, "work")
		for n := range 5 {
			die()
			q := task.New(db, quiet())
			if n == 4 {
				q.Handle("work", task.Handler{
					Run: func(context.Context, *task.Run) error { t.Error("begun a sixth time"); return nil },
					Failed: func(tx *metadb.Tx, _ *origami.Task, reason string) error {
						return tx.PutSetting("shown", []byte(reason))
					},
				})
			}
			stop := serveIn(t, q) // without a handler it only takes over
			time.Sleep(30 * time.Second)
			synctest.Wait()
			stop()
		}
		job := read(t, db, id)
		if job.State != origami.TaskFailed || job.Reason != "The work was interrupted 5 times" {
			t.Errorf("after five deaths: %+v", job)
		}
		db.View(t.Context(), func(tx *metadb.Tx) error {
			if shown, err := tx.Setting("shown"); string(shown) != job.Reason {
				t.Errorf("shown: %q, %v", shown, err)
			}
			return nil
		})
	})
}

// A record of an ended task is kept for a week.
func TestPurge(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(context.Context, *task.Run) error { return nil }})
		stop := serveIn(t, q)
		id := add(t, db, q, "work")
		synctest.Wait()
		stop() // so that false time need not stop every second of a week
		exists := func() bool {
			return db.View(t.Context(), func(tx *metadb.Tx) error { _, err := tx.Task(region, alice, id); return err }) == nil
		}
		for _, step := range []struct {
			sleep time.Duration
			want  bool
		}{{6 * 24 * time.Hour, true}, {25 * time.Hour, false}} {
			time.Sleep(step.sleep)
			q := task.New(db, quiet())
			stop := serveIn(t, q)
			time.Sleep(3 * time.Second)
			stop()
			if got := exists(); got != step.want {
				t.Errorf("record exists: %t, want %t", got, step.want)
			}
		}
	})
}

// A task that is added for later is not begun before its time.
func TestAddAt(t *testing.T) {
	inBubble(t, func(t *testing.T, db *metadb.DB) {
		var mu sync.Mutex // guards begun
		var begun []time.Time
		began := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(begun)
		}
		q := task.New(db, quiet())
		q.Handle("later", task.Handler{Run: func(context.Context, *task.Run) error {
			mu.Lock()
			defer mu.Unlock()
			begun = append(begun, time.Now())
			return nil
		}})
		stop := serveIn(t, q)
		defer stop()
		due := time.Now().Add(3 * time.Hour)
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			return q.AddAt(tx, &origami.Task{Kind: "later", Region: "us-east-1", Owner: "111111111111"}, due)
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour + 59*time.Minute)
		synctest.Wait()
		if at := began(); len(at) != 0 {
			t.Errorf("begun at %v, due at %v", at, due)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if at := began(); len(at) != 1 || at[0].Before(due) || at[0].After(due.Add(time.Second)) {
			t.Errorf("begun at %v, due at %v", at, due)
		}
	})
}
