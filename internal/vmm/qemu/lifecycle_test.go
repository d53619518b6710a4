package qemu_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"origami/internal/sockettest"
	"origami/internal/vmm"
	"origami/internal/vmm/qemu"
	"origami/internal/vmm/qemu/qmp"
	"origami/internal/vmm/vmmtest"
)

func TestCrash(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	start(t, d, guestSpec(t, "i-1", vmmtest.Deaf))
	if err := syscall.Kill(pidOf(t, dir, "i-1"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got, want := awaitStopped(t, d, "i-1"), "signal 9"; !strings.Contains(got, want) {
		t.Errorf("reason = %q, want %q in it", got, want)
	}
}

// A machine that somebody else ends in an orderly way is reported so.
func TestTerminated(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	start(t, d, guestSpec(t, "i-1", vmmtest.Deaf))
	if err := syscall.Kill(pidOf(t, dir, "i-1"), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, want := awaitStopped(t, d, "i-1"), "host-signal"; !strings.Contains(got, want) {
		t.Errorf("reason = %q, want %q in it", got, want)
	}
}

// A process that is stopped answers nothing, and can still be killed, also by
// a driver that never spoke with it.
func TestHungProcess(t *testing.T) {
	t.Parallel()
	requireQEMU(t)
	dir := sockettest.Dir(t)
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	start(t, d, guestSpec(t, "i-1", vmmtest.Deaf))
	hang(t, pidOf(t, dir, "i-1"))
	for _, when := range []string{"started", "recovered"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := d.Pause(ctx, "i-1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Pause = %v, want deadline exceeded", when, err)
		}
		cancel()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = open(t, dir)
		if ids, _, err := d.Recover(t.Context()); err != nil || !slices.Equal(ids, []string{"i-1"}) {
			t.Fatalf("%s: Recover = %q, %v, want i-1", when, ids, err)
		}
	}
	if err := d.Kill(t.Context(), "i-1"); err != nil {
		t.Errorf("Kill: %v", err)
	}
	if got, want := awaitStopped(t, d, "i-1"), "killed"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
}

// hang stops a process and waits until all its threads are.
func hang(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a process that is stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("threads of process %d = %q, %v", pid, threads, err)
		}
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) { // it has ended
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			_, state, _ := strings.Cut(string(stat), ") ")
			if !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
}

// Nothing may be left of a machine that did not start, and the error must tell
// what QEMU said.
func TestStartFails(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	nics := sockettest.Dir(t)
	spec := bootSpec("i-1", filepath.Join(dir, "no-such-socket"))
	spec.NICs = []vmm.NIC{{MAC: "0a:00:00:00:00:01", Socket: filepath.Join(nics, "nic0")}}
	err := d.Start(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "status 1") || !strings.Contains(err.Error(), "no-such-socket") {
		t.Errorf("error = %v, want the status and what QEMU said", err)
	}
	for _, left := range []string{dir, nics} {
		entries, err := os.ReadDir(left)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.Name() != "lock" {
				t.Errorf("%s is left", entry.Name())
			}
		}
	}
	start(t, d, guestSpec(t, "i-1", vmmtest.Obedient))
	if err := d.Kill(t.Context(), "i-1"); err != nil {
		t.Error(err)
	}
	awaitStopped(t, d, "i-1") // the only event: a Start that failed has none
}

