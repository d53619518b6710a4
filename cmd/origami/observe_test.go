package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"origami/nbd"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// sample finds the value of a metric with its labels, NaN if it is not there.
func sample(page, metric string) float64 {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	n := install(t, "--metrics", "127.0.0.1:0")
	found := regexp.MustCompile(`http://([^/ ]+)/metrics`).FindStringSubmatch(n.said)
	if found == nil {
		t.Fatalf("the service does not say where its metrics are: %s", n.said)
	}
	address := found[1]
	if status, text := get(t, "http://"+address+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz = %d %s", status, text)
	}
	// It does not wait for a slow disk.
	pluggable{n}.eventually("the service is ready", func() bool {
		status, _ := get(t, "http://"+address+"/readyz")
		return status == http.StatusOK
	})
	image, _ := n.importDisk("base", random(8, 1<<20))
	n.launch(image, "web")
	for range 3 {
		n.must("DescribeImages")
	}
	n.call("DeregisterImage", "ImageId", "ami-00000000000000000")
	n.call("MakeMetrics" + strings.Repeat("x", 50))
	metrics := map[string]float64{
		`origami_requests_total{action="DescribeImages",code="",service="ec2",status="200"}`:                       3,
		`origami_request_duration_seconds_count{action="DescribeImages",service="ec2"}`:                            3,
		`origami_requests_total{action="DeregisterImage",code="InvalidAMIID.NotFound",service="ec2",status="400"}`: 1,
		`origami_requests_total{action="other",code="InvalidAction",service="ec2",status="400"}`:                   1,
		`origami_requests_total{action="import",code="",service="origami",status="200"}`:                           1,
		`origami_instances{region="us-east-1",state="running"}`:                                                    1,
		`origami_tasks{kind="instance.start",state="done"}`:                                                        1,
		`origami_store_garbage_packs`: 0,
	}
	// A client has its answer before that is counted, and an instance runs
	// before its task is done.
	var page, wrong string
	defer func() {
		if t.Failed() {
			t.Log(wrong)
		}
	}()
	pluggable{n}.eventually("the metrics tell what was done", func() bool {
		var status int
		if status, page = get(t, "http://"+address+"/metrics"); status != http.StatusOK {
			t.Fatalf("/metrics = %d %s", status, page)
		}
		wrong = ""
		for metric, want := range metrics {
			if got := sample(page, metric); got != want {
				wrong = fmt.Sprintf("%s = %v, want %v", metric, got, want)
			}
		}
		return wrong == ""
	})
	if got := sample(page, "origami_store_bytes"); !(got >= 1<<20) {
		t.Errorf("origami_store_bytes = %v", got)
	}
	if strings.Contains(page, "MakeMetrics") {
		t.Error("a client can make labels")
	}
	if status, _ := get(t, "http://"+address+"/"); status != http.StatusNotFound {
		t.Errorf("/ = %d", status)
	}
	// None of it is on the port of the API.
	var e environment
	n.json(&e, "env")
	if status, _ := get(t, e.Endpoint+"/metrics"); status == http.StatusOK {
		t.Error("the API serves metrics to anybody")
	}
}

// TestDiskMetrics counts what a client of a disk does.
func TestDiskMetrics(t *testing.T) {
	t.Parallel()
	m := &monitor{metrics: newMetrics()}
	if m.disk() != nil {
		t.Error("requests to disks are counted for nobody")
	}
	m.shown = true
	server := &nbd.Server{Observe: m.disk()}
	defer server.Close()
	if _, err := server.Export("", memory(make([]byte, 1<<20)), nbd.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("nbdcopy"); err != nil {
		t.Skip("needs nbdcopy")
	}
	dir, err := os.MkdirTemp("/tmp", "origami") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "nbd")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(t.Context(), l)
	if msg, err := exec.Command("nbdcopy", "nbd+unix:///?socket="+socket, "null:").CombinedOutput(); err != nil {
		t.Fatalf("nbdcopy: %v: %s", err, msg)
	}
	// A client has its answer before that is counted.
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	monitor := httptest.NewServer(m.handler())
	defer monitor.Close()
	_, page := get(t, monitor.URL+"/metrics")
	if got := sample(page, `origami_nbd_bytes_total{command="READ"}`); got != 1<<20 {
		t.Errorf("bytes read = %v, want %d", got, 1<<20)
	}
	if got := sample(page, `origami_nbd_request_duration_seconds_count{command="READ"}`); !(got >= 1) {
		t.Errorf("reads = %v", got)
	}
}

