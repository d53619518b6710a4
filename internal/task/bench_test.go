package task_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"origami/internal/task"
)

// BenchmarkBegin measures the time from the commit that queues a task to its
// handler, one after another.
func BenchmarkBegin(b *testing.B) {
	db := open(b, "sqlite:"+filepath.Join(b.TempDir(), "meta.db"))
	q := task.New(db, quiet())
	began := make(chan time.Time)
	for _, kind := range []string{"a", "b", "c", "d", "e", "f", "g", "work"} { // as many as the service has
		q.Handle(kind, task.Handler{Run: func(context.Context, *task.Run) error { began <- time.Now(); return nil }})
	}
	serve(b, q)
	var took []time.Duration
	for b.Loop() {
		add(b, db, q, "work")
		committed := time.Now()
		took = append(took, (<-began).Sub(committed))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
