package localserver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/instance/instancetest"
	"origami/internal/localserver"
	"origami/internal/metadb"
	"origami/internal/sigv4"
	"origami/internal/sockettest"
	"origami/internal/vmie"
)

var alice, bob = instancetest.Alice, instancetest.Bob

// keys are the access keys of Alice and Bob.
var keys = map[string]sigv4.Credentials{
	"AKIAALICE00000000000": {AccessKeyID: "AKIAALICE00000000000", Secret: "alice's secret"},
	"AKIABOB0000000000000": {AccessKeyID: "AKIABOB0000000000000", Secret: "bob's secret"},
}

// door serves a region's local door and returns the path of its socket.
func door(t *testing.T, r *instancetest.Region) string {
	t.Helper()
	dir := sockettest.Dir(t)
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ConnContext: localserver.ConnContext,
		Handler: endpoint.New(endpoint.Config{
			Credentials: func(_ context.Context, id, _ string) (endpoint.Credential, error) {
				k, ok := keys[id]
				if !ok {
					return endpoint.Credential{}, sigv4.ErrUnknownKey
				}
				who := alice
				if strings.HasPrefix(id, "AKIABOB") {
					who = bob
				}
				return endpoint.Credential{Secret: k.Secret, Account: who.Account, ARN: who.ARN}, nil
			},
			Regions:  []origami.Region{"us-east-1", "eu-west-1"},
			Services: map[string]endpoint.Service{localserver.Service: &localserver.Handler{Importer: r.VMIE}},
			Default:  localserver.Service,
			Logger:   slog.New(slog.DiscardHandler),
		}),
	}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(localserver.Listener(l)) })
	t.Cleanup(func() { server.Close(); wg.Wait() })
	return path
}

func client(socket, key string) *localserver.Client {
	return &localserver.Client{Socket: socket, Credentials: keys[key], Region: "us-east-1"}
}

// file makes a file of noise.
func file(t *testing.T, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{2}).Read(p)
	return p
}

