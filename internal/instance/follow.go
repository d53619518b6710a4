package instance

import (
	"context"
	"errors"
	"io"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
	"origami/internal/vnet"
)

// FollowConsole opens the serial console of an instance of the caller's for
// reading as it grows; see [vmm.ConsoleFollower]. An instance whose machine is
// not there yet, or no more, has an empty console. The reader is for one
// goroutine, and ends with Close.
func (s *Service) FollowConsole(ctx context.Context, who origami.Caller, id origami.InstanceID) (io.ReadCloser, error) {
	if _, err := s.owned(ctx, who, id); err != nil {
		return nil, err
	}
	driver, ok := s.VMM.(vmm.ConsoleFollower)
	if !ok {
		return nil, origami.Errorf(origami.CodeUnsupportedOperation, "The consoles of this installation cannot be followed.")
	}
	return &console{ctx: ctx, driver: driver, id: string(id)}, nil
}

// AtRest reports whether an instance of the caller's is stopped or terminated,
// so that its console stays as it is until somebody starts it again.
func (s *Service) AtRest(ctx context.Context, who origami.Caller, id origami.InstanceID) (bool, error) {
	i, err := s.owned(ctx, who, id)
	if err != nil {
		return false, err
	}
	return i.State == origami.InstanceStopped || i.State == origami.InstanceTerminated, nil
}

func (s *Service) owned(ctx context.Context, who origami.Caller, id origami.InstanceID) (*origami.Instance, error) {
	var i *origami.Instance
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		i, err = tx.Instance(who.Region, who.Account, id)
		return err
	})
	return i, err
}

// console is a followed console that waits for its machine.
type console struct {
	ctx    context.Context
	driver vmm.ConsoleFollower
	id     string
	open   io.ReadCloser // nil until there is a machine
}

// Read implements [io.Reader].
func (c *console) Read(p []byte) (int, error) {
	if c.open == nil {
		open, err := c.driver.FollowConsole(c.ctx, c.id)
		if errors.Is(err, vmm.ErrNotFound) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		c.open = open
	}
	return c.open.Read(p)
}

// Close implements [io.Closer].
func (c *console) Close() error {
	if c.open == nil {
		return nil
	}
	return c.open.Close()
}

// Bindings lists where the ports of the public addresses of the caller's
// instances are served on this host. An instance whose state is changing may
// be missing.
func (s *Service) Bindings(ctx context.Context, who origami.Caller) (map[origami.InstanceID][]vnet.Binding, error) {
	found := make(map[origami.InstanceID][]vnet.Binding)
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		for i, err := range tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if b := s.bindings(i.ID); len(b) > 0 {
				found[i.ID] = b
			}
		}
		return nil
	})
	return found, err
}

// bindings does not wait for a machine that somebody is busy with.
func (s *Service) bindings(id origami.InstanceID) []vnet.Binding {
	s.mu.Lock()
	m := s.machines[id]
	s.mu.Unlock()
	if m == nil || !m.mu.TryLock() {
		return nil
	}
	defer m.mu.Unlock()
	if m.port == nil {
		return nil
	}
	return m.port.Bindings()
}
