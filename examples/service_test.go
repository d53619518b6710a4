// Package examples_test runs what the examples show, and what people bring
// along: stock clients, and a stock distribution, against the program as it
// ships.
package examples_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"

	"origami/internal/sdktest"
)

const region = "us-east-1"

// binDir is where the program is built.
var binDir string

func TestMain(m *testing.M) {
	var err error
	if binDir, err = os.MkdirTemp("", "origami"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(binDir)
	os.Exit(code)
}

// program builds the program, once for all tests that need it.
var program = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binDir, "origami")
	build := exec.Command("go", "build", "-trimpath", "-o", bin, "../cmd/origami")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return bin, nil
})

// service is a running program of its own, in a directory of its own.
type service struct {
	*ec2.Client
	t   *testing.T
	bin string
	dir string
	url string
	env []string // the environment of its clients
}

// serve starts the program. It ends with the test, and so do its machines.
func serve(t *testing.T, flags ...string) *service {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "o") // short: sockets live below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &service{t: t, bin: bin, dir: dir}
	args := append([]string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--log-level", "warn", "--shutdown-grace", "10m"}, flags...)
	run := exec.Command(bin, args...)
	run.Stderr = t.Output()
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		if err := run.Wait(); err != nil {
			t.Errorf("%s: %v", run, err)
		}
	})
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "serves EC2 at "); ok {
			s.url, _, _ = strings.Cut(rest, " ")
		}
	}
	if s.url == "" {
		t.Fatalf("%s: said no address", run)
	}
	go func() { // until the program ends
		for lines.Scan() {
		}
	}()
	s.Client, s.env = s.account("")
	t.Cleanup(s.terminateAll)
	return s
}

// run runs a subcommand of the program on the service's directory.
func (s *service) run(args ...string) string {
	s.t.Helper()
	c := exec.Command(s.bin, append(args, "--data-dir", s.dir)...)
	c.Stderr = s.t.Output()
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("%s: %v", c, err)
	}
	return string(out)
}

// account is a client with the keys of an account, or of the first one, and
// the environment for clients that are programs.
func (s *service) account(name string) (*ec2.Client, []string) {
	s.t.Helper()
	args := []string{"env"}
	if name != "" {
		args = append(args, "--account", name)
	}
	keys := make(map[string]string)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }) // of who runs the test
	for line := range strings.Lines(s.run(args...)) {
		k, v, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok {
			keys[k] = strings.Trim(v, `'"`)
			env = append(env, k+"="+keys[k])
		}
	}
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: &s.url, HTTPClient: sdktest.Client{}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keys["AWS_ACCESS_KEY_ID"], SecretAccessKey: keys["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	}), env
}

// importDisk makes an image of a disk, and returns its ID.
func (s *service) importDisk(disk, name string) string {
	s.t.Helper()
	id, _, _ := strings.Cut(s.run("import", disk, "--name", name), " ")
	return id
}

// terminateAll terminates every instance, so that no machine outlives the
// test.
func (s *service) terminateAll() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := s.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	if err != nil {
		s.t.Error(err)
		return
	}
	var ids []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State.Name != types.InstanceStateNameTerminated {
				ids = append(ids, *i.InstanceId)
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	if _, err := s.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
		s.t.Error(err)
		return
	}
	w := ec2.NewInstanceTerminatedWaiter(s, func(o *ec2.InstanceTerminatedWaiterOptions) { o.MinDelay = time.Second })
	if err := w.Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids}, patience); err != nil {
		s.t.Errorf("terminate %q: %v", ids, err)
	}
}

// instance describes an instance.
func (s *service) instance(id string) types.Instance {
	s.t.Helper()
	out := do(s.t, s.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	return out.Reservations[0].Instances[0]
}

// await asks until an instance is in a state, and returns it.
func (s *service) await(id string, state types.InstanceStateName) types.Instance {
	s.t.Helper()
	var i types.Instance
	eventually(s.t, id+" is "+string(state), func() bool {
		i = s.instance(id)
		return i.State.Name == state
	})
	return i
}

// keyPair makes a key pair and returns what logs in with it.
func (s *service) keyPair(name string) ssh.Signer {
	s.t.Helper()
	out := do(s.t, s.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: &name, KeyType: types.KeyTypeEd25519})
	key, err := ssh.ParsePrivateKey([]byte(*out.KeyMaterial))
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// sshPort is where the service, under this user, serves port 22 of instances.
func sshPort() string {
	l, err := net.Listen("tcp", "127.85.0.1:22")
	if errors.Is(err, syscall.EACCES) {
		return "2222"
	}
	if err == nil {
		l.Close()
	}
	return "22"
}

// login logs in to an instance, as soon as it lets anybody in.
func login(t *testing.T, i types.Instance, user string, key ssh.Signer) *ssh.Client {
	t.Helper()
	var client *ssh.Client
	addr := net.JoinHostPort(*i.PublicIpAddress, sshPort())
	eventually(t, user+" logs in at "+addr, func() bool {
		var err error
		client, err = dial(addr, &ssh.ClientConfig{
			User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		return err == nil
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// dial connects over SSH, and gives up if the guest does not go on.
func dial(addr string, config *ssh.ClientConfig) (*ssh.Client, error) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.Close()
		return nil, err
	}
	conn, chans, reqs, err := ssh.NewClientConn(c, addr, config)
	if err != nil {
		c.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), c.SetDeadline(time.Time{})
}

// command runs a command over SSH and returns what it says.
func command(client *ssh.Client, line string) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.CombinedOutput(line)
	return strings.TrimSpace(string(out)), err
}

// patience is how long a test waits for what must happen.
const patience = 12 * time.Minute

// eventually asks twice a second until cond holds, and fails the test if it
// never does.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// do calls an operation that must succeed.
func do[In, Out any](t *testing.T, f func(context.Context, *In, ...func(*ec2.Options)) (*Out, error), in *In) *Out {
	t.Helper()
	out, err := f(t.Context(), in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

func p[T any](v T) *T { return &v }
