package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"origami/internal/vmm"
	"origami/internal/vmm/qemu/qmp"
)

// startTimeout is how long QEMU may take to start. It connects to its disks
// meanwhile.
const startTimeout = 60 * time.Second

// maxLogFile is the largest file that a QEMU may write, in bytes. The driver
// rotates consoles long before; this holds when there is no driver.
const maxLogFile = 16 << 20

// errNotRunning is the error of a machine whose process is well.
var errNotRunning = errors.New("machine does not run")

// Start implements [vmm.Driver].
func (d *Driver) Start(ctx context.Context, spec vmm.Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	if err := checkSpec(spec, d.dir(spec.ID)); err != nil {
		return err
	}
	if err := d.begin(); err != nil {
		return err
	}
	defer d.wait.Done()
	m := d.newMachine(spec.ID)
	m.spec = spec
	ctx, m.abort = context.WithCancelCause(ctx)
	defer m.abort(nil)
	defer context.AfterFunc(d.ctx, func() { m.abort(errClosed) })()
	if err := d.reserve(m); err != nil {
		return err
	}
	if err := m.start(ctx); err != nil {
		d.release(m, nil)
		return fmt.Errorf("start machine %s: %w", spec.ID, err)
	}
	d.wait.Go(m.supervise)
	close(m.started)
	return nil
}

// start makes the machine's directory and process, or leaves nothing behind.
func (m *machine) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("qemu takes too long"))
	defer cancel()
	select {
	case <-m.d.probed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if alive, err := m.dir.alive(); err != nil || alive {
		return errors.Join(err, errors.New("its process still runs and was not recovered"))
	}
	if err := os.RemoveAll(string(m.dir)); err != nil {
		return err
	}
	if err := os.Mkdir(string(m.dir), 0o700); err != nil {
		return err
	}
	err := m.launch(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(err, os.RemoveAll(string(m.dir)), removeSockets(m.spec))
}

// launch runs QEMU in the machine's directory until its guest executes.
func (m *machine) launch(ctx context.Context) error {
	if err := writeRecord(m.dir.spec(), m.spec); err != nil {
		return err
	}
	// QEMU inherits a socket that listens already, so that nobody waits for it
	// to appear. It also tells that the process lives: nobody else has it.
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: m.dir.monitor()})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	conn, err := net.Dial("unix", m.dir.monitor())
	if err == nil {
		m.proc, err = m.spawn(listener)
	}
	if closeErr := listener.Close(); err == nil {
		err = closeErr
	}
	if err != nil && m.proc == nil {
		if conn != nil {
			conn.Close()
		}
		return err
	}
	if err == nil {
		err = m.connect(ctx, conn)
	} else {
		conn.Close()
	}
	if err != nil {
		return m.explain(ctx, err)
	}
	return nil
}

// spawn starts the process.
func (m *machine) spawn(listener *net.UnixListener) (*process, error) {
	monitor, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer monitor.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	stderr, err := os.OpenFile(m.dir.stderr(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	args := arguments(m.spec, m.dir, m.d.accel)
	m.log.Debug("start machine", "binary", m.d.config.Binary, "arguments", args)
	return spawn(m.d.config.Binary, args, string(m.dir), []*os.File{null, stderr, stderr, monitor}, 0)
}

// connect waits until the machine runs.
func (m *machine) connect(ctx context.Context, conn net.Conn) error {
	if err := m.proc.limitFiles(maxLogFile); err != nil {
		conn.Close()
		return err
	}
	client, err := qmp.NewClient(ctx, conn)
	if err != nil {
		return err
	}
	var s status
	err = client.Execute(ctx, "query-status", nil, &s)
	if err == nil && !s.Running && s.Status != statusShutdown {
		err = fmt.Errorf("%w: %s", errNotRunning, s.Status)
	}
	if err != nil {
		client.Close()
		return err
	}
	m.setMonitor(client)
	return nil
}

// explain ends a process that did not start well, and says why it did not.
func (m *machine) explain(ctx context.Context, err error) error {
	// A process that has ended by itself closed the connection a moment ago.
	if ctx.Err() == nil && !errors.Is(err, errNotRunning) {
		if end, waitErr := m.waitExit(ctx, endTimeout); waitErr == nil {
			return errors.New(describe(end.String(), m.dir.stderrTail()))
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if killErr := m.proc.kill(); killErr != nil {
		return errors.Join(err, killErr)
	}
	if _, waitErr := m.waitExit(context.Background(), endTimeout); waitErr != nil {
		return errors.Join(err, waitErr)
	}
	if said := m.dir.stderrTail(); said != "" {
		return fmt.Errorf("%w (qemu: %s)", err, said)
	}
	return err
}

// waitExit waits for the end of a process that nobody supervises.
func (m *machine) waitExit(ctx context.Context, limit time.Duration) (exit, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.proc.wait(ctx)
}
