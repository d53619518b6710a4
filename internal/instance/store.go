package instance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"origami"
	"origami/internal/durable"
	"origami/internal/vmm"
	"origami/nbd"
)

// An instance store is a disk of the host that an instance has for one run of
// its machine: it is empty when the instance starts, keeps its bytes over
// reboots, and is gone once the instance is stopped, terminated or crashed.
// Its bytes are a sparse file of its own, which nobody syncs: what survives
// the power of the host is nobody's.

// Store is an instance store that the machine of an instance has.
type Store struct {
	Index  int    // the N of ephemeralN
	Device string // name in the mapping; empty for an NVMe disk, which has none
	Size   int64  // bytes
}

// name is that of the store in mappings and metadata, and of its export.
func (s Store) name() string { return ephemeral + strconv.Itoa(s.Index) }

const ephemeral = "ephemeral"

// rootInstanceStore is the root device type of instances that have nothing
// left to start from once they have stopped.
const rootInstanceStore = "instance-store"

// Stores lists the instance stores that a machine of the type has. Types with
// NVMe disks have all of them, whatever the mapping says; of others the mapping
// chooses, and what it asks for beyond them is ignored.
func (t *Type) Stores(mapping []origami.BlockDevice) []Store {
	size := t.DiskGB * 1_000_000_000
	var out []Store
	for n := range t.Disks {
		s := Store{Index: n, Size: size}
		if !t.DiskNVMe {
			for _, d := range mapping {
				if d.VirtualName == s.name() {
					s.Device = d.DeviceName
					break
				}
			}
			if s.Device == "" {
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// StoreMapping is the part of an instance's mapping that says which name an
// instance store has in its machine. NVMe disks have none.
func StoreMapping(i *origami.Instance) []origami.BlockDevice {
	t, err := TypeByName(i.Type)
	if err != nil {
		return nil
	}
	var out []origami.BlockDevice
	for _, s := range t.Stores(i.InstanceStores) {
		if s.Device != "" {
			out = append(out, origami.BlockDevice{DeviceName: s.Device, VirtualName: s.name()})
		}
	}
	return out
}

// storeDisk is an open instance store.
type storeDisk struct {
	file durable.File
	size int64
}

var (
	_ nbd.Device  = (*storeDisk)(nil)
	_ nbd.Trimmer = (*storeDisk)(nil)
	_ nbd.Zeroer  = (*storeDisk)(nil)
)

func (d *storeDisk) Size() int64                             { return d.size }
func (d *storeDisk) ReadAt(p []byte, off int64) (int, error) { return d.file.ReadAt(p, off) }
func (d *storeDisk) WriteAt(p []byte, off int64) (int, error) {
	return d.file.WriteAt(p, off)
}

// Flush does nothing: the bytes outlive this process as they are, and need not
// outlive the host's power.
func (d *storeDisk) Flush() error { return nil }

func (d *storeDisk) Trim(off, n int64) error        { return d.file.PunchHole(off, n) }
func (d *storeDisk) WriteZeroes(off, n int64) error { return d.file.PunchHole(off, n) }
func (d *storeDisk) Close() error                   { return d.file.Close() }

// storeFile is the name of the file of an instance store.
func storeFile(id origami.InstanceID, name string) string { return string(id) + "." + name }

// offerStores opens the instance stores of a machine and exports them. One
// that has no file is made, empty. The machine's lock is held.
func (s *Service) offerStores(m *machine, stores []Store) error {
	for _, st := range stores {
		d, err := s.openStore(m.id, st)
		if err != nil {
			return fmt.Errorf("instance store %s: %w", st.name(), err)
		}
		m.stores = append(m.stores, d)
		if _, err := m.server.Export(st.name(), d, nbd.ExportOptions{}); err != nil {
			return fmt.Errorf("export %s: %w", st.name(), err)
		}
	}
	return nil
}

func (s *Service) openStore(id origami.InstanceID, st Store) (*storeDisk, error) {
	if s.Stores == nil {
		return nil, errors.New("this installation has no place for instance stores")
	}
	name := storeFile(id, st.name())
	f, err := s.Stores.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.Stores.Create(name)
	}
	if err != nil {
		return nil, err
	}
	// One that was made and not yet sized, or is of another type's size.
	if size, err := f.Size(); err != nil || size != st.Size {
		if err == nil {
			err = f.Truncate(st.Size)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return &storeDisk{f, st.Size}, nil
}

// storeSpecs describes the instance stores of a machine as disks.
func (s *Service) storeSpecs(i *origami.Instance, t *Type) []vmm.Disk {
	bus := vmm.VirtIO
	if t.DiskNVMe {
		bus = vmm.NVMe
	}
	var out []vmm.Disk
	for n, st := range t.Stores(i.InstanceStores) {
		out = append(out, vmm.Disk{
			Socket: s.diskSocket(i.ID), Export: st.name(), Serial: storeSerial(i, st), Bus: bus, Slot: n,
		})
	}
	return out
}

// storeSerial makes the serial number of an instance store, in EC2's form. An
// instance that was stopped and started has other disks than before.
func storeSerial(i *origami.Instance, st Store) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", i.ID, st.name(), i.Launched.UnixNano()))
	return fmt.Sprintf("AWS%X", sum[:])[:20]
}

// eraseStores deletes the instance stores of an instance whose machine has
// ended for good, or is about to begin. The machine's lock is held.
func (s *Service) eraseStores(i *origami.Instance) error {
	t, err := TypeByName(i.Type)
	if err != nil || t.Disks == 0 || s.Stores == nil {
		return err
	}
	var errs []error
	for n := range t.Disks {
		err := s.Stores.Remove(storeFile(i.ID, Store{Index: n}.name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("erase instance store: %w", err))
		}
	}
	return errors.Join(errs...)
}

// discardStores is eraseStores where nobody can wait for it. What it leaves is
// erased when the service or the instance starts.
func (s *Service) discardStores(i *origami.Instance) {
	if err := s.eraseStores(i); err != nil {
		s.Log.Warn("instance stores left behind", "instance", i.ID, "err", err)
	}
}

// sweepStores deletes the instance stores of instances that are not on their
// way anywhere: a process died after it had ended their machines.
func (s *Service) sweepStores(all []*origami.Instance) error {
	if s.Stores == nil {
		return nil
	}
	keep := make(map[string]bool)
	for _, i := range all {
		if i.State != origami.InstanceStopped && i.State != origami.InstanceTerminated {
			keep[string(i.ID)] = true
		}
	}
	names, err := s.Stores.List(".")
	if err != nil {
		return err
	}
	for _, name := range names {
		id, store, ok := strings.Cut(name, ".")
		if !ok || !strings.HasPrefix(store, ephemeral) || keep[id] {
			continue
		}
		if err := s.Stores.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// closeAll closes what was opened for a machine.
func closeAll[T io.Closer](all []T) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
