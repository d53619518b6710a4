package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks is the unit of CPU times in /proc: USER_HZ, 100 on every Linux.
const ticks = 100

// service is a running origami with a data directory of its own.
type service struct {
	c    *config
	dir  string
	cmd  *exec.Cmd
	log  bytes.Buffer
	wait chan error
	env  map[string]string

	ready time.Time // when it said that it serves
}

// start runs a service on a directory, which may hold an installation.
func (c *config) start(ctx context.Context, dir string, flags ...string) (*service, error) {
	s := &service{c: c, dir: dir, wait: make(chan error, 1)}
	args := append([]string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--log-level", "warn", "--public-prefix", "127.99.0.0/16", "--accel", "tcg"}, flags...)
	s.cmd = exec.CommandContext(ctx, c.origami, args...)
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	// The banner is printed when the service answers.
	first := make([]byte, 256)
	if _, err := out.Read(first); err != nil {
		return nil, fmt.Errorf("start the service: %w: %s", errors.Join(err, s.cmd.Wait()), s.log.String())
	}
	s.ready = time.Now()
	go func() {
		_, _ = out.Read(make([]byte, 4096))
		s.wait <- s.cmd.Wait()
	}()
	return s, s.readEnv(ctx)
}

func (s *service) readEnv(ctx context.Context) error {
	b, err := exec.CommandContext(ctx, s.c.origami, "env", "--data-dir", s.dir, "--output", "json").Output()
	if err != nil {
		return fmt.Errorf("origami env: %w", err)
	}
	return json.Unmarshal(b, &s.env)
}

// stop ends the service and returns the peak of its memory in bytes.
func (s *service) stop() (peak int64, err error) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	if err := <-s.wait; err != nil {
		return 0, fmt.Errorf("stop the service: %w: %s", err, s.log.String())
	}
	return s.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, nil
}

// cpu is the CPU time that the service has used, in seconds.
func (s *service) cpu() (float64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	// proc(5): the fields after the name in parentheses; utime and stime are
	// the 14th and 15th of all.
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("short /proc/PID/stat")
	}
	u, err1 := strconv.ParseFloat(fields[11], 64)
	k, err2 := strconv.ParseFloat(fields[12], 64)
	return (u + k) / ticks, errors.Join(err1, err2)
}

// onCPU is the CPU time that the service's threads have used, in seconds. It is
// finer than what cpu says, and knows nothing of threads that ended.
func (s *service) onCPU() (float64, error) {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "task", "*", "schedstat"))
	if err != nil {
		return 0, err
	}
	var total float64
	for _, file := range files {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseFloat(first, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		total += n / 1e9
	}
	return total, nil
}

// stored is the number of bytes in the store's packs.
func (s *service) stored() (int64, error) {
	var total int64
	err := filepath.WalkDir(filepath.Join(s.dir, "store"), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// importDisk imports a file and returns what that took, the service's part
// included.
func (s *service) importDisk(ctx context.Context, file, name string) (cost, error) {
	before, err := s.cpu()
	if err != nil {
		return cost{}, err
	}
	had, err := s.stored()
	if err != nil {
		return cost{}, err
	}
	took, err := command(ctx, s.c.origami, "import", file, "--name", name, "--data-dir", s.dir, "--output", "json")
	if err != nil {
		return cost{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return cost{}, err
	}
	has, err := s.stored()
	took.cpu += after - before
	took.size = has - had
	return took, err
}

// command runs a program and returns what it took.
func command(ctx context.Context, name string, args ...string) (cost, error) {
	c := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	err := c.Run()
	took := cost{wall: time.Since(began).Seconds()}
	if err != nil {
		return took, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out.String())
	}
	took.cpu = c.ProcessState.UserTime().Seconds() + c.ProcessState.SystemTime().Seconds()
	took.peak = c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return took, nil
}
