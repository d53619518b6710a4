package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"origami/internal/sigv4"
)

// installation is a service of a test that runs machines which execute
// nothing, and the commands that talk to it.
type installation struct {
	t    *testing.T
	dir  string
	o    options
	stop context.CancelFunc
	done chan error
	said string // when it began to serve
}

// publicRange gives each installation of this process loopback addresses of its own.
var publicRange struct {
	sync.Mutex
	next int
}

// install starts a service in a new directory. It ends with the test.
func install(t *testing.T, flags ...string) *installation {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "origami") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n := newInstallation(t, dir, flags...)
	n.start()
	t.Cleanup(func() { n.end() })
	return n
}

// newInstallation is a service of that directory that does not run yet.
func newInstallation(t *testing.T, dir string, flags ...string) *installation {
	t.Helper()
	publicRange.Lock()
	publicRange.next++
	prefix := fmt.Sprintf("127.77.%d.0/24", publicRange.next)
	publicRange.Unlock()
	n := &installation{t: t, dir: dir}
	n.o = n.parse(append([]string{"--vmm", vmmNone, "--listen", "127.0.0.1:0", "--public-prefix", prefix, "--log-level", "error"}, flags...))
	return n
}

// parse parses the flags of serve without serving.
func (n *installation) parse(flags []string) options {
	n.t.Helper()
	got := make(chan options, 1)
	c := serveCommandWith(func(_ context.Context, o options, _ io.Writer) error {
		got <- o
		return nil
	})
	c.SetArgs(append([]string{"--data-dir", n.dir}, flags...))
	if err := c.Execute(); err != nil {
		n.t.Fatal(err)
	}
	return <-got
}

// start starts the service and waits until it serves.
func (n *installation) start() {
	n.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.done = stop, make(chan error, 1)
	ready := banner{said: make(chan string, 1)}
	go func() { n.done <- serve(ctx, n.o, ready) }()
	select {
	case n.said = <-ready.said:
	case err := <-n.done:
		n.done = nil // it has ended
		n.t.Fatalf("serve: %v", err)
	case <-time.After(5 * time.Minute):
		n.t.Fatal("the service does not begin to serve")
	}
}

// end stops the service; a second time it does nothing.
func (n *installation) end() {
	n.t.Helper()
	n.stop()
	if n.done == nil {
		return
	}
	if err := <-n.done; err != nil {
		n.t.Errorf("serve: %v", err)
	}
	n.done = nil
}

// banner notices what the service says when it serves, once.
type banner struct{ said chan string }

func (b banner) Write(p []byte) (int, error) {
	b.said <- string(p)
	return len(p), nil
}

// try runs a command and returns what it printed.
func (n *installation) try(ctx context.Context, out io.Writer, args ...string) error {
	c := newCommand()
	c.SetOut(out)
	c.SetErr(io.Discard)
	c.SetArgs(append(args[:len(args):len(args)], "--data-dir", n.dir))
	return c.ExecuteContext(ctx)
}

