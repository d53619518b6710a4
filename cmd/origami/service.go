package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/ebsserver"
	"origami/internal/ec2server"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/iamserver"
	"origami/internal/instance"
	"origami/internal/keywrap"
	"origami/internal/kms"
	"origami/internal/kmsserver"
	"origami/internal/localserver"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/policy"
	"origami/internal/rbinserver"
	"origami/internal/stsserver"
	"origami/internal/task"
	"origami/internal/vmie"
	"origami/internal/vmm"
	"origami/internal/vpc"
)

// service is everything that a running installation consists of, in the order
// in which it is built.
type service struct {
	o   options
	log *slog.Logger
	ctx context.Context // ends when the service stops

	db        *metadb.DB
	accounts  *iam.Service
	kms       *kms.Service
	bucket    *dir.Bucket
	store     *blockstore.Store
	queue     *task.Queue
	ebs       *ebs.Service
	ami       *ami.Service
	machines  vmm.Driver
	vpc       *vpc.Service
	instances *instance.Service
	vmie      *vmie.Service

	background sync.WaitGroup

	monitor        *monitor
	stopMonitor    context.CancelFunc // nil without --metrics
	monitored      chan struct{}      // closed when it has ended
	metricsAddress string             // where it listens
	audit          *auditLog          // nil without --audit-log
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, o options, out io.Writer) (err error) {
	if err := o.dir.make(); err != nil {
		return err
	}
	lock, err := o.dir.lockSoon(ctx)
	if err != nil {
		return err
	}
	defer unlock(lock)
	paceGC()
	s := &service{o: o, log: newLogger(o.logLevel), ctx: ctx}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, build := range []func() error{s.openMonitor, s.openAudit, s.openDatabase, s.openAccounts, s.openKeys, s.openStores, s.openConcepts} {
		if err := build(); err != nil {
			return err
		}
	}
	return s.run(out)
}

// openDatabase opens the database, which all else is found by.
func (s *service) openDatabase() error {
	var err error
	s.db, err = metadb.Open(s.ctx, s.o.dir.database())
	return err
}

// openStores opens the block store, whose domains have keys of KMS.
func (s *service) openStores() error {
	packs, err := durable.OS(s.o.dir.path("store"))
	if err != nil {
		return err
	}
	if s.bucket, err = dir.Open(packs); err != nil {
		return err
	}
	s.store, err = blockstore.Open(s.ctx, blockstore.Config{
		Bucket: s.bucket, Index: ebs.Index{DB: s.db}, Keys: ebs.Keys{DB: s.db, KMS: s.kms}, CacheBytes: s.o.cache << 20, Logger: s.log,
	})
	return err
}

// openAccounts makes the first account if there is none.
func (s *service) openAccounts() error {
	s.accounts = iam.New(s.db)
	all, err := s.accounts.Accounts(s.ctx)
	if err != nil || len(all) > 0 {
		return err
	}
	_, _, err = s.accounts.CreateAccount(s.ctx, defaultAccount)
	return err
}

// openKeys finds the key on top of all others, and what is below it.
func (s *service) openKeys() error {
	root, err := s.o.root.open(s.ctx, s.o.dir, s.db)
	if err != nil {
		return err
	}
	s.kms, err = kms.New(s.ctx, kms.Config{DB: s.db, Root: root, Regions: s.o.regions, Identity: decide(s.accounts), Asked: s.askedKey(), Log: s.log})
	if err != nil {
		return adviseRoot(err)
	}
	return s.settleRoot(root)
}

// settleRoot brings the file of a root key that a rotation left where it made
// it to its place, and says which root keys are no longer needed.
func (s *service) settleRoot(root keywrap.Root) error {
	name, err := root.Name(s.ctx)
	if err != nil {
		return err
	}
	if _, err := s.o.dir.settleRootKey(s.ctx, name, false); err != nil {
		return err
	}
	for _, k := range s.o.root.notNeeded(s.ctx, s.o.dir, name) {
		s.log.Info("a root key is no longer needed", "root_key", k.Name, "file", k.File, "in_use", name)
	}
	return nil
}

// askedKey is who hears of the KMS keys that requests ask for: the audit log, if
// there is one.
func (s *service) askedKey() func(request, key string) {
	if s.audit == nil {
		return nil
	}
	return s.audit.keys.note
}

// decide tells what the policies of a caller's account say about the use of a
// KMS key.
func decide(accounts *iam.Service) kms.Identity {
	return func(tx *metadb.Tx, who origami.Caller, action, resource string, keys policy.Keys, own *policy.Document) (kms.Decision, error) {
		d, err := accounts.Decide(tx, who, action, iam.Resource{ARN: resource, Keys: keys}, own)
		return kms.Decision(d), err
	}
}

