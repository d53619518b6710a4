package localserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"origami"
	"origami/disk"
	"origami/disk/raw"
	"origami/internal/endpoint"
	"origami/internal/localserver"
	"origami/internal/sigv4"
	"origami/internal/sockettest"
	"origami/internal/vmm"
	"origami/internal/vmm/vmmtest"
	"origami/internal/vnet"
)

// key is the credential of the account that the fakes here belong to.
var key = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}

// serveDoor serves a handler on a socket, and returns a client of it.
func serveDoor(t *testing.T, h *localserver.Handler) *localserver.Client {
	t.Helper()
	dir := sockettest.Dir(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	front := endpoint.New(endpoint.Config{
		Credentials: func(context.Context, string, string) (endpoint.Credential, error) {
			return endpoint.Credential{Secret: key.Secret, Account: "123456789012"}, nil
		},
		Regions:  []origami.Region{"us-east-1"},
		Services: map[string]endpoint.Service{localserver.Service: h},
		Default:  localserver.Service,
		Logger:   slog.New(slog.DiscardHandler),
	})
	server := &http.Server{Handler: front, ConnContext: localserver.ConnContext}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(localserver.Listener(l)) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return &localserver.Client{Socket: l.Addr().String(), Credentials: key, Region: "us-east-1"}
}

// instances are the machines of an in-memory driver.
type instances struct {
	*vmmtest.Driver
	mu   sync.Mutex // guards rest
	rest bool
}

func (i *instances) FollowConsole(ctx context.Context, who origami.Caller, id origami.InstanceID) (io.ReadCloser, error) {
	if who.Account != "123456789012" {
		return nil, origami.NotFound(id)
	}
	r, err := i.Driver.FollowConsole(ctx, string(id))
	if errors.Is(err, vmm.ErrNotFound) {
		return nil, origami.NotFound(id)
	}
	return r, err
}

func (i *instances) AtRest(context.Context, origami.Caller, origami.InstanceID) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.rest, nil
}

func (i *instances) Bindings(context.Context, origami.Caller) (map[origami.InstanceID][]vnet.Binding, error) {
	return map[origami.InstanceID][]vnet.Binding{"i-1": {{Port: 22, Listen: netip.MustParseAddrPort("127.10.0.5:2222")}}}, nil
}

// lines is output that tells of each write.
type lines struct {
	mu    sync.Mutex // guards b
	b     bytes.Buffer
	grown chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.grown <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wait waits until the output is want.
func (l *lines) wait(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for l.String() != want {
		select {
		case <-l.grown:
		case <-deadline:
			t.Fatalf("output = %q, want %q", l.String(), want)
		}
	}
}

// TestConsole follows a console while its guest prints, and to the end.
func TestConsole(t *testing.T) {
	t.Parallel()
	guests := &instances{Driver: vmmtest.NewDriver()}
	t.Cleanup(func() { guests.Close() })
	client := serveDoor(t, &localserver.Handler{Instances: guests})
	spec := vmm.Spec{ID: "i-1", UUID: "ec2aaaaa-1111-4222-8333-000000000005", Product: "t3.micro", VCPUs: 1, MemoryMiB: 64}
	if err := guests.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	out := &lines{grown: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- client.Console(t.Context(), out, localserver.ConsoleRequest{Instance: "i-1", Follow: true})
	}()
	want := vmmtest.Ready
	out.wait(t, want)
	// The same line over and over, and bytes that are no text.
	for _, text := range []string{"again\n", "again\n", "again\n", "\x00\xff\r\n", strings.Repeat("x", 40<<10)} {
		if err := guests.Host().Print("i-1", text); err != nil {
			t.Fatal(err)
		}
		want += text
		out.wait(t, want)
	}
	var now bytes.Buffer
	if err := client.Console(t.Context(), &now, localserver.ConsoleRequest{Instance: "i-1"}); err != nil || now.String() != want {
		t.Errorf("without following: %d bytes, %v, want %d", now.Len(), err, len(want))
	}
	if err := guests.Host().Print("i-1", "last words"); err != nil {
		t.Fatal(err)
	}
	if err := guests.Host().PowerOff("i-1"); err != nil {
		t.Fatal(err)
	}
	guests.mu.Lock()
	guests.rest = true
	guests.mu.Unlock()
	if err := <-ended; err != nil || out.String() != want+"last words" {
		t.Errorf("at the end: %d bytes, %v, want %d", len(out.String()), err, len(want)+10)
	}
	err := client.Console(t.Context(), io.Discard, localserver.ConsoleRequest{Instance: "i-0123456789abcdef0"})
	var refused *localserver.Error
	if !errors.As(err, &refused) || refused.Code != origami.CodeInvalidInstanceIDNotFound {
		t.Errorf("console of nobody = %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	client := serveDoor(t, &localserver.Handler{Instances: &instances{Driver: vmmtest.NewDriver()}})
	a, err := client.Addresses(t.Context())
	if got := a.Instances["i-1"]; err != nil || len(got) != 1 || got[0].Port != 22 || got[0].Listen.Port() != 2222 {
		t.Errorf("addresses = %+v, %v", a, err)
	}
}

// snapshots has one disk, of a MiB.
type snapshots struct{}

func (snapshots) OpenSnapshot(_ context.Context, _ origami.Caller, id origami.SnapshotID) (disk.Image, error) {
	if id != "snap-0123456789abcdef0" {
		return nil, origami.NotFound(id)
	}
	return raw.Open(bytes.NewReader(make([]byte, 1<<20)), 1<<20)
}

// TestMount mounts, and asks for what cannot be. Reading what is served is
// tested with the tools of others in cmd/origami.
func TestMount(t *testing.T) {
	t.Parallel()
	client := serveDoor(t, &localserver.Handler{Snapshots: snapshots{}})
	socket := filepath.Join(filepath.Dir(client.Socket), "nbd")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := client.Mount(t.Context(), l, "snap-0123456789abcdef7", func(localserver.Mounted) { t.Error("mounted") }); err == nil {
		t.Error("a snapshot that there is not is served")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = client.Mount(ctx, l, "snap-0123456789abcdef0", func(m localserver.Mounted) {
		defer cancel()
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		greeting := make([]byte, 8)
		if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != "NBDMAGIC" || m.SizeBytes != 1<<20 {
			t.Errorf("greeting = %q, %v, of %d bytes", greeting, err, m.SizeBytes)
		}
	})
	if err != nil {
		t.Errorf("Mount = %v", err)
	}
}
