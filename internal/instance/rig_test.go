package instance_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"origami"
	"origami/internal/ami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

var (
	alice  = instancetest.Alice
	bob    = instancetest.Bob
	region = alice.Region
)

func ptr[T any](v T) *T { return &v }

func wantError(t *testing.T, err error, code origami.Code, text string) {
	t.Helper()
	var e *origami.Error
	if !errors.As(err, &e) || e.Code != code || text != "" && e.Message != text {
		t.Errorf("got %v\nwant %s: %s", err, code, text)
	}
}

// launch launches one instance, with what change says.
func launch(t *testing.T, r *instancetest.Region, img *origami.Image, change func(*instance.Launch)) *origami.Instance {
	t.Helper()
	l := instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 1}
	if change != nil {
		change(&l)
	}
	out, err := r.Instances.Run(t.Context(), alice, l)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// runs launches one instance and waits until it runs.
func runs(t *testing.T, r *instancetest.Region, img *origami.Image, change func(*instance.Launch)) *origami.Instance {
	t.Helper()
	return r.WaitInstance(region, launch(t, r, img, change).ID, origami.InstanceRunning)
}

func ids(all ...*origami.Instance) []origami.InstanceID {
	var out []origami.InstanceID
	for _, i := range all {
		out = append(out, i.ID)
	}
	return out
}

func deregister(r *instancetest.Region, id origami.ImageID) error {
	return r.Update(func(tx *metadb.Tx) error {
		_, err := r.AMI.Deregister(tx, alice, id, false)
		return err
	})
}

// register makes an image over the root snapshot of another one.
func register(t *testing.T, r *instancetest.Region, of *origami.Image, reg ami.Registration) *origami.Image {
	t.Helper()
	var img *origami.Image
	err := r.Update(func(tx *metadb.Tx) (err error) {
		img, err = r.AMI.Register(tx, alice, reg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// alive reports whether the machine of an instance runs.
func alive(r *instancetest.Region, id origami.InstanceID) bool {
	_, err := r.Machines.Spec(string(id))
	return err == nil
}

// gate is a hook that waits: it tells when it was reached, and goes on when it
// is opened.
type gate struct {
	reached, opened chan struct{}
	once, closed    sync.Once
}

func newGate(t *testing.T) *gate {
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.closed.Do(func() { close(g.opened) }) }

func (g *gate) wait(ctx context.Context, _ string) error {
	g.once.Do(func() { close(g.reached) })
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