func (n *installation) run(args ...string) string {
	n.t.Helper()
	var out bytes.Buffer
	if err := n.try(n.t.Context(), &out, args...); err != nil {
		n.t.Fatalf("origami %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// json runs a command with --output json.
func (n *installation) json(into any, args ...string) {
	n.t.Helper()
	out := n.run(append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		n.t.Fatalf("origami %s: %v in %q", strings.Join(args, " "), err, out)
	}
}

// call makes one request of the EC2 API and returns its status and answer.
func (n *installation) call(action string, params ...string) (int, string) {
	n.t.Helper()
	var e environment
	n.json(&e, "env")
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, e.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := sigv4.Sign(req, []byte(body), sigv4.Credentials{AccessKeyID: e.AccessKey, Secret: e.Secret}, string(e.Region), "ec2", time.Now()); err != nil {
		n.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// must is call that has to succeed.
func (n *installation) must(action string, params ...string) string {
	n.t.Helper()
	status, answer := n.call(action, params...)
	if status != http.StatusOK {
		n.t.Fatalf("%s answers %d: %s", action, status, answer)
	}
	return answer
}

// importDisk imports a disk with the given bytes, and returns the image.
func (n *installation) importDisk(name string, content []byte) (image, snapshot string) {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "disk.raw")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		n.t.Fatal(err)
	}
	var img struct{ ImageID, SnapshotID string }
	n.json(&img, "import", file, "--name", name, "--format", "raw")
	return img.ImageID, img.SnapshotID
}

// launch starts an instance with a Name tag and waits until it runs.
func (n *installation) launch(image, name string) string {
	n.t.Helper()
	answer := n.must("RunInstances", "ImageId", image, "MinCount", "1", "MaxCount", "1", "InstanceType", "t3.micro",
		"TagSpecification.1.ResourceType", "instance", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", name)
	id := regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`).FindStringSubmatch(answer)[1]
	n.await(id, "running")
	return id
}

// await waits for the state of an instance.
func (n *installation) await(id, state string) instanceRow {
	n.t.Helper()
	return n.awaitRow(id, state, func(r instanceRow) bool { return string(r.State) == state })
}

// awaitRow waits until an instance is as it should be.
func (n *installation) awaitRow(id, what string, ok func(instanceRow) bool) instanceRow {
	n.t.Helper()
	deadline := time.After(10 * time.Minute) // guests shut down at their own pace
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var rows []instanceRow
		n.json(&rows, "instances", "--all")
		for _, r := range rows {
			if string(r.ID) == id && ok(r) {
				return r
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("%s is never %s: %+v", id, what, rows)
		}
	}
}

// random makes bytes that do not compress.
func random(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(b)
	return b
}

// TestWithoutMachines goes through the life of instances that execute nothing,
// over restarts of the service.
//
//origami:proves RunInstances StopInstances StartInstances RebootInstances TerminateInstances
func TestWithoutMachines(t *testing.T) {
	t.Parallel()
	n := install(t)
	image, _ := n.importDisk("base", random(1, 1<<20))
	id := n.launch(image, "web")
	other := n.launch(image, "db")
	n.must("StopInstances", "InstanceId.1", other)
	n.await(other, "stopped")
	n.must("RebootInstances", "InstanceId.1", id)
	n.end()
	n.start()
	if r := n.awaitRow(id, "reachable", func(r instanceRow) bool { return r.SSH != "" }); r.PublicIP == "" || r.Name != "web" {
		t.Errorf("after a restart the instance is %+v", r)
	}
	n.await(other, "stopped")
	n.must("StartInstances", "InstanceId.1", other)
	n.await(other, "running")
	if out := n.must("GetConsoleOutput", "InstanceId", id); !strings.Contains(out, "<output>") {
		t.Errorf("GetConsoleOutput = %s", out)
	}
	n.must("TerminateInstances", "InstanceId.1", id, "InstanceId.2", other)
	n.await(id, "terminated")
	n.await(other, "terminated")
}

// TestListsOfService compares what the tables say with what the API says.
func TestListsOfService(t *testing.T) {
	t.Parallel()
	n := install(t)
	image, snapshot := n.importDisk("base", random(2, 3<<20))
	id := n.launch(image, "web")
	var images []imageRow
	n.json(&images, "images")
	if len(images) != 1 || string(images[0].ID) != image || images[0].Name != "base" || images[0].SizeGiB != 1 ||
		images[0].Stored == nil || *images[0].Stored < 3<<20 || joinIDs(images[0].Snapshots) != snapshot {
		t.Errorf("images = %+v", images)
	}
	var snapshots []snapshotRow
	n.json(&snapshots, "snapshots")
	if len(snapshots) != 1 || string(snapshots[0].ID) != snapshot || snapshots[0].Data != 3<<20 || joinIDs(snapshots[0].Images) != image {
		t.Errorf("snapshots = %+v", snapshots)
	}
	for command, want := range map[string]string{"images": image, "snapshots": snapshot, "instances": id} {
		if out := n.run(command); !strings.Contains(out, want) {
			t.Errorf("origami %s = %s, want %s in it", command, out, want)
		}
	}
	// Another account sees nothing of it, and neither does another region.
	n.run("account", "create", "other")
	for _, flags := range [][]string{{"--account", "other"}, {"--region", "eu-west-1"}} {
		for _, command := range []string{"images", "snapshots", "instances"} {
			var rows []json.RawMessage
			n.json(&rows, append([]string{command}, flags...)...)
			if len(rows) > 0 {
				t.Errorf("origami %s %v = %s", command, flags, rows)
			}
		}
	}
	if err := n.try(t.Context(), io.Discard, "images", "--region", "moon-1"); err == nil {
		t.Error("a region that there is not is accepted")
	}
	// Without the service the lists are still there.
	n.end()
	images = nil
	n.json(&images, "images")
	if len(images) != 1 || images[0].Stored != nil {
		t.Errorf("images without the service = %+v", images)
	}
}

// TestConsoleCommand follows a console until its instance stops, and looks at
// it afterwards.
func TestConsoleCommand(t *testing.T) {
	t.Parallel()
	n := install(t)
	image, _ := n.importDisk("base", random(3, 1<<20))
	id := n.launch(image, "web")
	live := &growing{grown: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- n.try(t.Context(), live, "console", "web") }()
	live.wait(t, "executes nothing")
	n.must("RebootInstances", "InstanceId.1", id)
	live.wait(t, "executes nothing", "executes nothing")
	n.must("StopInstances", "InstanceId.1", id)
	if err := <-ended; err != nil {
		t.Errorf("console ends with %v", err)
	}
	whole := live.String()
	if !strings.Contains(whole, "power button") || strings.Count(whole, "executes nothing") != 2 {
		t.Errorf("the live console was %q", whole)
	}
	// A reboot is a new machine, and only its console is kept.
	if got := n.run("console", id); !strings.HasSuffix(whole, got) || !strings.Contains(got, "power button") {
		t.Errorf("the console afterwards = %q, want the end of %q", got, whole)
	}
	if err := n.try(t.Context(), io.Discard, "console", "nobody"); err == nil {
		t.Error("the console of what there is not is shown")
	}
	// Ctrl-C ends it without an error.
	n.must("StartInstances", "InstanceId.1", id)
	n.await(id, "running")
	ctx, cancel := context.WithCancel(t.Context())
	again := &growing{grown: make(chan struct{}, 1)}
	go func() { ended <- n.try(ctx, again, "console", id) }()
	again.wait(t, "executes nothing")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C console ends with %v", err)
	}
}

// growing is output that somebody waits for.
type growing struct {
	mu    sync.Mutex // guards b
	b     bytes.Buffer
	grown chan struct{}
}

func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case g.grown <- struct{}{}:
	default:
	}
	return g.b.Write(p)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
}

// wait waits until words are in the output, one after the other.
func (g *growing) wait(t *testing.T, words ...string) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	for {
		rest, found := g.String(), true
		for _, w := range words {
			var ok bool
			_, rest, ok = strings.Cut(rest, w)
			found = found && ok
		}
		if found {
			return
		}
		select {
		case <-g.grown:
		case <-deadline:
			t.Fatalf("the output is %q, want %q in it", g.String(), words)
		}
	}
}

// TestMount reads a snapshot with the tools of others while it is served.
func TestMount(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"nbdinfo", "nbdcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	n := install(t)
	content := random(4, 5<<20)
	_, snapshot := n.importDisk("base", content)
	n.run("account", "create", "other")
	if err := n.try(t.Context(), io.Discard, "mount", snapshot, "--account", "other"); err == nil {
		t.Error("another account's snapshot is served")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &growing{grown: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- n.try(ctx, out, "mount", "base") }()
	out.wait(t, "nbdinfo", "guestunmount")
	uri := regexp.MustCompile(`nbdinfo '([^']+)'`).FindStringSubmatch(out.String())[1]
	info, err := exec.CommandContext(ctx, "nbdinfo", "--json", uri).Output()
	if err != nil {
		t.Fatalf("nbdinfo: %v", err)
	}
	var about struct {
		Exports []struct {
			Size     int64 `json:"export-size"`
			ReadOnly bool  `json:"is_read_only"`
		}
	}
	if err := json.Unmarshal(info, &about); err != nil || len(about.Exports) != 1 || about.Exports[0].Size != 1<<30 || !about.Exports[0].ReadOnly {
		t.Errorf("nbdinfo says %s, %v", info, err)
	}
	file := filepath.Join(t.TempDir(), "copy.raw")
	if msg, err := exec.CommandContext(ctx, "nbdcopy", uri, file).CombinedOutput(); err != nil {
		t.Fatalf("nbdcopy: %v: %s", err, msg)
	}
	if got, want := diskSum(t, file), padSum(content, 1<<30); got != want {
		t.Errorf("the copy has the SHA-256 %x, want %x", got, want)
	}
	if err := n.try(ctx, io.Discard, "mount", snapshot); err == nil {
		t.Error("a second mount takes the socket of the first")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C mount ends with %v", err)
	}
	u, _ := url.Parse(uri)
	if c, err := net.Dial("unix", u.Query().Get("socket")); err == nil {
		c.Close()
		t.Error("the snapshot is still served")
	}
}

func diskSum(t *testing.T, file string) [32]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// padSum is the SHA-256 of content followed by zeros up to size.
func padSum(content []byte, size int) [32]byte {
	h := sha256.New()
	h.Write(content)
	zeros := make([]byte, 1<<20)
	for left := size - len(content); left > 0; left -= len(zeros) {
		h.Write(zeros[:min(left, len(zeros))])
	}
	return [32]byte(h.Sum(nil))
}

// TestUsageCommand compares what deleting frees with what the store has less
// afterwards, and what the tables say with each other.
func TestUsageCommand(t *testing.T) {
	t.Parallel()
	n := install(t)
	common, first, second := random(5, 2<<20), random(6, 1<<20), random(7, 1<<20)
	a, snapA := n.importDisk("aaa", append(common[:2<<20:2<<20], first...))
	b, snapB := n.importDisk("bbb", append(common[:2<<20:2<<20], second...))
	freed := func(words ...string) int64 {
		t.Helper()
		var d struct{ FreedBytes int64 }
		n.json(&d, append([]string{"usage", "--delete"}, words...)...)
		return d.FreedBytes
	}
	referenced := func() int64 {
		t.Helper()
		var u struct{ ReferencedBytes int64 }
		n.json(&u, "usage")
		return u.ReferencedBytes
	}
	if err := n.try(t.Context(), io.Discard, "usage", "--delete", snapA); err == nil {
		t.Error("a snapshot that an image maps is said to be deletable")
	}
	one, both := freed("aaa"), freed("aaa", b)
	if one < 1<<20 || one > 1<<20+64<<10 || both < 4<<20 || both != referenced() {
		t.Errorf("deleting a frees %d, both %d of %d", one, both, referenced())
	}
	id := n.launch(a, "web")
	if got := freed("aaa", b); got >= both {
		t.Errorf("while an instance runs of it, deleting frees %d as before", got)
	}
	n.must("TerminateInstances", "InstanceId.1", id)
	n.await(id, "terminated")
	before := referenced()
	n.must("DeregisterImage", "ImageId", a)
	if got := freed(snapA); got != one {
		t.Errorf("deleting the snapshot frees %d, want %d as with its image", got, one)
	}
	n.must("DeleteSnapshot", "SnapshotId", snapA)
	if got := before - referenced(); got != one {
		t.Errorf("deleting has freed %d, want %d as promised", got, one)
	}
	if out := n.run("usage"); !strings.Contains(out, b) || !strings.Contains(out, snapB) || !strings.Contains(out, "RECLAIMABLE") {
		t.Errorf("usage = %s", out)
	}
	if out := n.run("usage", "--delete", "bbb"); !strings.Contains(out, fmt.Sprintf("(%d bytes)", both-one)) {
		t.Errorf("usage --delete b = %s, want %d bytes", out, both-one)
	}
}
