package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a QEMU process, a child of this one or not. It is held by a
// pidfd, which never comes to mean another process.
type process struct {
	handle *os.Process
	poll   *os.File // a pidfd in the runtime's poller: readable once the process ended
}

// checkHandles reports a system without pidfds.
func checkHandles() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	defer self.Release()
	if err := self.WithHandle(func(uintptr) {}); err != nil {
		return fmt.Errorf("process handles need Linux 5.4: %w", err)
	}
	return nil
}

// newProcess takes over a handle.
func newProcess(handle *os.Process) (*process, error) {
	fd, dupErr := -1, error(nil)
	err := handle.WithHandle(func(h uintptr) {
		fd, dupErr = unix.FcntlInt(h, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("handle of process %d: %w", handle.Pid, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("handle of process %d: %w", handle.Pid, err)
	}
	return &process{handle: handle, poll: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// spawn starts a program in a session of its own, with an empty environment.
// files are its descriptors from 0 on. The program is sent signal, if not
// zero, when the thread ends that called spawn.
func spawn(binary string, args []string, dir string, files []*os.File, signal syscall.Signal) (*process, error) {
	handle, err := os.StartProcess(binary, append([]string{binary}, args...), &os.ProcAttr{
		Dir:   dir,
		Env:   []string{"LC_ALL=C"},
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: signal},
	})
	if err != nil {
		return nil, err
	}
	p, err := newProcess(handle)
	if err != nil {
		handle.Kill()
		handle.Wait()
		return nil, err
	}
	return p, nil
}

// adopt finds the process that holds the lock of a pid file; nil if none does.
func adopt(pidFile string) (*process, error) {
	pid, err := lockHolder(pidFile)
	if err != nil || pid == 0 {
		return nil, err
	}
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	// Only a process that holds the lock both before and after it got a
	// handle is certainly the one that the handle is for.
	again, err := lockHolder(pidFile)
	if err != nil || again == 0 {
		handle.Release()
		return nil, err
	}
	if again != pid {
		handle.Release()
		return nil, fmt.Errorf("%s changes hands", pidFile)
	}
	return newProcess(handle)
}

// lockHolder returns the process that holds the write lock of a file; 0 if
// none does or the file does not exist.
func lockHolder(path string) (int, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("lock of %s: %w", path, err)
	}
	switch {
	case lock.Type == unix.F_UNLCK:
		return 0, nil
	case lock.Pid <= 0:
		return 0, fmt.Errorf("lock of %s: held outside of this PID namespace", path)
	}
	return int(lock.Pid), nil
}

// kill ends the process at once. It succeeds if the process has ended.
func (p *process) kill() error {
	if err := p.handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.handle.Pid, err)
	}
	return nil
}

// limitFiles sets the largest size of a file that the process may write to.
func (p *process) limitFiles(size uint64) error {
	limit := unix.Rlimit{Cur: size, Max: size}
	if err := unix.Prlimit(p.handle.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("limit file size: %w", err)
	}
	return nil
}

// wait returns how the process ended, or the cause of ctx's end. Only one
// caller at a time may wait, and nobody after it has returned without error.
func (p *process) wait(ctx context.Context) (exit, error) {
	if err := p.poll.SetReadDeadline(time.Time{}); err != nil { // that an earlier wait left
		return exit{}, err
	}
	stop := context.AfterFunc(ctx, func() { p.poll.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := p.awaitEnd(); err != nil {
		if ctx.Err() != nil {
			return exit{}, context.Cause(ctx)
		}
		return exit{}, fmt.Errorf("wait for process %d: %w", p.handle.Pid, err)
	}
	return p.reap(), nil
}

// awaitEnd waits until the pidfd is readable.
func (p *process) awaitEnd() error {
	conn, err := p.poll.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = conn.Read(func(fd uintptr) (done bool) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err != nil && err != unix.EINTR {
			pollErr = err
			return true
		}
		return n > 0
	})
	return errors.Join(err, pollErr)
}

// exit is how a process ended.
type exit struct {
	known bool // false when it was not a child of this process
	state syscall.WaitStatus
}

// reap takes the state of a process that has ended, if it is a child.
func (p *process) reap() exit {
	defer p.poll.Close()
	state, err := p.handle.Wait()
	if err != nil { // ECHILD: init, or who adopted it, reaps it
		p.handle.Release()
		return exit{}
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	return exit{known: ok, state: ws}
}

// release lets go of a process that is still running.
func (p *process) release() {
	p.poll.Close()
	p.handle.Release()
}

// String says for people how the process ended.
func (e exit) String() string {
	switch {
	case !e.known:
		return "qemu ended"
	case e.state.Signaled():
		return fmt.Sprintf("qemu was ended by signal %d (%v)", e.state.Signal(), e.state.Signal())
	default:
		return fmt.Sprintf("qemu exited with status %d", e.state.ExitStatus())
	}
}
