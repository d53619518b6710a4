package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"origami/internal/sdktest"
)

// service is the program, serving in a process of its own with machines of
// QEMU, and the stock clients that talk to it.
type service struct {
	t      *testing.T
	work   string // files of the test
	dir    string // the data directory
	listen string
	prefix string
	cmd    *exec.Cmd
	env    map[string]string // what "origami env" told a shell
	key    string            // file with the private key of the guests' user
	port   string            // where SSH is served on public addresses
}

// needs skips the test without one of the programs, or without the guest,
// whose disk it returns.
func needs(t *testing.T, programs ...string) string {
	t.Helper()
	guest := os.Getenv("ORIGAMI_TEST_GUEST")
	if guest == "" {
		t.Skip("ORIGAMI_TEST_GUEST names no disk")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("needs " + p)
		}
	}
	return guest
}

// serve starts a service on a new data directory. It ends with the test, and
// its machines with it.
func serve(t *testing.T) *service {
	t.Helper()
	work, err := os.MkdirTemp("/tmp", "oe") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	network := fmt.Sprintf("127.%d.%d", 100+rand.IntN(100), rand.IntN(256))
	s := &service{
		t: t, work: work, dir: filepath.Join(work, "d"), prefix: network + ".0/24", port: "22",
		// An address of its own: on 127.0.0.1 somebody else could have the port
		// by the time it serves there again.
		listen: network + ".255:0",
	}
	if l, err := net.Listen("tcp", network+".255:22"); errors.Is(err, syscall.EACCES) {
		s.port = "2222"
	} else if err == nil {
		l.Close()
	}
	s.start()
	t.Cleanup(func() {
		if t.Failed() {
			if log, err := os.ReadFile(filepath.Join(work, "log")); err == nil {
				t.Logf("the end of the service's log:\n%s", log[max(0, len(log)-6000):])
			}
		}
		s.terminateAll()
		s.end(os.Interrupt)
		if err := os.RemoveAll(work); err != nil {
			t.Error(err)
		}
	})
	return s
}

// on makes the service fail a subtest until that ends.
func (s *service) on(t *testing.T) {
	parent := s.t
	s.t = t
	t.Cleanup(func() { s.t = parent })
}

// command makes a command of the program, which this test binary is when it is
// told so.
func (s *service) command(ctx context.Context, args ...string) *exec.Cmd {
	text, err := json.Marshal(args)
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), "ORIGAMI_TEST_ARGUMENTS="+string(text))
	return c
}

// start starts the service and waits until it says that it serves. A second
// time it serves at the same address.
func (s *service) start() {
	s.t.Helper()
	s.cmd = s.command(context.Background(), "serve", "--data-dir", s.dir, "--listen", s.listen, "--public-prefix", s.prefix, "--accel", "tcg", "--shutdown-grace", "60s")
	log, err := os.OpenFile(filepath.Join(s.work, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() || !strings.HasPrefix(said.Text(), "Origami serves EC2 at http://") {
		s.t.Fatalf("the service said %q, %v", said.Text(), said.Err())
	}
	go io.Copy(io.Discard, out)
	s.env = s.environment("default")
	s.listen = strings.TrimPrefix(s.env["AWS_ENDPOINT_URL"], "http://")
}

// environment has a shell evaluate what "origami env" prints and tell the
// outcome.
func (s *service) environment(account string) map[string]string {
	s.t.Helper()
	script := s.origami("env", "--account", account)
	c := exec.CommandContext(s.t.Context(), "sh", "-euc", script+"\nenv")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_PROFILE=stale", "AWS_SESSION_TOKEN=stale"}
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("a shell cannot use origami env: %v\n%s", err, out)
	}
	env := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	return env
}

// end ends the service with a signal and waits for it.
func (s *service) end(signal os.Signal) {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Errorf("end the service: %v", err)
	}
	if err := s.cmd.Wait(); err != nil && signal == os.Interrupt {
		s.t.Errorf("the service ended with %v", err)
	}
	s.cmd = nil
}

// terminateAll ends every machine: they would outlive the service.
func (s *service) terminateAll() {
	if s.cmd == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	c := s.client("default")
	ended := func() bool {
		out, err := c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		if err != nil {
			s.t.Errorf("end the machines: %v", err)
			return true
		}
		var ids []string
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				if i.State.Name != "terminated" {
					ids = append(ids, *i.InstanceId)
				}
			}
		}
		if len(ids) > 0 {
			if _, err := c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids, Force: aws.Bool(true)}); err != nil {
				s.t.Errorf("end the machines: %v", err)
			}
		}
		return len(ids) == 0
	}
	poll(ctx, ended)
}

// try runs a command of the program and returns what it printed, to both.
func (s *service) try(args ...string) (string, error) {
	out, err := s.command(s.t.Context(), append(args, "--data-dir", s.dir)...).CombinedOutput()
	return string(out), err
}

// origami runs a command of the program that must succeed.
func (s *service) origami(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("origami %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// aws runs the AWS CLI and returns its output as text. Its version in Debian 12
// does not know AWS_ENDPOINT_URL.
func (s *service) aws(args ...string) string {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), "aws", append([]string{"--endpoint-url", s.env["AWS_ENDPOINT_URL"], "--output", "text"}, args...)...)
	// Nothing of who runs the test: neither a profile nor a proxy.
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	c.Env = append(c.Env, "NO_PROXY=*", "no_proxy=*",
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"} {
		c.Env = append(c.Env, name+"="+s.env[name])
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// client is the SDK's client for an account, by its name.
func (s *service) client(account string) *ec2.Client {
	env := s.env
	if account != "default" {
		env = s.environment(account)
	}
	return ec2.New(ec2.Options{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: sdktest.Client{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	})
}

// ssh runs a command in the guest at a public address.
func (s *service) ssh(ctx context.Context, address, command string) (string, error) {
	out, err := exec.CommandContext(ctx, "ssh", "-i", s.key, "-p", s.port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
		"admin@"+address, command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// guest runs a command in a guest until it answers, for at most ten minutes.
func (s *service) guest(address, command string) string {
	s.t.Helper()
	var out string
	var err error
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	if !poll(ctx, func() bool { out, err = s.ssh(ctx, address, command); return err == nil }) {
		s.t.Fatalf("ssh %s %q: %v: %s", address, command, err, out)
	}
	return out
}

// address is the public address of an instance, which must lie in the prefix
// that the service was given.
func (s *service) address(id string) string {
	s.t.Helper()
	out, err := s.client("default").DescribeInstances(s.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		s.t.Fatal(err)
	}
	text := aws.ToString(out.Reservations[0].Instances[0].PublicIpAddress)
	a, err := netip.ParseAddr(text)
	if err != nil || !netip.MustParsePrefix(s.prefix).Contains(a) {
		s.t.Fatalf("%s has the address %q, want one of %s", id, text, s.prefix)
	}
	return text
}

// await asks until an answer is the wanted one.
func (s *service) await(what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	if !poll(ctx, done) {
		s.t.Fatalf("gave up waiting for %s", what)
	}
}

// poll asks now and then until done answers true or the context ends, and says
// which.
func poll(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
