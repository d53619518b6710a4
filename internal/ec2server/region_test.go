package ec2server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"origami"
	"origami/disk"
	"origami/disk/raw"
	"origami/internal/ami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/ec2server"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/instance"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/policy"
	"origami/internal/sdktest"
	"origami/internal/sigv4"
	"origami/internal/task"
	"origami/internal/vmm/vmmtest"
)

// The regions of the installation that these tests talk to.
const (
	home   = origami.Region("eu-west-1")
	abroad = origami.Region("us-east-1")
)

// clock is the time of everything that the installation makes.
var clock = time.Date(2024, 5, 1, 12, 0, 0, 123e6, time.UTC)

// installation is a whole service in this process: database, block store,
// volumes, task queue, machines that exist in memory only, and the front door.
// Two accounts have keys to it.
type installation struct {
	t         *testing.T
	url       string
	http      *http.Client // of this installation alone
	db        *metadb.DB
	ebs       *ebs.Service
	kms       *kms.Service
	store     *blockstore.Store
	images    *ami.Service
	volumes   durable.FS
	host      *vmmtest.Host
	instances *instance.Service
	iam       *iam.Service
	a, b      *account
	ahead     atomic.Int64 // of clock
	log       *syncBuffer
	// expected is in the lines of the log about errors that the test provokes;
	// any other error fails the test.
	expected string
}

// later lets time pass.
func (i *installation) later(d time.Duration) { i.ahead.Add(int64(d)) }

// account is an account of the installation, and a client that acts for it in
// the region home.
type account struct {
	*ec2.Client
	i   *installation
	id  origami.AccountID
	key origami.AccessKey
}

// open starts an installation that ends with the test.
func open(t *testing.T) *installation {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	root := t.TempDir()
	i := &installation{t: t, log: new(syncBuffer)}
	log := slog.New(slog.NewTextHandler(i.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := metadb.Open(ctx, "sqlite:"+filepath.Join(root, "db"))
	must(err)
	packs, err := durable.OS(subdir(t, root, "packs"))
	must(err)
	volumes, err := durable.OS(subdir(t, root, "volumes"))
	must(err)
	bucket, err := dir.Open(packs)
	must(err)
	top, err := keyfile.Open(filepath.Join(root, "root.key"))
	must(err)
	accounts := iam.New(db)
	keys, err := kms.New(ctx, kms.Config{
		DB: db, Root: top, Regions: []origami.Region{home, abroad}, Log: log,
		Identity: func(tx *metadb.Tx, who origami.Caller, action, resource string, keys policy.Keys, own *policy.Document) (kms.Decision, error) {
			d, err := accounts.Decide(tx, who, action, iam.Resource{ARN: resource, Keys: keys}, own)
			return kms.Decision(d), err
		},
	})
	must(err)
	store, err := blockstore.Open(ctx, blockstore.Config{Bucket: bucket, Index: ebs.Index{DB: db}, Keys: ebs.Keys{DB: db, KMS: keys}, Logger: log})
	must(err)
	queue := task.New(db, task.Config{Logger: log})
	now := func() time.Time { return clock.Add(time.Duration(i.ahead.Load())) }
	snapshots := ebs.New(ebs.Config{DB: db, Store: store, Queue: queue, Volumes: volumes, KMS: keys, Log: log, Now: now})
	images := ami.New(snapshots, now)
	driver := vmmtest.NewDriver()
	// The names of sockets have to be short.
	run, err := os.MkdirTemp("/tmp", "o")
	must(err)
	instances := instance.New(instance.Config{
		DB: db, EBS: snapshots, AMI: images, Queue: queue, VMM: driver, RunDir: run,
		PublicPrefix: netip.MustParsePrefix("127.200.0.0/16"), Metadata: func(*origami.Subnet, net.Listener) {},
		Host: instance.Capacity{VCPUs: 8, MemoryMiB: 1 << 20}, Log: log, Now: now,
	})
	var background sync.WaitGroup
	background.Go(func() { _ = queue.Serve(ctx) })
	background.Go(func() { _ = instances.Serve(ctx) })

	door := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: credentials(accounts), Regions: []origami.Region{home, abroad}, Logger: log,
		Services: map[string]endpoint.Service{"ec2": ec2server.New(ec2server.NewServer(ec2server.Config{
			DB: db, EBS: snapshots, AMI: images, Instances: instances,
			Regions: []origami.Region{home, abroad}, TokenKey: [32]byte{1, 2, 3},
		}), ec2server.Options{Authorize: accounts.Authorize})},
	}))
	i.kms, i.store = keys, store
	i.http, i.images, i.iam = door.Client(), images, accounts
	i.url, i.db, i.ebs, i.volumes, i.host, i.instances = door.URL, db, snapshots, volumes, driver.Host(), instances
	t.Cleanup(func() {
		door.Close()
		stop()
		background.Wait()
		err := errors.Join(instances.Close(), driver.Close(), snapshots.Close(), store.Close(), bucket.Close(), db.Close(), os.RemoveAll(run))
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(i.log.String()) {
			if strings.Contains(line, "level=ERROR") && (i.expected == "" || !strings.Contains(line, i.expected)) {
				t.Errorf("the service logged %s", line)
			}
		}
	})
	i.a, i.b = i.account(accounts, "alice"), i.account(accounts, "bob")
	return i
}

