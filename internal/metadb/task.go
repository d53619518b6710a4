package metadb

import (
	"database/sql"
	"iter"
	"time"

	"origami"
)

var tasks = &table[origami.Task]{
	name: "tasks",
	doc:  documentOf[origami.Task](),
	key: func(t *origami.Task) (origami.Region, string, origami.AccountID) {
		return t.Region, string(t.ID), t.Owner
	},
	columns: []string{"kind", "resource", "state"},
	values:  func(t *origami.Task) []any { return []any{t.Kind, t.Resource, string(t.State)} },
	filters: map[string]filter{
		"resource-id": {column: "resource", selective: true},
		"task-id":     {column: "id", selective: true},
		"task-state":  {column: "state"},
	},
}

// PutTask inserts a task that may be begun once due. Rooms queue work with
// task.Queue.Add, which calls this.
func (tx *Tx) PutTask(t *origami.Task, due time.Time) error {
	if err := tasks.put(tx, t); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE tasks SET due = ? WHERE id = ?`, micros(due), string(t.ID))
	return err
}

// Task is viewer's task, or a not-found error.
func (tx *Tx) Task(region origami.Region, viewer origami.AccountID, id origami.TaskID) (*origami.Task, error) {
	return tasks.get(tx, region, viewer, string(id))
}

// UpdateTask changes a task by f, as UpdateImage does an image.
func (tx *Tx) UpdateTask(region origami.Region, id origami.TaskID, f func(*origami.Task) error) (*origami.Task, error) {
	return tasks.update(tx, region, string(id), f)
}

// DeleteTask removes the record of a task.
func (tx *Tx) DeleteTask(region origami.Region, id origami.TaskID) error {
	return tasks.remove(tx, region, string(id))
}

// Tasks yields the tasks that q selects, by ID.
func (tx *Tx) Tasks(q Query) iter.Seq2[*origami.Task, error] { return tasks.list(tx, q) }

// UnfinishedTasks yields the queued and running tasks of all accounts and
// regions, by ID: for recovery, never for a request.
func (tx *Tx) UnfinishedTasks() iter.Seq2[*origami.Task, error] {
	return func(yield func(*origami.Task, error) bool) {
		found, err := tasks.where(tx, `t.state IN ('queued', 'running')`)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, t := range found {
			if !yield(t, nil) {
				return
			}
		}
	}
}

// FinishedTasks lists at most limit tasks that ended before a time.
func (tx *Tx) FinishedTasks(before time.Time, limit int) ([]*origami.Task, error) {
	return collect(tx, tasks.scanDoc, `SELECT doc FROM tasks WHERE state IN ('done', 'failed', 'cancelled') AND due < ?
ORDER BY due `+limitTo, micros(before), limit)
}

// Lease is a task that a worker holds, and what is kept beside it.
type Lease struct {
	Task        *origami.Task
	Worker      string
	Cancelled   bool // somebody wants it to end
	Interrupted int  // how often a worker died while it held the task
}

const leaseColumns = `doc, worker, cancelled, interrupted`

func scanLease(r *sql.Rows) (Lease, error) {
	var l Lease
	var doc string
	err := r.Scan(&doc, &l.Worker, &l.Cancelled, &l.Interrupted)
	if err == nil {
		l.Task, err = tasks.decode(doc)
	}
	return l, err
}

func scanLeasePointer(r *sql.Rows) (*Lease, error) {
	l, err := scanLease(r)
	return &l, err
}

// NextTask tells when the first queued task of a kind may be begun, or
// ErrNotFound if none is queued.
func (tx *Tx) NextTask(kind string) (time.Time, error) {
	due, ok, err := one[int64](tx, `SELECT due FROM tasks WHERE state = 'queued' AND kind = ? ORDER BY due LIMIT 1`, kind)
	if err == nil && !ok {
		err = ErrNotFound
	}
	return fromMicros(due), err
}

// ClaimTasks makes at most limit due tasks of a kind running, in the order in
// which they are due, and has worker hold them until lease. Their Attempts
// count this one.
func (tx *Tx) ClaimTasks(kind, worker string, lease time.Time, limit int) ([]Lease, error) {
	found, err := collect(tx, scanLease, `SELECT `+leaseColumns+` FROM tasks WHERE state = 'queued' AND kind = ? AND due <= ?
ORDER BY due, id `+limitTo+tx.db.dialect.skipLocked, kind, micros(tx.Now()), limit)
	if err != nil {
		return nil, err
	}
	for i := range found {
		l := &found[i]
		l.Worker = worker
		l.Task, err = tx.UpdateTask(l.Task.Region, l.Task.ID, func(t *origami.Task) error {
			t.State = origami.TaskRunning
			t.Attempts++
			t.Updated = tx.Now()
			return nil
		})
		if err != nil {
			return nil, err
		}
		if err := tx.setLease(l.Task.ID, worker, lease); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (tx *Tx) setLease(id origami.TaskID, worker string, lease time.Time) error {
	_, err := tx.exec(`UPDATE tasks SET worker = ?, lease = ? WHERE id = ?`, worker, micros(lease), string(id))
	return err
}

// RenewTasks has worker hold its tasks until lease, and lists them.
func (tx *Tx) RenewTasks(worker string, lease time.Time) ([]Lease, error) {
	_, err := tx.exec(`UPDATE tasks SET lease = ? WHERE state = 'running' AND worker = ?`, micros(lease), worker)
	if err != nil {
		return nil, err
	}
	return collect(tx, scanLease, `SELECT `+leaseColumns+` FROM tasks WHERE state = 'running' AND worker = ? ORDER BY id`, worker)
}

// LostTasks lists the running tasks whose lease has run out, or all that
// another than worker holds.
func (tx *Tx) LostTasks(worker string, all bool) ([]Lease, error) {
	until := micros(tx.Now())
	if all {
		until = 1<<63 - 1
	}
	return collect(tx, scanLease, `SELECT `+leaseColumns+` FROM tasks WHERE state = 'running' AND worker <> ? AND lease < ?
ORDER BY id`, worker, until)
}

// LostTask is the task if worker holds it still and, unless all, its lease has
// run out; otherwise ErrNotFound.
func (tx *Tx) LostTask(id origami.TaskID, worker string, all bool) (*Lease, error) {
	until := micros(tx.Now())
	if all {
		until = 1<<63 - 1
	}
	return first(collect(tx, scanLeasePointer, `SELECT `+leaseColumns+` FROM tasks
WHERE id = ? AND state = 'running' AND worker = ? AND lease < ?`+tx.db.dialect.forUpdate, string(id), worker, until))
}

// HeldTask is the task if worker holds it, or ErrNotFound.
func (tx *Tx) HeldTask(id origami.TaskID, worker string) (*Lease, error) {
	return first(collect(tx, scanLeasePointer, `SELECT `+leaseColumns+` FROM tasks
WHERE id = ? AND state = 'running' AND worker = ?`+tx.db.dialect.forUpdate, string(id), worker))
}

// ReleaseTask writes a task that nobody holds any longer: queued until due, or
// ended at due. interrupted counts a worker that died with it.
func (tx *Tx) ReleaseTask(t *origami.Task, due time.Time, interrupted bool) error {
	if _, err := tx.UpdateTask(t.Region, t.ID, func(row *origami.Task) error { *row = *t; return nil }); err != nil {
		return err
	}
	n := 0
	if interrupted {
		n = 1
	}
	_, err := tx.exec(`UPDATE tasks SET worker = '', lease = 0, due = ?, interrupted = interrupted + ? WHERE id = ?`,
		micros(due), n, string(t.ID))
	return err
}

// LeaseOf is a task with what is kept beside it, or a not-found error.
func (tx *Tx) LeaseOf(id origami.TaskID) (*Lease, error) {
	found, err := collect(tx, scanLease, `SELECT `+leaseColumns+` FROM tasks WHERE id = ?`+tx.db.dialect.forUpdate, string(id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, origami.NotFound(id)
	}
	return &found[0], nil
}

// CancelTask notes that a task is wanted to end.
func (tx *Tx) CancelTask(id origami.TaskID) error {
	_, err := tx.exec(`UPDATE tasks SET cancelled = 1 WHERE id = ?`, string(id))
	return err
}