// A disk server that accepts and says nothing holds QEMU until somebody loses
// patience.
func TestStartHangs(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	mute := filepath.Join(sockettest.Dir(t), "mute")
	l, err := net.Listen("unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := d.Start(ctx, bootSpec("i-1", mute)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start = %v, want deadline exceeded", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		failed := make(chan error, 1)
		go func() { failed <- d.Start(t.Context(), bootSpec("i-1", mute)) }()
		eventually(t, "the process", func() bool {
			pid, err := qemu.LockHolder(filepath.Join(dir, "i-1", "pid"))
			return err == nil && pid != 0
		})
		if err := d.Start(t.Context(), bootSpec("i-1", mute)); err == nil {
			t.Error("a second Start succeeded")
		}
		if err := d.Kill(t.Context(), "i-1"); err != nil {
			t.Errorf("Kill = %v", err)
		}
		if err := <-failed; err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("Start = %v, want killed", err)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "i-1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

func TestSlotTooHigh(t *testing.T) {
	t.Parallel()
	d, _ := openHere(t)
	spec := bootSpec("i-1", "/nbd.sock")
	spec.Disks[0].Slot = qemu.MaxDisks
	if err := d.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "slot 24") {
		t.Errorf("error = %v, want one about the slot", err)
	}
}

// All the room that there is on the bus can be used at once.
func TestFullBus(t *testing.T) {
	t.Parallel()
	d, _ := openHere(t)
	spec := guestSpec(t, "i-1", vmmtest.Obedient)
	nics := sockettest.Dir(t)
	for i := range qemu.MaxNICs {
		spec.NICs = append(spec.NICs, vmm.NIC{
			MAC:    fmt.Sprintf("0a:00:00:00:00:%02x", i),
			Socket: filepath.Join(nics, fmt.Sprintf("nic,%d", i)),
		})
	}
	spec.Disks[0].Slot = qemu.MaxDisks - 1
	spec.Disks[0].Bus = vmm.NVMe // boots as well as the other
	for i := range qemu.MaxDisks - 1 {
		extra := guestSpec(t, "i-1", vmmtest.Deaf).Disks[0]
		extra.Slot = i
		if i%2 == 1 {
			extra.Bus = vmm.NVMe
		}
		spec.Disks = append(spec.Disks, extra)
	}
	for i := range qemu.MaxStores {
		store := spec.Disks[i%2]
		store.Socket, store.Slot = guestSpec(t, "i-1", vmmtest.Deaf).Disks[0].Socket, i
		spec.Stores = append(spec.Stores, store)
	}
	start(t, d, spec)
	awaitConsole(t, d, "i-1", vmmtest.Ready)
	for range 2 { // a network that was restarted dials again
		for _, n := range spec.NICs {
			// Until QEMU has seen the end of the last connection, it takes none.
			eventually(t, "a connection to "+n.Socket, func() bool {
				conn, err := net.Dial("unix", n.Socket)
				if err != nil {
					return false
				}
				conn.Close()
				return true
			})
		}
	}
	// The first disk booted, wherever it is: a Deaf guest would not obey.
	if err := d.Shutdown(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, d, "i-1")
	if left, err := os.ReadDir(nics); err != nil || len(left) > 0 {
		t.Errorf("sockets left = %v, %v", left, err)
	}
}

// QEMU gets nothing of the daemon's environment, no terminal, a limit on its
// files, and permission to meet it.
func TestConfinement(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	d, dir := openHere(t)
	start(t, d, guestSpec(t, "i-1", vmmtest.Deaf))
	pid := pidOf(t, dir, "i-1")
	proc := func(name string) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got, want := proc("environ"), "LC_ALL=C\x00"; got != want {
		t.Errorf("environment = %q, want %q", got, want)
	}
	if got, want := strings.Fields(proc("stat"))[5], fmt.Sprint(pid); got != want {
		t.Errorf("session = %s, want its own, %s", got, want)
	}
	if got, want := proc("limits"), "Max file size             16777216"; !strings.Contains(got, want) {
		t.Errorf("limits = %s, want %q", got, want)
	}
	var ignored uint64
	_, after, _ := strings.Cut(proc("status"), "SigIgn:\t")
	if _, err := fmt.Sscanf(after, "%x", &ignored); err != nil {
		t.Fatal(err)
	}
	if ignored&(1<<(syscall.SIGXFSZ-1)) == 0 {
		t.Errorf("ignored signals = %x, want SIGXFSZ among them", ignored)
	}
	if got, want := proc("status"), "Seccomp:\t2"; !strings.Contains(got, want) {
		t.Errorf("status = %s, want %q", got, want)
	}
	info, err := os.Stat(filepath.Join(dir, "i-1"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory = %v, %v, want 0700", info.Mode(), err)
	}
}

// A guest that prints without end fills neither the disk nor a gap into what
// it printed.
func TestConsoleFlood(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	start(t, d, guestSpec(t, "i-1", vmmtest.Floods))
	eventually(t, "a rotation", func() bool {
		older, err := os.Stat(filepath.Join(dir, "i-1", "console.old"))
		if err != nil {
			return false
		}
		newer, err := os.Stat(filepath.Join(dir, "i-1", "console.log"))
		return err == nil && older.Size() >= qemu.MaxConsoleFile && newer.Size() > 64<<10
	})
	if err := d.Pause(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	console, err := d.Console(t.Context(), "i-1", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if len(console) <= qemu.MaxConsoleFile {
		t.Errorf("console = %d bytes, want more than %d", len(console), qemu.MaxConsoleFile)
	}
	// From the first whole line on, without a gap at the rotation.
	if _, numbers, ok := strings.Cut(string(console), vmmtest.Ready); ok {
		console = []byte("\n" + numbers)
	}
	lines := strings.Split(string(console), "\n")
	lines = lines[1 : len(lines)-1]
	first, err := strconv.ParseUint(lines[0], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		if want := fmt.Sprintf("%08x", int(first)+i); line != want {
			t.Fatalf("line %d = %q, want %q", i, line, want)
		}
	}
}

func TestAccel(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	dir := sockettest.Dir(t)
	if err := qemu.RunProbe(t.Context(), qemu.Config{Dir: dir}, qemu.AccelTCG); err != nil {
		t.Errorf("the probe fails even under TCG: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left of the probe = %v, %v", left, err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if err := qemu.RunProbe(ctx, qemu.Config{Dir: dir}, qemu.AccelTCG); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a probe without time = %v, want deadline exceeded", err)
	}
}

// Whatever KVM is worth here, a driver that chooses for itself runs machines.
func TestAccelAuto(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	d, err := qemu.Open(t.Context(), qemu.Config{Dir: sockettest.Dir(t), Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, d) })
	if accel := d.Accel(); accel != qemu.AccelKVM && accel != qemu.AccelTCG {
		t.Errorf("Accel() = %q", accel)
	}
	start(t, d, guestSpec(t, "i-1", vmmtest.Obedient))
	awaitConsole(t, d, "i-1", vmmtest.Ready)
}

// daemonEnv makes the test binary a daemon on the directory it names.
const daemonEnv = "QEMU_TEST_DAEMON"

// daemon starts the machines whose specifications are on standard input, says
// so, and waits for its death.
func daemon(dir string) error {
	var specs []vmm.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&specs); err != nil {
		return err
	}
	d, err := qemu.Open(context.Background(), qemu.Config{Dir: dir, Accel: qemu.AccelTCG})
	if err != nil {
		return err
	}
	if _, _, err := d.Recover(context.Background()); err != nil {
		return err
	}
	for _, spec := range specs {
		if err := d.Start(context.Background(), spec); err != nil {
			return err
		}
	}
	fmt.Println("started")
	for range d.Events() {
	}
	return nil
}

// The machines of a daemon that was killed belong to the next one.
func TestRecoverFromKilledDaemon(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	dir := sockettest.Dir(t)
	for _, id := range []string{"i-1", "i-2"} {
		runKilledDaemon(t, dir, guestSpec(t, id, vmmtest.Obedient))
	}
	crashed := pidOf(t, dir, "i-2")
	if err := syscall.Kill(crashed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of i-2", func() bool {
		pid, err := qemu.LockHolder(filepath.Join(dir, "i-2", "pid"))
		return err == nil && pid == 0
	})
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	ids, ended, err := d.Recover(t.Context())
	if err != nil || !slices.Equal(ids, []string{"i-1"}) {
		t.Fatalf("Recover = %q, %v, want i-1", ids, err)
	}
	if len(ended) != 1 || ended[0].ID != "i-2" || ended[0].ByGuest || !strings.Contains(ended[0].Reason, "no driver") {
		t.Errorf("ended = %+v, want i-2, seen by no driver", ended)
	}
	awaitConsole(t, d, "i-1", vmmtest.Ready)
	if err := d.Shutdown(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	if got, want := awaitStopped(t, d, "i-1"), "guest powered off"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
}

// A guest powers itself off while no driver is open. Its process waits, and
// says so to the next one; when that dies having heard of it, its record does.
func TestPowersOffAlone(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	dir := sockettest.Dir(t)
	// Guests that wait to be asked: one that did not could be gone before the
	// daemon is killed, and that would have heard of it.
	runKilledDaemon(t, dir, guestSpec(t, "i-1", vmmtest.Obedient), guestSpec(t, "i-2", vmmtest.Obedient))
	for _, id := range []string{"i-1", "i-2"} {
		eventually(t, "the power-off of "+id, func() bool { return pressPower(t, dir, id) == "shutdown" })
	}
	// One that is ended while it waits: nobody can know what its guest did.
	if err := syscall.Kill(pidOf(t, dir, "i-2"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of i-2", func() bool {
		pid, err := qemu.LockHolder(filepath.Join(dir, "i-2", "pid"))
		return err == nil && pid == 0
	})
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	running, ended, err := d.Recover(t.Context())
	if err != nil || !slices.Equal(running, []string{"i-1"}) || len(ended) != 1 || ended[0].ID != "i-2" || ended[0].ByGuest {
		t.Fatalf("Recover = %q, %+v, %v, want i-1 running, and i-2 ended by somebody", running, ended, err)
	}
	for _, want := range []vmm.EventKind{vmm.GuestShutdown, vmm.Stopped} {
		if ev := <-d.Events(); ev.ID != "i-1" || ev.Kind != want || ev.Reason != "guest powered off" {
			t.Errorf("event = %+v, want %s of i-1", ev, want)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	if _, ended, err := d.Recover(t.Context()); err != nil || len(ended) != 2 || !ended[0].ByGuest || ended[1].ByGuest {
		t.Errorf("second Recover = %+v, %v, want i-1 ended by its guest, and i-2", ended, err)
	}
}

// pressPower presses a machine's power button and returns what it does now: a
// guest that has not booted yet does not feel the button, and is asked again.
func pressPower(t *testing.T, dir, id string) string {
	t.Helper()
	client, err := qmp.Dial(t.Context(), filepath.Join(dir, id, "qmp.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Execute(t.Context(), "system_powerdown", nil, nil); err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Status string `json:"status"`
	}
	if err := client.Execute(t.Context(), "query-status", nil, &reply); err != nil {
		t.Fatal(err)
	}
	return reply.Status
}

// A driver hears that a guest powered itself off, and is closed before the end
// of the process, in which the next one finds nobody to ask any more.
func TestClosedDuringPowerOff(t *testing.T) {
	t.Parallel()
	requireQEMU(t)
	dir := sockettest.Dir(t)
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	start(t, d, guestSpec(t, "i-1", vmmtest.Deaf))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := qemu.RecordPowerOff(dir, "i-1"); err != nil {
		t.Fatal(err)
	}
	pid := pidOf(t, dir, "i-1")
	hang(t, pid) // as one does that is busy with its end
	d = open(t, dir)
	if running, _, err := d.Recover(t.Context()); err != nil || !slices.Equal(running, []string{"i-1"}) {
		t.Fatalf("Recover = %q, %v, want i-1", running, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ev := <-d.Events(); ev.ID != "i-1" || ev.Kind != vmm.GuestShutdown {
		t.Fatalf("event = %+v, want %s of i-1", ev, vmm.GuestShutdown)
	}
	if got, want := awaitStopped(t, d, "i-1"), "guest powered off"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	if _, ended, err := d.Recover(t.Context()); err != nil || len(ended) != 1 || !ended[0].ByGuest {
		t.Errorf("second Recover = %+v, %v, want i-1 ended by its guest", ended, err)
	}
}

// runKilledDaemon starts machines in a daemon of its own and kills that.
func runKilledDaemon(t *testing.T, dir string, specs ...vmm.Spec) {
	t.Helper()
	in, err := json.Marshal(specs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+dir)
	cmd.Stdin = strings.NewReader(string(in))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "started\n" {
		t.Errorf("daemon said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the daemon ended by itself")
	}
}

// A specification that cannot be read costs a machine nothing but the sockets
// of its cards; and a directory that is nobody's is left alone.
func TestRecoverDamaged(t *testing.T) {
	requireQEMU(t)
	t.Parallel()
	dir := sockettest.Dir(t)
	d := open(t, dir)
	t.Cleanup(func() { end(t, d) })
	start(t, d, guestSpec(t, "i-1", vmmtest.Obedient))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "i-1", "spec.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"i-empty", "lost+found"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d = open(t, dir)
	ids, ended, err := d.Recover(t.Context())
	if err != nil || !slices.Equal(ids, []string{"i-1"}) || len(ended) != 1 || ended[0].ID != "i-empty" {
		t.Fatalf("Recover = %q, %+v, %v, want i-1, and i-empty ended", ids, ended, err)
	}
	awaitConsole(t, d, "i-1", vmmtest.Ready)
	if err := d.Shutdown(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, d, "i-1")
}

// Files of a machine's directory that are none, as a guest that took over its
// QEMU could leave them, neither lead elsewhere nor make anybody wait.
func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	d, dir := openHere(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, put := range map[string]func(string) error{
		"i-1": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"i-2": func(path string) error { return os.Symlink(secret, path) },
	} {
		if err := os.Mkdir(filepath.Join(dir, id), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"console.log", "console.old", "stderr.log", "ended.json", "spec.json"} {
			if err := put(filepath.Join(dir, id, name)); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := d.Console(t.Context(), id, 100); err == nil {
			t.Errorf("console of %s: %q", id, b)
		}
	}
	_, ended, err := d.Recover(t.Context())
	if len(ended) != 2 || err != nil || strings.Contains(fmt.Sprint(ended), "secret") {
		t.Errorf("ended: %+v, %v", ended, err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "i-1", "pid"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := qemu.LockHolder(filepath.Join(dir, "i-1", "pid")); err == nil {
		t.Error("a pipe has the lock of a process")
	}
}

// Nobody else's memory holds what QEMU says of its end.
func TestLongReason(t *testing.T) {
	t.Parallel()
	if got := qemu.Shorten(strings.Repeat("ä", 1<<20)); len(got) > 4<<10 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes", len(got))
	}
	if got, want := qemu.Shorten("short"), "short"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