// left counts images and snapshots.
func left(r *instancetest.Region) (n int) {
	r.View(func(tx *metadb.Tx) error {
		for _, err := range tx.AllImages() {
			if err != nil {
				return err
			}
			n++
		}
		for _, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n
}

func wantCode(t *testing.T, err error, code origami.Code) {
	t.Helper()
	var e *localserver.Error
	if !errors.As(err, &e) || e.Code != code || e.Message == "" || e.Request == "" {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestImport passes an open file whose name is gone, and imports its content.
//
//origami:proves S41
func TestImport(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	socket := door(t, r)
	content := noise(3 << 20)
	f := file(t, content)
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	var seen []vmie.Progress
	img, err := client(socket, "AKIAALICE00000000000").Import(t.Context(), f, localserver.ImportRequest{
		Name: "disk", Format: "raw", Tags: origami.Tags{"a": "b"},
	}, func(p vmie.Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Image("us-east-1", img.ID); got.State != origami.ImageAvailable || got.Owner != alice.Account || img.Name != "disk" || img.SizeGiB != 1 || img.Snapshot != got.Snapshots()[0] {
		t.Errorf("answer %+v, image %+v", img, got)
	}
	for n := range seen {
		if p := seen[n]; p.Image != img.ID || p.Total != 3<<20 || n > 0 && p.Done < seen[n-1].Done {
			t.Errorf("progress %d is %+v", n, p)
		}
	}
	if len(seen) == 0 || seen[len(seen)-1].Done != 3<<20 {
		t.Errorf("progress is %+v", seen)
	}
	v := r.NewVolume(alice, 0, img.Snapshot)
	if !bytes.Equal(r.Read("us-east-1", v.ID, 0, len(content)), content) {
		t.Error("the content is another")
	}
	theirs, err := client(socket, "AKIABOB0000000000000").Import(t.Context(), file(t, content), localserver.ImportRequest{Name: "disk", Format: "raw"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Image("us-east-1", theirs.ID).Owner; got != bob.Account {
		t.Errorf("the image belongs to %s", got)
	}
	_, err = client(socket, "AKIAALICE00000000000").Import(t.Context(), f, localserver.ImportRequest{Name: "disk", Format: "raw"}, nil)
	wantCode(t, err, origami.CodeInvalidAMINameDuplicate)
}

// TestRefusals sends what the door refuses. Nothing is left of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	socket := door(t, r)
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	good := file(t, noise(1<<20))
	cow := append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 600)...)
	for _, tt := range []struct {
		name string
		f    *os.File
		in   localserver.ImportRequest
		code origami.Code
	}{
		{"no descriptor", nil, localserver.ImportRequest{Name: "disk"}, origami.CodeMissingParameter},
		{"pipe", pipe, localserver.ImportRequest{Name: "disk"}, origami.CodeInvalidParameterValue},
		{"directory", dir, localserver.ImportRequest{Name: "disk"}, origami.CodeInvalidParameterValue},
		{"character device", null, localserver.ImportRequest{Name: "disk"}, origami.CodeInvalidParameterValue},
		{"bad name", good, localserver.ImportRequest{Name: "a"}, origami.CodeInvalidAMINameMalformed},
		{"bad tag", good, localserver.ImportRequest{Name: "disk", Tags: origami.Tags{"aws:": ""}}, origami.CodeInvalidParameterValue},
		{"bad architecture", good, localserver.ImportRequest{Name: "disk", Architecture: "pdp11"}, origami.CodeInvalidParameterValue},
		{"truncated qcow2", file(t, cow), localserver.ImportRequest{Name: "disk"}, "InvalidFormat"},
		{"empty file", file(t, nil), localserver.ImportRequest{Name: "disk"}, "InvalidFormat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client(socket, "AKIAALICE00000000000").Import(t.Context(), tt.f, tt.in, nil)
			wantCode(t, err, tt.code)
		})
	}
	stranger := &localserver.Client{Socket: socket, Region: "us-east-1", Credentials: sigv4.Credentials{AccessKeyID: "AKIAALICE00000000000", Secret: "guessed"}}
	if _, err := stranger.Import(t.Context(), good, localserver.ImportRequest{Name: "disk"}, nil); err == nil {
		t.Error("a wrong signature was accepted")
	}
	unknown := &localserver.Client{Socket: socket, Region: "us-east-1", Credentials: sigv4.Credentials{AccessKeyID: "AKIANOBODY0000000000", Secret: "x"}}
	if _, err := unknown.Import(t.Context(), good, localserver.ImportRequest{Name: "disk"}, nil); err == nil {
		t.Error("an unknown access key was accepted")
	}
	if n := left(r); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestClientDisconnects kills the connection in the middle of an import.
func TestClientDisconnects(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	var once sync.Once
	r := instancetest.New(t, instancetest.Config{Hooks: instancetest.Hooks{
		Commit: func(ctx context.Context, _ string) error {
			once.Do(func() { close(reached) })
			<-ctx.Done()
			return ctx.Err()
		},
	}})
	socket := door(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	f := file(t, noise(4<<20))
	done := make(chan error, 1)
	go func() {
		_, err := client(socket, "AKIAALICE00000000000").Import(ctx, f, localserver.ImportRequest{Name: "disk", Format: "raw"}, nil)
		done <- err
	}()
	<-reached
	cancel()
	if err := <-done; err == nil {
		t.Error("the import succeeded")
	}
	instancetest.Eventually(t, "everything is undone", func() bool { return left(r) == 0 && r.Unfinished() == 0 })
}

// TestDescriptorsAreClosed passes more descriptors than are asked for. None
// stays open.
func TestDescriptorsAreClosed(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	socket := door(t, r)
	f := file(t, noise(4096))
	open := func() int {
		found, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc: ", err)
		}
		n := 0
		for _, fd := range found {
			if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && name == f.Name() {
				n++
			}
		}
		return n
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fd := int(f.Fd())
	// A request that goes on and on: the service would not wait for the rest of
	// a bad one.
	for _, line := range []string{"POST /import HTTP/1.1\r\n", "X-A: b\r\n", "X-C: d\r\n"} {
		if _, _, err := c.WriteMsgUnix([]byte(line), syscall.UnixRights(fd, fd, fd, fd, fd, fd), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// The answer, or the end: then the service has let go of the connection.
	for p := make([]byte, 4096); err == nil; {
		_, err = c.Read(p)
	}
	instancetest.Eventually(t, "the descriptors are closed", func() bool { return open() == 1 })
}
