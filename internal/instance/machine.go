package instance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
	"origami/internal/vpc"
	"origami/nbd"
)

// machine is what a running instance holds on this host: open volumes, their
// NBD server, a network card, a public address.
type machine struct {
	id     origami.InstanceID
	region origami.Region

	// mu serializes everything that is done to the instance. It is held for
	// as long as a guest takes to shut down.
	mu sync.Mutex

	// The following are guarded by mu.
	volumes map[origami.VolumeID]offer
	stores  []*storeDisk
	server  *nbd.Server
	stop    context.CancelFunc // of serving
	served  chan struct{}      // closed when serving has ended
	port    *vpc.Port
	// restarting says that a task of an earlier process is in the middle of
	// restarting the guest: its end is that task's affair.
	restarting bool

	// The following are guarded by Service.mu.

	// gone is closed when the monitor reports the end of the current run. It
	// is nil while there is none.
	gone chan struct{}
}

// machine returns the entry of an instance, made at need.
func (s *Service) machine(region origami.Region, id origami.InstanceID) *machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[id]
	if !ok {
		m = &machine{id: id, region: region}
		s.machines[id] = m
	}
	return m
}

// forget drops the entry of an instance that is terminated.
func (s *Service) forget(m *machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.machines, m.id)
}

// began notes that the machine runs, before the monitor can report its end.
func (s *Service) began(m *machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.gone = make(chan struct{})
}

// ended notes that the current run is over.
func (s *Service) ended(m *machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.gone != nil {
		close(m.gone)
		m.gone = nil
	}
}

// running returns a channel that is closed when the current run ends, or nil
// if there is none.
func (s *Service) running(m *machine) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.gone
}

func (s *Service) diskSocket(id origami.InstanceID) string {
	return filepath.Join(s.RunDir, string(id)+".nbd")
}

func (s *Service) nicSocket(id origami.InstanceID) string {
	return filepath.Join(s.RunDir, string(id)+".net")
}

// volumesOf reads the volumes that are attached to an instance, in the order
// of their slots.
func (s *Service) volumesOf(ctx context.Context, i *origami.Instance) ([]*origami.Volume, error) {
	var vols []*origami.Volume
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		vols, err = tx.VolumesOf(i.Region, i.ID)
		return err
	})
	sortBySlot(vols, i.ID)
	return vols, err
}

// attach opens everything that the machine of an instance needs on this host.
// After an error nothing is left open. The machine's lock is held.
func (s *Service) attach(ctx context.Context, m *machine, i *origami.Instance, vols []*origami.Volume) (err error) {
	m.detach(s.Log) // what a run left whose end nobody could follow
	defer func() {
		if err != nil {
			m.detach(s.Log)
		}
	}()
	m.server = &nbd.Server{Log: s.Log.With("instance", string(m.id)), Observe: s.Disk}
	for _, v := range vols {
		if err := m.offer(ctx, s.EBS, v.ID); err != nil {
			return err
		}
	}
	t, err := TypeByName(i.Type)
	if err != nil {
		return err
	}
	if err := s.offerStores(m, t.Stores(i.InstanceStores)); err != nil {
		return err
	}
	if err := m.serve(s.diskSocket(m.id)); err != nil {
		return err
	}
	m.port, err = s.VPC.Plug(ctx, i, s.nicSocket(m.id))
	return err
}

// serve starts the machine's NBD server on a socket that only this user may
// use.
func (m *machine) serve(socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		l.Close()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	m.stop, m.served = cancel, served
	server := m.server
	go func() {
		defer close(served)
		server.Serve(ctx, l)
	}()
	return nil
}

