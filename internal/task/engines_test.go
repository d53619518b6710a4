package task_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

const (
	region = origami.Region("us-east-1")
	alice  = origami.AccountID("111111111111")
)

// eachDSN runs a test on a fresh SQLite file, and on a fresh schema of the
// PostgreSQL that scripts/postgres-test.sh starts.
func eachDSN(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgresSchema(t))
	})
}

var schemas atomic.Int64

func postgresSchema(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv("ORIGAMI_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("ORIGAMI_TEST_POSTGRES is not set; see scripts/postgres-test.sh")
	}
	name := fmt.Sprintf("task_%d_%d", os.Getpid(), schemas.Add(1))
	admin := func(statement string) {
		t.Helper()
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	admin("CREATE SCHEMA " + name)
	t.Cleanup(func() { admin("DROP SCHEMA " + name + " CASCADE") })
	return dsn + "&search_path=" + name
}

func open(t testing.TB, dsn string) *metadb.DB {
	t.Helper()
	db, err := metadb.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// quiet is the configuration of queues whose log nobody reads.
func quiet() task.Config { return task.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))} }

// serve runs the queue until stop is called, which waits for its end.
func serve(t testing.TB, q *task.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// add queues a task and returns its ID.
func add(t testing.TB, db *metadb.DB, q *task.Queue, kind string) origami.TaskID {
	t.Helper()
	job := &origami.Task{Kind: kind, Region: region, Owner: alice, Resource: "i-0123456789abcdef0", Payload: []byte("p")}
	if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return q.Add(tx, job) }); err != nil {
		t.Fatal(err)
	}
	return job.ID
}

func read(t testing.TB, db *metadb.DB, id origami.TaskID) *origami.Task {
	t.Helper()
	var job *origami.Task
	err := db.View(context.Background(), func(tx *metadb.Tx) (err error) {
		job, err = tx.Task(region, alice, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return job
}
