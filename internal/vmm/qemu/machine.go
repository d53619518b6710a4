package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"origami/internal/vmm"
	"origami/internal/vmm/qemu/qmp"
)

// Deadlines of a QEMU that does not answer.
const (
	greetTimeout   = 10 * time.Second // for a monitor to greet
	commandTimeout = 10 * time.Second // for a command to be answered
	endTimeout     = 30 * time.Second // for a process to be gone that was killed or has closed its monitor
	drainTimeout   = 30 * time.Second // for the last events of a process that is gone
	exitingTimeout = time.Second      // for one to be gone that may be ending for another reason than its guest
	maxRedialDelay = 5 * time.Second
)

// Times of the firmware's own resets.
const (
	echoWindow = 30 * time.Second // after another reset, in which the first may come
	echoBurst  = 2 * time.Second  // after the first, in which more may
)

// machine is a QEMU process that runs or is about to.
type machine struct {
	id   string
	dir  machineDir
	spec vmm.Spec // its NICs only are needed; zero if spec.json is unreadable
	d    *Driver
	log  *slog.Logger

	abort   context.CancelCauseFunc // ends the Start that is under way
	started chan struct{}           // closed once it runs; proc is set
	gone    chan struct{}           // closed once it no longer runs, or never did
	exited  chan struct{}           // closed once the process ended
	proc    *process

	lastReset time.Time // the last that was not an echo; follow's own
	lastEcho  time.Time // of lastReset, zero until it comes; follow's own

	disks     sync.Mutex    // held while the disks of the running machine change
	unplugged chan struct{} // capacity 1: a device has gone

	consoleMu sync.Mutex // held while console files are renamed or opened

	mu        sync.Mutex // guards the rest
	monitor   *qmp.Client
	connected chan struct{} // closed once monitor is set; renewed when it is lost
	cause     string        // why we ended it, if we did
	lastWord  string        // why QEMU said that it ends
	off       bool          // the guest powered itself off
}

func (d *Driver) newMachine(id string) *machine {
	return &machine{
		id:        id,
		dir:       d.dir(id),
		d:         d,
		log:       d.log.With("machine", id),
		abort:     func(error) {},
		started:   make(chan struct{}),
		gone:      make(chan struct{}),
		exited:    make(chan struct{}),
		connected: make(chan struct{}),
		unplugged: make(chan struct{}, 1),
	}
}

// supervise follows a machine that runs until it is gone or the driver closes.
// It owns m.proc.
func (m *machine) supervise() {
	ctx, cancel := context.WithCancel(m.d.ctx)
	defer cancel()
	var aides sync.WaitGroup
	aides.Go(func() { m.rotateConsole(ctx) })
	followed := make(chan struct{})
	aides.Go(func() { defer close(followed); m.follow(ctx) })

	end, err := m.proc.wait(ctx)
	if err != nil { // the driver closes, and the machine goes on
		cancel()
		aides.Wait()
		m.proc.release()
		return
	}
	close(m.exited)
	// The monitor's connection ends with the process, after its last events.
	drained := time.NewTimer(drainTimeout)
	defer drained.Stop()
	select {
	case <-followed:
	case <-drained.C:
	}
	cancel()
	aides.Wait()
	m.finish(end)
}

// finish records and reports the end of a machine.
func (m *machine) finish(end exit) {
	reason := shorten(m.endReason(end))
	m.log.Info("machine stopped", "reason", reason)
	m.recordEnd(reason)
	if err := removeSockets(m.spec); err != nil {
		m.log.Warn("sockets of machine not removed", "error", err)
	}
	if err := os.Remove(m.dir.monitor()); err != nil && !errors.Is(err, fs.ErrNotExist) { // QEMU may have
		m.log.Warn("monitor socket not removed", "error", err)
	}
	m.d.release(m, &vmm.Event{ID: m.id, Kind: vmm.Stopped, Reason: reason})
}

// recordEnd writes how the machine ended, or is about to.
func (m *machine) recordEnd(reason string) {
	m.mu.Lock()
	e := ending{Reason: reason, ByGuest: m.off, Time: time.Now()}
	m.mu.Unlock()
	if err := writeRecord(m.dir.ended(), e); err != nil {
		m.log.Error("end of machine not recorded", "error", err)
	}
}

