package ebsserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/rbin"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/ami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/ebsserver"
	"origami/internal/ec2server"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/rbinserver"
	"origami/internal/sdktest"
	"origami/internal/task"
)

const (
	home   = origami.Region("eu-west-1")
	abroad = origami.Region("us-east-1")
	size   = blockstore.BlockSize
)

// installation is a service in this process that can end and begin again.
type installation struct {
	t    testing.TB
	root string
	url  string
	http *http.Client
	db   *metadb.DB
	ebs  *ebs.Service
	kms  *kms.Service
	// ahead is how far the clock of the service is ahead, in nanoseconds.
	ahead *atomic.Int64
	close func()
	a, b  account
	// limits take effect at the next restart.
	limits ebs.Limits
	// expected is part of errors that the log may have.
	expected string
	idle     bool // tasks wait for the next restart
	user     bool // requests are those of a user, not of the account's root
	allow    func(action string, resources []iam.Resource) error
}

type account struct {
	i   *installation
	id  origami.AccountID
	key origami.AccessKey
}

// start begins an installation that ends with the test.
func start(t testing.TB) *installation {
	t.Helper()
	i := &installation{t: t, root: t.TempDir(), ahead: new(atomic.Int64)}
	for _, name := range []string{"packs", "volumes"} {
		if err := os.Mkdir(filepath.Join(i.root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	i.open()
	t.Cleanup(func() { i.close() })
	accounts := iam.New(i.db)
	for name, to := range map[string]*account{"alice": &i.a, "bob": &i.b} {
		made, key, err := accounts.CreateAccount(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		*to = account{i, made.ID, key}
	}
	return i
}

// restart ends the installation, as far as a process can, and begins it again.
func (i *installation) restart() {
	i.t.Helper()
	i.close()
	i.open()
}

func (i *installation) now() time.Time { return time.Now().Add(time.Duration(i.ahead.Load())) }

func (i *installation) open() {
	t := i.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(errorsOf{i}, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := metadb.Config{Clock: i.now}.Open(ctx, "sqlite:"+filepath.Join(i.root, "db"))
	must(err)
	packs, err := durable.OS(filepath.Join(i.root, "packs"))
	must(err)
	volumes, err := durable.OS(filepath.Join(i.root, "volumes"))
	must(err)
	bucket, err := dir.Open(packs)
	must(err)
	top, err := keyfile.Open(filepath.Join(i.root, "root.key"))
	must(err)
	i.kms, err = kms.New(ctx, kms.Config{DB: db, Root: top, Regions: []origami.Region{home, abroad}, Log: log})
	must(err)
	store, err := blockstore.Open(ctx, blockstore.Config{Bucket: bucket, Index: ebs.Index{DB: db}, Keys: ebs.Keys{DB: db, KMS: i.kms}, Logger: log})
	must(err)
	queue := task.New(db, task.Config{Logger: log})
	snapshots := ebs.New(ebs.Config{DB: db, Store: store, Queue: queue, Volumes: volumes, KMS: i.kms, Log: log, Now: i.now, Boot: "one", Limits: i.limits})
	must(snapshots.Recover(ctx))
	var background sync.WaitGroup
	if !i.idle {
		background.Go(func() { _ = queue.Serve(ctx) })
	}
	accounts := iam.New(db)
	door := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: func(ctx context.Context, id, token string) (endpoint.Credential, error) {
			c, err := accounts.Authenticate(ctx, id, token)
			c.ARN = i.principal(c.Account)
			return endpoint.Credential(c), err
		},
		Regions: []origami.Region{home, abroad}, Logger: log,
		Services: map[string]endpoint.Service{
			"ec2": ec2server.New(ec2server.NewServer(ec2server.Config{
				DB: db, EBS: snapshots, AMI: ami.New(snapshots, i.now), Regions: []origami.Region{home, abroad},
			}), ec2server.Options{}),
			ebsserver.Service: ebsserver.New(ebsserver.Config{DB: db, EBS: snapshots, TokenKey: [32]byte{4}, Now: i.now,
				Authorize: i.authorize(accounts)}),
			rbinserver.Service: rbinserver.New(rbinserver.Config{DB: db, Now: i.now}),
		},
	}))
	i.url, i.http, i.db, i.ebs = door.URL, door.Client(), db, snapshots
	i.close = func() {
		door.Close()
		stop()
		background.Wait()
		if err := errors.Join(snapshots.Close(), store.Close(), bucket.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// authorize asks the policies, or what a test has put in their place.
func (i *installation) authorize(accounts *iam.Service) func(context.Context, origami.Caller, string, ...iam.Resource) error {
	return func(ctx context.Context, who origami.Caller, action string, resources ...iam.Resource) error {
		if i.allow != nil {
			return i.allow(action, resources)
		}
		return accounts.Authorize(ctx, who, action, resources...)
	}
}

func (i *installation) principal(a origami.AccountID) string {
	if i.user {
		return "arn:aws:iam::" + string(a) + ":user/u"
	}
	return iam.RootARN(a)
}

// errorsOf makes a line of the log an error of the test.
type errorsOf struct{ i *installation }

func (e errorsOf) Write(p []byte) (int, error) {
	if e.i.expected == "" || !bytes.Contains(p, []byte(e.i.expected)) {
		e.i.t.Errorf("the service logged %s", p)
	}
	return len(p), nil
}

func (a account) credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: a.key.ID, SecretAccessKey: a.key.Secret}, nil
	})
}

// blocks is a client of the direct APIs.
func (a account) blocks(region origami.Region) *sdk.Client {
	return sdk.New(sdk.Options{Region: string(region), BaseEndpoint: &a.i.url, Credentials: a.credentials(),
		HTTPClient: sdktest.Client{HTTP: a.i.http}, Retryer: aws.NopRetryer{}})
}

// ec2 is a client of EC2.
func (a account) ec2(region origami.Region) *ec2.Client {
	return ec2.New(ec2.Options{Region: string(region), BaseEndpoint: &a.i.url, Credentials: a.credentials(),
		HTTPClient: sdktest.Client{HTTP: a.i.http}, Retryer: aws.NopRetryer{}})
}

// rules is a client of the Recycle Bin.
func (a account) rules(region origami.Region) *rbin.Client {
	return rbin.New(rbin.Options{Region: string(region), BaseEndpoint: &a.i.url, Credentials: a.credentials(),
		HTTPClient: sdktest.Client{HTTP: a.i.http}, Retryer: aws.NopRetryer{}})
}

// content is a block of bytes that compress to half.
func content(seed byte) []byte {
	b := bytes.Repeat([]byte{seed}, size)
	for n := range size / 2 {
		b[n] = byte((n*n + int(seed)*n) >> 7)
	}
	return b
}

func checksum(b []byte) *string {
	sum := sha256.Sum256(b)
	return p(base64.StdEncoding.EncodeToString(sum[:]))
}

// putInput is a request that writes a block.
func putInput(id *string, n int32, b []byte) *sdk.PutSnapshotBlockInput {
	return &sdk.PutSnapshotBlockInput{SnapshotId: id, BlockIndex: &n, BlockData: bytes.NewReader(b), DataLength: p(int32(len(b))),
		Checksum: checksum(b), ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256}
}

// begin starts a snapshot of 1 GiB and writes blocks.
func (a account) begin(t testing.TB, parent *string, blocks map[int32][]byte) *string {
	t.Helper()
	c := a.blocks(home)
	s, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: parent})
	if err != nil {
		t.Fatal(err)
	}
	for n, b := range blocks {
		if _, err := c.PutSnapshotBlock(t.Context(), putInput(s.SnapshotId, n, b)); err != nil {
			t.Fatal(err)
		}
	}
	return s.SnapshotId
}

