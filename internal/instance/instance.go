// Package instance is the life of virtual machines: launching them from
// images, stopping, starting, rebooting and terminating them, baking new
// images from them, and finding them again after a restart.
//
// A request changes rows and queues a task in one transaction; the task makes
// the machine follow. Each instance has a lock of its own (see machine), so
// that tasks and what the monitor reports about one machine never interleave,
// and every change of state is a compare-and-set against the row.
package instance

import (
	"context"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/task"
	"origami/internal/vmm"
	"origami/internal/vpc"
)

// Config is what a [Service] is built of.
type Config struct {
	DB    *metadb.DB
	EBS   *ebs.Service
	AMI   *ami.Service
	Queue *task.Queue
	VMM   vmm.Driver
	// VPC has the networks; closing the instance service closes them. Nil
	// means a service made of PublicPorts and Metadata.
	VPC *vpc.Service

	// RunDir holds the UNIX sockets of running instances. Its path must be
	// short: a socket's whole name has at most 107 bytes.
	RunDir string

	// Stores holds the bytes of instance stores, and nothing else. Without it
	// no machine has any, and types that come with them do not start.
	Stores durable.FS

	// PublicPrefix is the loopback range that public addresses come from.
	PublicPrefix netip.Prefix
	// PublicPorts are as in [vpc.Config].
	PublicPorts []uint16

	// Metadata serves the instance metadata service to the guests of one
	// subnet until the listener closes. The remote address of a connection is
	// the guest's private address.
	Metadata func(subnet *origami.Subnet, l net.Listener)

	// Host is what machines may use in all.
	Host Capacity

	// Quotas limit what an account may have. The zero value limits nothing.
	Quotas Quotas

	// ModificationsPerDay is how many modifications a volume may have in 24
	// hours. The zero value means any number.
	ModificationsPerDay int

	// Grace is how long a guest may take to shut down before it is powered
	// off. The zero value means two minutes.
	Grace time.Duration

	// Disk, if not nil, hears of the requests of machines to their disks; see
	// [nbd.Server].
	Disk func(command string, bytes int64, took time.Duration)

	Log *slog.Logger
	Now func() time.Time
}

// Capacity is what a host has to give.
type Capacity struct {
	VCPUs     int // of the largest machine that fits
	MemoryMiB int // of all machines together
	// AnyImage says that nothing is executed, so that images of every
	// architecture, virtualization type and firmware can be launched.
	AnyImage bool
}

// Service has the verbs of instances. Its methods may be called concurrently.
type Service struct {
	Config

	mu       sync.Mutex // guards machines
	machines map[origami.InstanceID]*machine
}

// New builds the service and registers its task handlers with the queue.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Grace == 0 {
		c.Grace = 2 * time.Minute
	}
	if c.VPC == nil {
		c.VPC = vpc.New(vpc.Config{DB: c.DB, Metadata: c.Metadata, PublicPorts: c.PublicPorts, Log: c.Log})
	}
	s := &Service{Config: c, machines: make(map[origami.InstanceID]*machine)}
	// An instance is never left half stopped or half terminated.
	c.Queue.Handle(taskStart, task.Handler{Run: s.runStart, Failed: s.startFailed})
	c.Queue.Handle(taskStop, task.Handler{Run: s.runStop, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskReboot, task.Handler{Run: s.runReboot})
	c.Queue.Handle(taskTerminate, task.Handler{Run: s.runTerminate, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskImage, task.Handler{Run: s.runImage, Failed: s.imageFailed})
	c.Queue.Handle(taskAttach, task.Handler{Run: s.runAttach, Failed: s.attachFailed, MaxAttempts: attachAttempts})
	c.Queue.Handle(taskDetach, task.Handler{Run: s.runDetach, Failed: s.detachFailed, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskModify, task.Handler{Run: s.runModify, Failed: s.modifyFailed, MaxAttempts: math.MaxInt})
	c.Queue.Handle(taskAddress, task.Handler{Run: s.runAddress})
	c.Queue.Handle(taskReplaceRoot, task.Handler{Run: s.runReplaceRoot, Failed: s.replaceRootFailed})
	return s
}

// The kinds of tasks that this room handles. The resource of each is an
// instance, of taskImage an image, of the last three a volume.
const (
	taskStart     = "instance.start"
	taskStop      = "instance.stop"
	taskReboot    = "instance.reboot"
	taskTerminate = "instance.terminate"
	taskImage     = "instance.image"
	taskAttach    = "instance.attach"
	taskDetach    = "instance.detach"
	taskModify    = "instance.modify"

	// The following are about an instance too.
	taskAddress     = "instance.address"
	taskReplaceRoot = "instance.replace-root"
)

// Close lets go of the machines, which run on, and closes their networks.
func (s *Service) Close() error {
	s.mu.Lock()
	all := make([]*machine, 0, len(s.machines))
	for _, m := range s.machines {
		all = append(all, m)
	}
	s.mu.Unlock()
	for _, m := range all {
		m.mu.Lock()
		m.detach(s.Log)
		m.mu.Unlock()
	}
	return s.VPC.Close()
}

// queue adds a task about an instance to the transaction.
func (s *Service) queue(tx *metadb.Tx, kind string, i *origami.Instance, payload []byte) error {
	return s.Queue.Add(tx, &origami.Task{
		Kind: kind, Region: i.Region, Owner: i.Owner, Resource: string(i.ID), Payload: payload,
	})
}

// instance reads an instance for the service itself.
func (s *Service) instance(ctx context.Context, region origami.Region, id origami.InstanceID) (*origami.Instance, error) {
	var i *origami.Instance
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		i, err = tx.Instance(region, metadb.System, id)
		return err
	})
	return i, err
}