// openConcepts builds the rooms of the verbs and finds running machines again.
func (s *service) openConcepts() error {
	volumes, err := durable.OS(s.o.dir.path("volumes"))
	if err != nil {
		return err
	}
	stores, err := durable.OS(s.o.dir.path("stores"))
	if err != nil {
		return err
	}
	s.queue = task.New(s.db, task.Config{Logger: s.log, Limits: map[string]int{
		"instance.start": 32, "instance.stop": 64, "instance.terminate": 64, "instance.reboot": 64, "instance.image": 32, "vmie.import": 2,
	}})
	s.ebs = ebs.New(ebs.Config{DB: s.db, Store: s.store, Queue: s.queue, Volumes: volumes, MaxVolumes: s.o.quotas["volumes"], KMS: s.kms, Log: s.log,
		Limits: ebs.Limits{Pending: s.o.quotas["pending-snapshots"], SnapshotCopies: s.o.quotas["snapshot-copies"], VolumeCopies: s.o.quotas["volume-copies"]}})
	s.ami = ami.New(s.ebs, nil)
	s.ami.Quotas = ami.Quotas{
		Images: s.o.quotas["images"], PublicImages: s.o.quotas["public-images"],
		Shares: s.o.quotas["image-shares"], Copies: s.o.quotas["image-copies"], UsageReports: s.o.quotas["image-usage-reports"],
	}
	if s.machines, err = openMachines(s.ctx, s.o, s.log); err != nil {
		return err
	}
	serveMetadata, err := metadataServer(s.ctx, s)
	if err != nil {
		return err
	}
	host, err := hostCapacity(s.o)
	if err != nil {
		return err
	}
	s.vpc = vpc.New(vpc.Config{DB: s.db, Metadata: serveMetadata, Egress: egressPolicies[s.o.egress](), Log: s.log})
	s.instances = instance.New(instance.Config{
		DB: s.db, EBS: s.ebs, AMI: s.ami, Queue: s.queue, VMM: s.machines, VPC: s.vpc,
		Quotas: instance.Quotas{Instances: s.o.quotas["instances"], KeyPairs: s.o.quotas["key-pairs"]},
		RunDir: s.o.dir.path("run"), Stores: stores, PublicPrefix: s.o.publicPrefix, Host: host, Grace: s.o.grace, Disk: s.monitor.disk(), Log: s.log,
	})
	s.vmie = vmie.New(s.db, s.ebs, s.ami, s.queue)
	return s.instances.Recover(s.ctx)
}

// close lets go of everything, in the reverse order.
func (s *service) close() error {
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	if s.instances != nil {
		add(s.instances.Close())
	}
	if s.machines != nil {
		add(s.machines.Close())
	}
	s.background.Wait()
	if s.ebs != nil {
		add(s.ebs.Close())
	}
	if s.store != nil {
		add(s.store.Close())
	}
	if s.bucket != nil {
		add(s.bucket.Close())
	}
	if s.db != nil {
		add(s.db.Close())
	}
	if s.audit != nil {
		add(s.audit.close())
	}
	s.closeMonitor()
	return errors.Join(errs...)
}

// run serves until the context ends.
func (s *service) run(out io.Writer) error {
	api, own, err := s.doors()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.o.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	local, err := listenLocal(s.o.dir.socket())
	if err != nil {
		return err
	}
	defer local.Close()
	url := "http://" + l.Addr().String()
	if err := s.leaveWord(url); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	failed := make(chan error, 6)
	spawn := func(f func() error) {
		s.background.Go(func() {
			if err := f(); err != nil {
				failed <- err
			}
		})
	}
	spawn(func() error { return s.queue.Serve(ctx) })
	spawn(func() error { return s.instances.Serve(ctx) })
	spawn(func() error { return s.kms.Serve(ctx) })
	spawn(func() error { return s.ami.Serve(ctx, s.db, s.log) })
	spawn(func() error { return serveHTTP(ctx, l, api, nil) })
	spawn(func() error { return serveHTTP(ctx, localserver.Listener(local), own, localserver.ConnContext) })
	working := s.working
	s.monitor.check.Store(&working)
	defer s.monitor.check.Store(nil)
	s.monitor.metrics.registry.MustRegister(state{s.db, s.store})
	fmt.Fprint(out, s.o.banner(url)+s.monitorText())
	s.log.Info("serving", "endpoint", url, "data_dir", string(s.o.dir), "regions", joinRegions(s.o.regions, ","), "vmm", s.o.vmm)
	select {
	case <-ctx.Done():
		s.log.Info("stopping; virtual machines go on")
		return nil
	case err := <-failed:
		return err
	}
}