// make starts a snapshot, writes blocks and completes it.
func (a account) make(t testing.TB, parent *string, blocks map[int32][]byte) *string {
	t.Helper()
	id := a.begin(t, parent, blocks)
	_, err := a.blocks(home).CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: id, ChangedBlocksCount: p(int32(len(blocks)))})
	if err != nil {
		t.Fatal(err)
	}
	if state, message := a.ended(t, id); state != origami.SnapshotCompleted {
		t.Fatalf("%s is %s: %s", *id, state, message)
	}
	return id
}

// ended waits until a snapshot is not pending any more.
func (a account) ended(t testing.TB, id *string) (state origami.SnapshotState, message string) {
	t.Helper()
	await(t, *id+" ends", func() bool {
		snap := a.read(t, id)
		state, message = snap.State, snap.StateMessage
		return state != origami.SnapshotPending
	})
	return state, message
}

// read is a snapshot as the database has it.
func (a account) read(t testing.TB, id *string) (snap *origami.Snapshot) {
	t.Helper()
	err := a.i.db.View(t.Context(), func(tx *metadb.Tx) (err error) {
		snap, err = tx.Snapshot(home, metadb.System, origami.SnapshotID(*id))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}

// logs are the upload logs that there are.
func (i *installation) logs() []string {
	i.t.Helper()
	names, err := filepath.Glob(filepath.Join(i.root, "volumes", "*.upload*"))
	if err != nil {
		i.t.Fatal(err)
	}
	return names
}

// describe writes an error of the API as "Code/REASON: message".
func describe(err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	reason := ""
	var v *types.ValidationException
	var n *types.ResourceNotFoundException
	var d *types.AccessDeniedException
	switch {
	case errors.As(err, &v):
		reason = string(v.Reason)
	case errors.As(err, &n):
		reason = string(n.Reason)
	case errors.As(err, &d):
		reason = string(d.Reason)
	}
	return strings.TrimSuffix(e.ErrorCode()+"/"+reason, "/") + ": " + e.ErrorMessage()
}

// wants checks the code and reason of an error.
func wants(t testing.TB, what string, err error, want string) {
	t.Helper()
	if got, _, _ := strings.Cut(describe(err), ":"); got != want {
		t.Errorf("%s: got %s, want %s", what, describe(err), want)
	}
}

func readAll(t testing.TB, r io.ReadCloser) []byte {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func p[T any](v T) *T { return &v }
