// Package instancetest assembles the rooms of the concepts over what they
// really stand on, in a temporary directory: database, block store, overlays,
// task queue and networks are those of the program, and only the machines live
// in memory. Tests act as clients through the services, as guests through
// [Host.Machines] and the volumes, and as disaster through [Hooks] and
// [Region.Kill].
package instancetest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/instance"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/task"
	"origami/internal/vmie"
	"origami/internal/vmm/vmmtest"
)

// Alice and Bob are callers in the region us-east-1; Abroad is Alice in
// eu-west-1.
var (
	Alice  = origami.Caller{Account: "111111111111", ARN: "arn:aws:iam::111111111111:root", Region: "us-east-1", Request: "alice"}
	Bob    = origami.Caller{Account: "222222222222", ARN: "arn:aws:iam::222222222222:root", Region: "us-east-1", Request: "bob"}
	Abroad = origami.Caller{Account: "111111111111", ARN: "arn:aws:iam::111111111111:root", Region: "eu-west-1", Request: "abroad"}
)

// Config is what a test can choose. The zero value is useful.
type Config struct {
	Grace      time.Duration     // 2 s
	Capacity   instance.Capacity // 4 processors, 64 GiB
	Quotas     instance.Quotas
	MaxVolumes int
	CopyEvery  int64 // as of ebs.Config
	// Hooks are there from the start. They can be exchanged later.
	Hooks Hooks
	// Idle leaves the queue and the events of machines unserved, as before
	// [Region.Serve].
	Idle bool
}

// Host is what survives the death of the process.
type Host struct {
	Dir      string
	Machines *vmmtest.Host
}

// Region is the running process.
type Region struct {
	*Host
	DB        *metadb.DB
	Store     *blockstore.Store
	KMS       *kms.Service
	Queue     *task.Queue
	EBS       *ebs.Service
	AMI       *ami.Service
	Instances *instance.Service
	VMIE      *vmie.Service

	t      *testing.T
	config Config
	hooks  *hooks
	driver *vmmtest.Driver
	bucket *dir.Bucket
	stop   context.CancelFunc
	served sync.WaitGroup
	once   sync.Once
	closed bool // by Close
}