func subdir(t *testing.T, root, name string) string {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// credentials finds keys as the program does.
func credentials(accounts *iam.Service) func(context.Context, string, string) (endpoint.Credential, error) {
	return func(ctx context.Context, id, token string) (endpoint.Credential, error) {
		c, err := accounts.Authenticate(ctx, id, token)
		return endpoint.Credential(c), err
	}
}

func (i *installation) account(accounts *iam.Service, name string) *account {
	i.t.Helper()
	made, key, err := accounts.CreateAccount(i.t.Context(), name)
	if err != nil {
		i.t.Fatal(err)
	}
	a := &account{i: i, id: made.ID, key: key}
	a.Client = a.in(home)
	return a
}

// in is a client that acts for the account in a region.
func (a *account) in(region origami.Region) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: string(region), BaseEndpoint: &a.i.url, HTTPClient: sdktest.Client{HTTP: a.i.http}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: a.key.ID, SecretAccessKey: a.key.Secret}, nil
		}),
	})
}

// caller is the account as the rooms below the door know it.
func (a *account) caller(region origami.Region) origami.Caller {
	return origami.Caller{Account: a.id, ARN: iam.RootARN(a.id), Region: region, Request: "test"}
}

// send makes a request with parameters as they are, which the SDK might not
// send, and returns status and document of the answer.
func (a *account) send(t *testing.T, region origami.Region, form url.Values) (int, string) {
	t.Helper()
	if !form.Has("Version") {
		form.Set("Version", ec2api.Version)
	}
	body := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.i.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	err = sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: a.key.ID, Secret: a.key.Secret}, string(region), "ec2", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.i.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// snapshot stores a small disk as a completed snapshot of the account.
func (a *account) snapshot(t *testing.T, region origami.Region, content string) string {
	t.Helper()
	img, err := raw.Open(bytes.NewReader(bytes.Repeat([]byte(content), 1+4096/len(content))), 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	stored, err := a.i.ebs.Ingest(t.Context(), img, "", nothing)
	if err != nil {
		t.Fatal(err)
	}
	var snap *origami.Snapshot
	err = a.i.db.Update(t.Context(), func(tx *metadb.Tx) (err error) {
		snap, err = a.i.ebs.NewSnapshot(tx, a.caller(region), 1, "disk of "+content, nil)
		if err != nil {
			return err
		}
		return a.i.ebs.CompleteSnapshot(tx, region, snap.ID, stored)
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(snap.ID)
}

// await asks until done answers true; it asks again whenever a millisecond
// tick has passed, and gives up after five minutes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("gave up waiting for %s", what)
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

// fails calls an operation that must fail with a code and a message. A message
// that ends in "…" gives the beginning only.
func fails[In, Out any](t *testing.T, f func(context.Context, *In, ...func(*ec2.Options)) (*Out, error), in *In, code, message string) {
	t.Helper()
	_, err := f(t.Context(), in)
	if got, want := describe(err), code+": "+message; !matches(got, want) {
		t.Errorf("%T:\ngot  %s\nwant %s", in, got, want)
	}
}

func matches(got, want string) bool {
	if beginning, ok := strings.CutSuffix(want, "…"); ok {
		return strings.HasPrefix(got, beginning)
	}
	return got == want
}

// describe writes an error of the API as "code: message".
func describe(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// same compares an answer with the wanted one, field by field. Empty lists may
// be absent.
func same(t *testing.T, got, want any) {
	t.Helper()
	bookkeeping := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".ResultMetadata" || p.Last().String() == ".noSmithyDocumentSerde"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, bookkeeping, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%T (-want +got):\n%s", got, diff)
	}
}

// nothing hears how far an ingest is.
func nothing(disk.Progress, blockstore.WriterStats) {}

func p[T any](v T) *T { return &v }

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