// detach closes what attach opened, in reverse order. The machine's lock is
// held. A machine that still runs stalls at its next disk request, until
// somebody attaches again.
func (m *machine) detach(log *slog.Logger) {
	if m.port != nil {
		m.port.Unplug()
	}
	if m.stop != nil {
		m.stop()
		<-m.served
	}
	if m.server != nil {
		m.server.Close()
	}
	for id := range m.volumes {
		m.withdraw(id, log)
	}
	if err := closeAll(m.stores); err != nil {
		log.Error("close instance stores", "instance", m.id, "err", err)
	}
	m.port, m.stop, m.served, m.server, m.volumes, m.stores = nil, nil, nil, nil, nil, nil
}

// boot starts the machine of an instance. After an error nothing is left of
// it. The machine's lock is held.
func (s *Service) boot(ctx context.Context, m *machine, i *origami.Instance) error {
	t, err := TypeByName(i.Type)
	if err != nil {
		return err
	}
	vols, err := s.volumesOf(ctx, i)
	if err != nil {
		return err
	}
	vols = staying(vols, i.ID)
	if len(vols) == 0 || deviceOf(vols[0], i.ID) != i.RootDeviceName {
		return fmt.Errorf("no volume is attached at the root device %s", i.RootDeviceName)
	}
	if err := s.attach(ctx, m, i, vols); err != nil {
		return err
	}
	m.restarting = false
	s.began(m)
	if err := s.VMM.Start(ctx, s.spec(m, i, t, vols)); err != nil {
		s.ended(m)
		m.detach(s.Log)
		return fmt.Errorf("start machine: %w", err)
	}
	return nil
}

// spec describes the machine of an instance.
func (s *Service) spec(m *machine, i *origami.Instance, t *Type, vols []*origami.Volume) vmm.Spec {
	uuid := systemUUID(i.ID)
	spec := vmm.Spec{
		ID: string(i.ID), UUID: uuid, Product: t.Name, VCPUs: t.VCPUs, MemoryMiB: t.MemoryMiB,
		NICs: []vmm.NIC{{MAC: i.MAC, Socket: s.nicSocket(m.id)}},
	}
	for _, v := range vols {
		spec.Disks = append(spec.Disks, s.disk(t, v, i.ID))
	}
	spec.Stores = s.storeSpecs(i, t)
	return spec
}

// disk describes a volume as a disk of an instance.
func (s *Service) disk(t *Type, v *origami.Volume, id origami.InstanceID) vmm.Disk {
	bus := vmm.VirtIO
	if t.Nitro() {
		bus = vmm.NVMe
	}
	return vmm.Disk{
		Socket: s.diskSocket(id), Export: string(v.ID), Serial: "vol" + string(v.ID[len("vol-"):]),
		Bus: bus, Slot: slotOf(v, id),
	}
}

// systemUUID makes the SMBIOS UUID of an instance. It begins with ec2, which
// is how a guest knows where it is, and goes on with the instance's own ID.
func systemUUID(id origami.InstanceID) string {
	h := "ec2" + string(id[len("i-"):])
	h += "000000000000000000000000000000000"[:32-len(h)]
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// halt ends the run of a machine: by its power button, and when the guest does
// not obey within the grace, by force. It reports whether force was needed.
// The machine's lock is held.
func (s *Service) halt(ctx context.Context, m *machine, grace time.Duration) (forced bool, err error) {
	gone := s.running(m)
	if gone != nil && grace > 0 {
		if err := s.VMM.Shutdown(ctx, string(m.id)); err != nil && !errors.Is(err, vmm.ErrNotFound) {
			s.Log.Warn("press power button", "instance", m.id, "err", err)
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-gone:
			gone = nil
		case <-timer.C:
			forced = true
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if gone != nil {
		if err := s.VMM.Kill(ctx, string(m.id)); err != nil {
			return forced, fmt.Errorf("power off machine: %w", err)
		}
		// The monitor reports the end as an event too. Only then is the run
		// over: a later run must not take that event for its own.
		select {
		case <-gone:
		case <-ctx.Done():
			return forced, ctx.Err()
		}
	}
	m.detach(s.Log)
	return forced, nil
}