// memory is a disk.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return copy(p, m[off:]), nil }
func (memory) WriteAt([]byte, int64) (int, error)        { return 0, syscall.EROFS }
func (m memory) Size() int64                             { return int64(len(m)) }
func (memory) Flush() error                              { return nil }

// TestNotReady asks a monitor whose service does not serve.
func TestNotReady(t *testing.T) {
	t.Parallel()
	s := &service{o: options{metrics: "127.0.0.1:0"}, log: newLogger(100), ctx: t.Context()}
	if err := s.openMonitor(); err != nil {
		t.Fatal(err)
	}
	defer s.closeMonitor()
	if status, text := get(t, "http://"+s.metricsAddress+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz = %d %s", status, text)
	}
	if status, text := get(t, "http://"+s.metricsAddress+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz = %d %s", status, text)
	}
	for _, address := range []string{":9773", "9773", "localhost"} {
		if checkAddress(address) == nil {
			t.Errorf("--metrics %s is accepted", address)
		}
	}
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	n := install(t, "--audit-log", file)
	image, snapshot := n.importDisk("base", random(9, 1<<20))
	n.must("DescribeImages")
	if err := n.try(t.Context(), io.Discard, "import", file, "--name", "base"); err == nil {
		t.Error("a second image of the name is imported")
	}
	n.must("CreateTags", "ResourceId.1", image, "Tag.1.Key", "password", "Tag.1.Value", "hunter2")
	// Rotated: the next line begins a new file.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	id := n.launch(image, "web")
	var e environment
	n.json(&e, "env")
	n.call("CreateVolume", "AvailabilityZone", string(e.Region)+"a", "Size", "1", "Encrypted", "true")
	n.call("DeleteSnapshot", "SnapshotId", snapshot)
	n.call("DeleteSnapshot", "SnapshotId", snapshot, "DryRun", "true")

	type line struct{ action, resource, outcome, code string }
	want := map[string][]line{
		file + ".1": {{"import", image, "success", ""}, {"import", "", "refused", "InvalidAMIName.Duplicate"}, {"CreateTags", image, "success", ""}},
		file: {
			{"RunInstances", id, "success", ""},
			{"CreateVolume", "", "success", ""},
			{"DeleteSnapshot", snapshot, "refused", "InvalidSnapshot.InUse"},
			{"DeleteSnapshot", snapshot, "dry-run", "DryRunOperation"},
		},
	}
	for file, lines := range want {
		records, text := auditRecords(t, file)
		if len(records) != len(lines) {
			t.Fatalf("%s = %s, want %d lines", file, text, len(lines))
		}
		for i, r := range records {
			got := line{r.Action, lines[i].resource, r.Outcome, string(r.Code)}
			if got != lines[i] || lines[i].resource != "" && !slices.Contains(r.Resources, lines[i].resource) {
				t.Errorf("line %d = %+v, want %+v", i, r, lines[i])
			}
			if r.Account != e.Account || r.AccessKey != e.AccessKey || r.Request == "" || r.Source == "" || r.Time.IsZero() || r.Region != e.Region {
				t.Errorf("line %d does not say who: %+v", i, r)
			}
		}
		for _, r := range records {
			if who := fmt.Sprintf("@uid=%d,pid=", os.Getuid()); r.Action == "import" && runtime.GOOS == "linux" && !strings.HasPrefix(r.Source, who) {
				t.Errorf("an import is from %q, want %s…", r.Source, who)
			}
			key := fmt.Sprintf("arn:aws:kms:%s:%s:key/", e.Region, e.Account)
			if r.Action == "CreateVolume" && !slices.ContainsFunc(r.Resources, func(s string) bool { return strings.HasPrefix(s, key) }) {
				t.Errorf("an encrypted volume is of %q, want a key among them", r.Resources)
			}
		}
		if strings.Contains(text, "hunter2") || strings.Contains(text, e.Secret) {
			t.Errorf("%s holds secrets: %s", file, text)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", file, info.Mode(), err)
		}
	}
}

func auditRecords(t *testing.T, file string) ([]auditRecord, string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []auditRecord
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var r auditRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		all = append(all, r)
	}
	return all, string(text)
}

// TestAuditUnwritable takes the audit log away under the service.
func TestAuditUnwritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := install(t, "--audit-log", filepath.Join(dir, "audit.log"))
	if err := os.Remove(filepath.Join(dir, "audit.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "audit.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if status, answer := n.call("CreateKeyPair", "KeyName", "k"); status != http.StatusInternalServerError || strings.Contains(answer, "keyMaterial") {
		t.Errorf("without an audit CreateKeyPair = %d %s", status, answer)
	}
	n.must("DescribeKeyPairs")
}
