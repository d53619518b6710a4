package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Accelerators.
const (
	AccelAuto = "auto" // KVM if it works, or else TCG
	AccelKVM  = "kvm"
	AccelTCG  = "tcg"
)

// Config says how to run machines. The zero value needs a Dir.
type Config struct {
	// Dir holds the directories of the machines. It is created if necessary.
	// Its path must be short, because those of the sockets in it may not
	// exceed 107 bytes: at most 78 bytes for IDs of 19 bytes, as EC2's are.
	Dir string

	// Binary is the path or name of QEMU; "qemu-system-x86_64" if empty.
	Binary string

	// Accel is AccelAuto, AccelKVM or AccelTCG; AccelAuto if empty.
	Accel string

	// ProbeTimeout is how long KVM may take to run the probe of AccelAuto; two
	// seconds if zero.
	ProbeTimeout time.Duration

	// Logger receives what has no caller to go to; nobody if nil.
	Logger *slog.Logger
}

// withDefaults fills in what is not set and checks what is.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no directory for machines")
	}
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return c, err
	}
	if err := checkSocketPath(machineDir(filepath.Join(c.Dir, "i-0123456789abcdef0")).monitor()); err != nil {
		return c, fmt.Errorf("directory for machines: %w", err)
	}
	if c.Binary == "" {
		c.Binary = "qemu-system-x86_64"
	}
	if c.Binary, err = exec.LookPath(c.Binary); err != nil {
		return c, err
	}
	// The process is started in another directory.
	if c.Binary, err = filepath.Abs(c.Binary); err != nil {
		return c, err
	}
	switch c.Accel {
	case "":
		c.Accel = AccelAuto
	case AccelAuto, AccelKVM, AccelTCG:
	default:
		return c, fmt.Errorf("unknown accelerator %q", c.Accel)
	}
	if c.ProbeTimeout == 0 {
		c.ProbeTimeout = 2 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Open returns a driver of the machines in config.Dir. One driver at a time
// may be open there. With AccelAuto, the probe of KVM begins here and the first
// Start waits for its result.
//
// From here on the process ignores SIGXFSZ, and so do the machines, which
// inherit that: a write beyond the limit of a file's size is an error and not
// the end of the writer.
func Open(ctx context.Context, config Config) (*Driver, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", err)
	}
	if err := checkHandles(); err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", err)
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", err)
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", err)
	}
	if err := removeProbes(config.Dir); err != nil {
		return nil, fmt.Errorf("open QEMU driver: %w", errors.Join(err, unlockDir(lock)))
	}
	signal.Ignore(syscall.SIGXFSZ)
	return newDriver(config, lock), nil
}

// lockDir takes the lock that keeps a second driver out. It ends with the
// process, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("another driver has %s open", dir)
		}
		return nil, err
	}
	return f, nil
}

// unlockDir gives the lock back. Closing the file alone would not: a process
// that is just being started has it too, until it becomes another program.
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