// doors builds the front doors of the API and of this program's own commands.
func (s *service) doors() (api, own http.Handler, err error) {
	key, err := s.tokenKey(s.ctx, "pages")
	if err != nil {
		return nil, nil, err
	}
	blocks, err := s.tokenKey(s.ctx, "blocks")
	if err != nil {
		return nil, nil, err
	}
	rules, err := s.tokenKey(s.ctx, "rules")
	if err != nil {
		return nil, nil, err
	}
	ec2 := ec2server.New(
		ec2server.NewServer(ec2server.Config{
			DB: s.db, EBS: s.ebs, AMI: s.ami, Instances: s.instances, VPC: s.vpc, Regions: s.o.regions, TokenKey: key,
		}),
		ec2server.Options{Authorize: s.accounts.Authorize},
	)
	c := endpoint.Config{
		Credentials: s.credentials,
		Regions:     s.o.regions,
		Services: map[string]endpoint.Service{
			"ec2":              ec2,
			"iam":              iamserver.New(s.accounts),
			"sts":              &stsserver.Handler{Accounts: s.accounts},
			"kms":              kmsserver.New(s.kms),
			ebsserver.Service:  ebsserver.New(ebsserver.Config{DB: s.db, EBS: s.ebs, TokenKey: blocks, Authorize: s.accounts.Authorize}),
			rbinserver.Service: rbinserver.New(rbinserver.Config{DB: s.db, TokenKey: rules, Authorize: s.accounts.Authorize}),
		},
		Logger:  s.log,
		Observe: s.monitor.metrics.observe,
	}
	if s.audit != nil {
		c.Audit = s.audit.add
		c.Observe = func(call endpoint.Call) {
			s.monitor.metrics.observe(call)
			s.audit.keys.forget(call)
		}
	}
	api = endpoint.New(c)
	operator := &localserver.Operator{Accounts: s.accounts, Keys: func(context.Context) (*kms.Service, error) { return s.kms, nil }}
	if s.audit != nil {
		operator.Audit = s.audit.addOperator
	}
	c.Services = map[string]endpoint.Service{localserver.Service: &localserver.Handler{
		Importer: s.importer(), Usage: s.usage, Accountant: accountant{s}, Instances: s.instances, Snapshots: s.ebs, Log: s.log,
	}}
	c.Default = localserver.Service
	doors := http.NewServeMux()
	doors.Handle(localserver.OperatorPath, operator)
	doors.Handle("/", endpoint.New(c))
	return api, doors, nil
}

// credentials finds what a signature is verified against.
func (s *service) credentials(ctx context.Context, id, token string) (endpoint.Credential, error) {
	c, err := s.accounts.Authenticate(ctx, id, token)
	return endpoint.Credential(c), err
}

// leaveWord writes down where the service is, for `origami env`, and where its
// audit log is, for commands that change something while it does not run.
func (s *service) leaveWord(url string) error {
	return s.db.Update(s.ctx, func(tx *metadb.Tx) error {
		if err := tx.PutSetting(settingEndpoint, []byte(url)); err != nil {
			return err
		}
		if err := tx.PutSetting(settingAudit, []byte(s.o.audit)); err != nil {
			return err
		}
		return tx.PutSetting(settingRegions, []byte(joinRegions(s.o.regions, ",")))
	})
}

// secret reads a secret of the installation, made at first use.
func (s *service) secret(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error) {
	var value []byte
	err := s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		if value, err = tx.Setting(name); !errors.Is(err, metadb.ErrNotFound) {
			return err
		}
		if value, err = create(); err != nil {
			return err
		}
		return tx.PutSetting(name, value)
	})
	return value, err
}

// tokenKey is a key of the installation for one purpose.
func (s *service) tokenKey(ctx context.Context, purpose string) ([32]byte, error) {
	master, err := s.secret(ctx, settingTokens, func() ([]byte, error) {
		b := make([]byte, 32)
		rand.Read(b)
		return b, nil
	})
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(append(master, purpose...)), nil
}

// listenLocal makes the socket of this program's own commands. A socket that a
// dead service left is replaced: the lock of the directory is held.
func listenLocal(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return listenPrivate(path)
}

// listenPrivate listens on a socket that only this user may connect to.
func listenPrivate(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// shutdownTime is how long requests may take to end when the service stops.
const shutdownTime = 5 * time.Second

// serveHTTP serves until ctx ends, then lets requests end.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, connContext func(context.Context, net.Conn) context.Context) error {
	srv := &http.Server{
		Handler:           h,
		ConnContext:       connContext,
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := srv.Shutdown(late); err != nil {
		srv.Close()
	}
	<-ended
	return nil
}
