package origami

import "time"

// Task is durable background work: it survives the process that promised it.
type Task struct {
	ID       TaskID
	Kind     string // "snapshot", "image", "instance.start": who handles it
	Region   Region
	Owner    AccountID
	Resource string // ID of what the work is about
	Payload  []byte // the handler's own parameters
	State    TaskState
	Progress int    // percent
	Status   string // what is happening, for people
	Reason   string // why it failed
	Attempts int    // how often it was begun
	Created  time.Time
	Updated  time.Time
}

// TaskState is the state of a task.
type TaskState string

// The states of tasks.
const (
	TaskQueued    TaskState = "queued"
	TaskRunning   TaskState = "running"
	TaskDone      TaskState = "done"
	TaskFailed    TaskState = "failed"
	TaskCancelled TaskState = "cancelled"
)
