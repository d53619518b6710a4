package instancetest

import (
	"context"
	"sync"
	"time"

	"origami/internal/durable"
	"origami/internal/objstore"
	"origami/internal/vmm"
)

// Hooks are called on the way to what the services stand on. One that returns
// an error makes the call fail with it; one that waits holds it up. Nil ones
// let everything pass.
type Hooks struct {
	// Start, Shutdown and Kill are called before the machine monitor does the
	// same; Started after it has.
	Start, Started, Shutdown, Kill func(ctx context.Context, id string) error
	// Attach, Detach and Resize are called before the disks of a running
	// machine change.
	Attach, Detach, Resize func(ctx context.Context, id string) error
	// Commit is called before an object of the block store becomes visible.
	Commit func(ctx context.Context, name string) error
	// Create is called before a file below the volumes is made.
	Create func(name string) error
	// Now is the time of the services; time.Now if nil.
	Now func() time.Time
}

// Hook exchanges the hooks. Calls under way keep the old ones.
func (r *Region) Hook(h Hooks) { r.hooks.set(h) }

type hooks struct {
	mu  sync.Mutex // guards now
	now Hooks
}

func (h *hooks) set(n Hooks) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = n
}

func (h *hooks) get() Hooks {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hooks) clock() time.Time {
	if now := h.get().Now; now != nil {
		return now()
	}
	return time.Now()
}

func call(f func(context.Context, string) error, ctx context.Context, id string) error {
	if f == nil {
		return nil
	}
	return f(ctx, id)
}

// driver is a machine monitor with hooks.
type driver struct {
	vmm.Driver
	h *hooks
}

func (d driver) Start(ctx context.Context, spec vmm.Spec) error {
	h := d.h.get()
	if err := call(h.Start, ctx, spec.ID); err != nil {
		return err
	}
	if err := d.Driver.Start(ctx, spec); err != nil {
		return err
	}
	return call(h.Started, ctx, spec.ID)
}

func (d driver) Shutdown(ctx context.Context, id string) error {
	if err := call(d.h.get().Shutdown, ctx, id); err != nil {
		return err
	}
	return d.Driver.Shutdown(ctx, id)
}

func (d driver) Kill(ctx context.Context, id string) error {
	if err := call(d.h.get().Kill, ctx, id); err != nil {
		return err
	}
	return d.Driver.Kill(ctx, id)
}

// Attach implements [vmm.HotPlugger].
func (d driver) Attach(ctx context.Context, id string, disk vmm.Disk) error {
	if err := call(d.h.get().Attach, ctx, id); err != nil {
		return err
	}
	return d.Driver.(vmm.HotPlugger).Attach(ctx, id, disk)
}

// Detach implements [vmm.HotPlugger].
func (d driver) Detach(ctx context.Context, id string, slot int, force bool) error {
	if err := call(d.h.get().Detach, ctx, id); err != nil {
		return err
	}
	return d.Driver.(vmm.HotPlugger).Detach(ctx, id, slot, force)
}

// Resize implements [vmm.HotPlugger].
func (d driver) Resize(ctx context.Context, id string, disk vmm.Disk, size int64) error {
	if err := call(d.h.get().Resize, ctx, id); err != nil {
		return err
	}
	return d.Driver.(vmm.HotPlugger).Resize(ctx, id, disk, size)
}

// bucket is an object store with hooks.
type bucket struct {
	objstore.Bucket
	h *hooks
}

func (b bucket) Create(ctx context.Context, name string) (objstore.ObjectWriter, error) {
	w, err := b.Bucket.Create(ctx, name)
	return object{w, name, b.h}, err
}

type object struct {
	objstore.ObjectWriter
	name string
	h    *hooks
}

func (o object) Commit(ctx context.Context) error {
	if err := call(o.h.get().Commit, ctx, o.name); err != nil {
		return err
	}
	return o.ObjectWriter.Commit(ctx)
}

// files is a file system with hooks.
type files struct {
	durable.FS
	h *hooks
}

func (f files) Create(name string) (durable.File, error) {
	if create := f.h.get().Create; create != nil {
		if err := create(name); err != nil {
			return nil, err
		}
	}
	return f.FS.Create(name)
}
