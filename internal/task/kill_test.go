package task_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// workerVariable makes this test binary a worker on the database that it names.
const workerVariable = "ORIGAMI_TEST_TASK_WORKER"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(workerVariable); dsn != "" {
		if err := work(dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work serves tasks that never end, and says when one begins.
func work(dsn string) error {
	ctx := context.Background()
	db, err := metadb.Open(ctx, dsn)
	if err != nil {
		return err
	}
	q := task.New(db, quiet())
	q.Handle("work", task.Handler{Run: func(ctx context.Context, r *task.Run) error {
		fmt.Println("began", r.Task.ID)
		select {} // until it is killed
	}})
	return q.Serve(ctx)
}

// startWorker runs a worker process and returns its lines of output.
func startWorker(t *testing.T, dsn string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+dsn)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// After kill -9 of its worker a task is begun again: on SQLite at once, since
// the lock file shows that the worker is dead; on PostgreSQL when the lease has
// run out.
func TestKill(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		q.Handle("work", task.Handler{Run: func(context.Context, *task.Run) error { return nil }})
		id := add(t, db, q, "work") // another process finds it by polling

		worker, lines := startWorker(t, dsn)
		if !lines.Scan() || lines.Text() != "began "+string(id) {
			t.Fatalf("the worker said %q, %v", lines.Text(), lines.Err())
		}
		if job := read(t, db, id); job.State != origami.TaskRunning {
			t.Errorf("before the kill: %+v", job)
		}
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		worker.Wait()
		if strings.HasPrefix(dsn, "sqlite:") {
			prolong(t, db, id) // who waited for the lease would wait for ever
		}
		serve(t, q)
		if job := ended(t, db, id, origami.TaskDone); job.Attempts != 2 {
			t.Errorf("got %d attempts, want 2", job.Attempts)
		}
	})
}

// prolong has a worker hold its task for an hour.
func prolong(t *testing.T, db *metadb.DB, id origami.TaskID) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *metadb.Tx) error {
		l, err := tx.LeaseOf(id)
		if err != nil {
			return err
		}
		held, err := tx.RenewTasks(l.Worker, tx.Now().Add(time.Hour))
		if err == nil && len(held) != 1 {
			err = fmt.Errorf("%d tasks are held, want 1", len(held))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A queue that starts beside a living worker leaves its task alone.
func TestLivingWorker(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		q := task.New(db, quiet())
		var done atomic.Value // the task that ours began last
		q.Handle("work", task.Handler{Run: func(_ context.Context, r *task.Run) error { done.Store(r.Task.ID); return nil }})
		first := add(t, db, q, "work")
		_, lines := startWorker(t, dsn)
		if !lines.Scan() {
			t.Fatal("the worker said nothing")
		}
		serve(t, q)
		// Either process may take the next one; ours gets one before long.
		for done.Load() == nil {
			id := add(t, db, q, "work")
			until(t, "the task is begun", func() bool { return read(t, db, id).State != origami.TaskQueued })
		}
		if job := read(t, db, first); done.Load() == first || job.State != origami.TaskRunning || job.Attempts != 1 {
			t.Errorf("the living worker's task: %+v", job)
		}
	})
}