// endReason says for people why the machine ended.
func (m *machine) endReason(end exit) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.off:
		return guestPoweredOff
	case m.cause != "":
		return m.cause
	case m.lastWord != "" && (!end.known || end.state.Exited() && end.state.ExitStatus() == 0):
		return m.lastWord
	default:
		return describe(end.String(), m.dir.stderrTail())
	}
}

// kill ends the process. The first cause is the one that is reported.
func (m *machine) kill(cause string) error {
	m.mu.Lock()
	if m.cause == "" {
		m.cause = cause
	}
	m.mu.Unlock()
	select {
	case <-m.exited:
		return nil
	default:
		return m.proc.kill()
	}
}

// follow handles the machine's events and reconnects to its monitor as often
// as the connection is lost, until the process has ended or ctx has.
func (m *machine) follow(ctx context.Context) {
	for {
		monitor := m.dialMonitor(ctx)
		if monitor == nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { monitor.Close() })
		m.catchUp(ctx)
		for ev := range monitor.Events() {
			m.handle(ctx, ev)
		}
		stop()
		m.setMonitor(nil)
		monitor.Close()
	}
}

// dialMonitor returns the monitor that Start left, or connects to it anew. It
// returns nil once there is none to be had.
func (m *machine) dialMonitor(ctx context.Context) *qmp.Client {
	m.mu.Lock()
	monitor := m.monitor
	m.mu.Unlock()
	for delay := 10 * time.Millisecond; monitor == nil; delay = min(2*delay, maxRedialDelay) {
		client, err := m.dial(ctx)
		if err == nil {
			m.setMonitor(client)
			return client
		}
		m.log.Debug("no monitor", "error", err)
		pause := time.NewTimer(delay)
		select {
		case <-pause.C:
		case <-m.exited:
		case <-ctx.Done():
		}
		pause.Stop()
		select {
		case <-m.exited:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if delay == maxRedialDelay {
			m.log.Warn("monitor of machine does not answer", "error", err)
		}
	}
	return monitor
}

func (m *machine) dial(ctx context.Context) (*qmp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	return qmp.Dial(ctx, m.dir.monitor())
}

// setMonitor publishes a connection, or its loss.
func (m *machine) setMonitor(monitor *qmp.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.monitor = monitor
	if monitor != nil {
		close(m.connected)
	} else {
		m.connected = make(chan struct{})
	}
}

// execute runs a command of the monitor, waiting for a connection if there is
// none at the moment.
func (m *machine) execute(ctx context.Context, command string, args, reply any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errors.New("qemu does not answer"))
	defer cancel()
	m.mu.Lock()
	connected := m.connected
	m.mu.Unlock()
	var err error
	select {
	case <-connected:
		m.mu.Lock()
		monitor := m.monitor
		m.mu.Unlock()
		if monitor == nil { // just lost
			err = qmp.ErrClosed
		} else {
			err = monitor.Execute(ctx, command, args, reply)
		}
	case <-m.exited:
		err = qmp.ErrClosed
	case <-m.d.ctx.Done():
		return context.Cause(m.d.ctx)
	case <-ctx.Done():
		err = fmt.Errorf("%s: %w", command, context.Cause(ctx))
	}
	if errors.Is(err, qmp.ErrClosed) && m.endsSoon(ctx, endTimeout) {
		return fmt.Errorf("machine %s has ended: %w", m.id, vmm.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("machine %s: %w", m.id, err)
	}
	return nil
}

// endsSoon tells the loss of a connection from the end of the process, which
// follows it at once, or as soon as a busy host lets it.
func (m *machine) endsSoon(ctx context.Context, limit time.Duration) bool {
	grace := time.NewTimer(limit)
	defer grace.Stop()
	select {
	case <-m.exited:
		return true
	case <-grace.C:
	case <-ctx.Done():
	case <-m.d.ctx.Done():
	}
	return false
}

// handle acts on an event of the monitor.
func (m *machine) handle(ctx context.Context, ev qmp.Event) {
	var data struct {
		Guest  bool   `json:"guest"`
		Reason string `json:"reason"`
	}
	if ev.Data != nil {
		if err := json.Unmarshal(ev.Data, &data); err != nil {
			m.log.Warn("event not understood", "event", ev.Name, "error", err)
			return
		}
	}
	switch ev.Name {
	case "SHUTDOWN":
		if data.Guest {
			m.poweredOff(ctx)
			return
		}
		m.mu.Lock()
		m.lastWord = shorten("qemu shut down: " + data.Reason)
		m.mu.Unlock()
	case "RESET":
		if !m.isEcho(ev, data.Guest) && data.Guest {
			m.d.queue.put(vmm.Event{ID: m.id, Kind: vmm.GuestReset, Reason: "guest rebooted"})
		}
	case "STOP":
		m.checkError(ctx)
	case "DEVICE_DELETED":
		select {
		case m.unplugged <- struct{}{}:
		default:
		}
	}
}

// isEcho tells the resets that the firmware makes from those of the guest:
// SeaBIOS answers a reset, whoever made it, with one of its own, to get its
// memory back in order, and asks for it in several ways until one works. The
// first follows after some tenths of a second, as soon as a busy host lets it.
// A guest that reboots faster than a burst lasts is reported less often.
func (m *machine) isEcho(ev qmp.Event, guest bool) bool {
	now := ev.Time
	if now.IsZero() {
		now = time.Now()
	}
	within := func(t time.Time, window time.Duration) bool {
		since := now.Sub(t)
		return guest && !t.IsZero() && since >= 0 && since < window
	}
	switch {
	case within(m.lastEcho, echoBurst):
		return true
	case m.lastEcho.IsZero() && within(m.lastReset, echoWindow):
		m.lastEcho = now
		return true
	}
	m.lastReset, m.lastEcho = now, time.Time{}
	return false
}

// catchUp acts on what happened while nobody was connected.
func (m *machine) catchUp(ctx context.Context) {
	if m.checkError(ctx) != statusShutdown {
		return
	}
	// A process that is just ending for another reason answers so too; it is
	// gone in a moment.
	if !m.endsSoon(ctx, exitingTimeout) && ctx.Err() == nil {
		m.poweredOff(ctx)
	}
}

// checkError returns the status of the machine, and ends one whose processors
// stopped because the accelerator met something that it cannot run. Nothing
// but a new start gets it going.
func (m *machine) checkError(ctx context.Context) string {
	status, err := m.status(ctx)
	if err != nil {
		m.log.Debug("state of machine unknown", "error", err)
		return ""
	}
	if status.Status == "internal-error" {
		if err := m.kill(describe("qemu cannot go on (internal-error)", m.dir.stderrTail())); err != nil {
			m.log.Error("machine in error not ended", "error", err)
		}
	}
	return status.Status
}

// poweredOff ends the process of a machine whose guest powered itself off. The
// process stays until then, in statusShutdown, so that whoever comes next
// learns of it. What the process can say no more is recorded before it ends.
func (m *machine) poweredOff(ctx context.Context) {
	m.mu.Lock()
	before := m.off
	m.off = true
	m.mu.Unlock()
	if !before {
		m.recordEnd(guestPoweredOff)
		m.d.queue.put(vmm.Event{ID: m.id, Kind: vmm.GuestShutdown, Reason: guestPoweredOff})
	}
	err := m.execute(ctx, "quit", nil, nil)
	if err == nil || errors.Is(err, vmm.ErrNotFound) || ctx.Err() != nil {
		return
	}
	// It is busy with its disks. What it wrote, their server has.
	m.log.Warn("machine that powered off does not end", "error", err)
	if err := m.kill(guestPoweredOff); err != nil {
		m.log.Error("machine that powered off not ended", "error", err)
	}
}

// guestPoweredOff is the reason of an end that the guest made.
const guestPoweredOff = "guest powered off"

// statusShutdown is the status of a machine whose guest powered itself off.
const statusShutdown = "shutdown"

// status is the answer to query-status.
type status struct {
	Running bool   `json:"running"`
	Status  string `json:"status"` // "running", "paused", "internal-error", …
}

func (m *machine) status(ctx context.Context) (status, error) {
	var s status
	err := m.execute(ctx, "query-status", nil, &s)
	return s, err
}