// New starts a region that ends with the test.
func New(t *testing.T, c Config) *Region {
	t.Helper()
	h := &Host{Dir: t.TempDir(), Machines: new(vmmtest.Host)}
	for _, name := range []string{"store", "volumes", "stores"} {
		if err := os.Mkdir(filepath.Join(h.Dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, h, c)
}

// start starts the process over what the host holds.
func start(t *testing.T, h *Host, c Config) *Region {
	t.Helper()
	if c.Grace == 0 {
		c.Grace = 2 * time.Second
	}
	if c.Capacity == (instance.Capacity{}) {
		c.Capacity = instance.Capacity{VCPUs: 4, MemoryMiB: 64 << 10}
	}
	r := &Region{Host: h, t: t, config: c, hooks: &hooks{now: c.Hooks}}
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if !c.Idle {
		r.Serve()
	}
	return r
}

// open builds the rooms from the ground up.
func (r *Region) open(ctx context.Context) error {
	quiet := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if r.DB, err = metadb.Open(ctx, "sqlite:"+filepath.Join(r.Dir, "meta.db")); err != nil {
		return err
	}
	packs, err := durable.OS(filepath.Join(r.Dir, "store"))
	if err != nil {
		return err
	}
	if r.bucket, err = dir.Open(packs); err != nil {
		return err
	}
	root, err := keyfile.Open(filepath.Join(r.Dir, "root.key"))
	if err != nil {
		return err
	}
	if r.KMS, err = kms.New(ctx, kms.Config{DB: r.DB, Root: root, Regions: []origami.Region{Alice.Region, Abroad.Region}, Log: quiet}); err != nil {
		return err
	}
	r.Store, err = blockstore.Open(ctx, blockstore.Config{
		Bucket: bucket{r.bucket, r.hooks}, Index: ebs.Index{DB: r.DB}, Keys: ebs.Keys{DB: r.DB, KMS: r.KMS}, CacheBytes: 4 << 20, Logger: quiet,
	})
	if err != nil {
		return err
	}
	volumes, err := durable.OS(filepath.Join(r.Dir, "volumes"))
	if err != nil {
		return err
	}
	stores, err := durable.OS(filepath.Join(r.Dir, "stores"))
	if err != nil {
		return err
	}
	r.Queue = task.New(r.DB, task.Config{Logger: quiet})
	r.EBS = ebs.New(ebs.Config{DB: r.DB, Store: r.Store, Queue: r.Queue, Volumes: files{volumes, r.hooks}, MaxVolumes: r.config.MaxVolumes,
		KMS: r.KMS, CopyEvery: r.config.CopyEvery, Log: quiet})
	r.AMI = ami.New(r.EBS, nil)
	run, err := os.MkdirTemp("/tmp", "o") // short: it is the directory of sockets
	if err != nil {
		return err
	}
	r.t.Cleanup(func() { os.RemoveAll(run) })
	r.driver = r.Machines.Open()
	r.Instances = instance.New(instance.Config{
		DB: r.DB, EBS: r.EBS, AMI: r.AMI, Queue: r.Queue, VMM: driver{r.driver, r.hooks},
		RunDir: run, Stores: stores, PublicPrefix: publicPrefix(r.t), Metadata: func(*origami.Subnet, net.Listener) {},
		Host: r.config.Capacity, Quotas: r.config.Quotas, Grace: r.config.Grace, Log: quiet, Now: r.hooks.clock,
	})
	r.VMIE = vmie.New(r.DB, r.EBS, r.AMI, r.Queue)
	return r.Instances.Recover(ctx)
}

// publicPrefix is a range of 254 loopback addresses that no other test has: who
// listens at the last one has them. Tests that choose theirs by hand do so below
// 127.100.
func publicPrefix(t *testing.T) netip.Prefix {
	t.Helper()
	for {
		p := [4]byte{127, byte(100 + rand.N(150)), byte(rand.N(256)), 255}
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: p[:], Port: 20773})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		p[3] = 0
		return netip.PrefixFrom(netip.AddrFrom4(p), 24)
	}
}

// Serve begins to run tasks and to follow the machines.
func (r *Region) Serve() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.served.Go(func() {
		if err := r.Queue.Serve(ctx); err != nil {
			r.t.Error(err)
		}
	})
	r.served.Go(func() {
		if err := r.Instances.Serve(ctx); err != nil {
			r.t.Error(err)
		}
	})
}

// Close ends the process in an orderly manner. Machines run on.
func (r *Region) Close() { r.once.Do(r.close) }

func (r *Region) close() {
	r.closed = true
	r.hooks.set(Hooks{})
	if r.stop != nil {
		r.stop()
	}
	r.served.Wait()
	closed := []func() error{r.Instances.Close, r.driver.Close, r.EBS.Close, r.Store.Close, r.bucket.Close, r.DB.Close}
	for _, f := range closed {
		if err := f(); err != nil {
			r.t.Errorf("close region: %v", err)
		}
	}
}

// Restart ends the process in an orderly manner and starts it again.
func (r *Region) Restart(c Config) *Region {
	r.t.Helper()
	r.Close()
	return start(r.t, r.Host, c)
}

// Kill starts the process again as if it had been killed at this instant: over
// a copy of its directory, and with its machines. Whatever the old process
// still does is seen by nobody. The caller has brought it to a halt, by a hook
// that waits or by waiting until it has nothing to do, so that the copy is of
// one instant.
func (r *Region) Kill(c Config) *Region {
	r.t.Helper()
	r.driver.Close()
	h := &Host{Dir: r.t.TempDir(), Machines: r.Machines}
	copied := func() error { return copyTree(h.Dir, r.Dir) }
	if !r.closed {
		// The leases of what waits are renewed meanwhile. While this
		// transaction lasts, nobody writes to the database's files.
		stopped := copied
		copied = func() error { return r.Update(func(*metadb.Tx) error { return stopped() }) }
	}
	if err := copied(); err != nil {
		r.t.Fatal(err)
	}
	return start(r.t, h, c)
}
