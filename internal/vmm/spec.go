package vmm

import (
	"fmt"
	"net"
	"regexp"
)

// Limits of a [Spec] that hold for every driver. A driver may have narrower
// ones.
const (
	MaxVCPUs     = 255      // what a PC can address
	MinMemoryMiB = 16       // less does not get through the firmware
	MaxMemoryMiB = 24 << 20 // 24 TiB, the largest instance type there is
	maxSerial    = 20       // bytes: the field of virtio and NVMe
	maxExport    = 4096     // bytes: the NBD protocol
	maxSocket    = 108 - 1  // bytes: sun_path, with its final zero
)

var (
	idPattern      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	uuidPattern    = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	productPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	serialPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// ValidID reports whether id can name a machine. A valid ID is a valid file name
// and leads nowhere else.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// Validate reports the first thing about the specification that no driver
// could start. Every driver's Start refuses such a specification.
func (s Spec) Validate() error {
	switch {
	case !ValidID(s.ID):
		return fmt.Errorf("machine ID %q is not a plain name", s.ID)
	case !uuidPattern.MatchString(s.UUID):
		return fmt.Errorf("machine %s: %q is not a lower-case UUID", s.ID, s.UUID)
	case !productPattern.MatchString(s.Product):
		return fmt.Errorf("machine %s: product name %q is not a plain name", s.ID, s.Product)
	case s.VCPUs < 1 || s.VCPUs > MaxVCPUs:
		return fmt.Errorf("machine %s: %d processors, not 1 to %d", s.ID, s.VCPUs, MaxVCPUs)
	case s.MemoryMiB < MinMemoryMiB || s.MemoryMiB > MaxMemoryMiB:
		return fmt.Errorf("machine %s: %d MiB of memory, not %d to %d", s.ID, s.MemoryMiB, MinMemoryMiB, MaxMemoryMiB)
	}
	if err := validateDisks(s.Disks); err != nil {
		return fmt.Errorf("machine %s: disk %w", s.ID, err)
	}
	if err := validateDisks(s.Stores); err != nil {
		return fmt.Errorf("machine %s: store %w", s.ID, err)
	}
	sockets := make(map[string]bool)
	for i, n := range s.NICs {
		if err := n.validate(); err != nil {
			return fmt.Errorf("machine %s: NIC %d: %w", s.ID, i, err)
		}
		if sockets[n.Socket] {
			return fmt.Errorf("machine %s: NIC %d: socket %s is taken", s.ID, i, n.Socket)
		}
		sockets[n.Socket] = true
	}
	return nil
}

// validateDisks checks disks that share slots. The error begins with the
// number of a disk.
func validateDisks(disks []Disk) error {
	slots := make(map[int]bool)
	for i, d := range disks {
		if err := d.validate(); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
		if slots[d.Slot] {
			return fmt.Errorf("%d: slot %d is taken", i, d.Slot)
		}
		slots[d.Slot] = true
	}
	return nil
}

func (d Disk) validate() error {
	switch {
	case len(d.Export) > maxExport:
		return fmt.Errorf("export name of %d bytes exceeds %d", len(d.Export), maxExport)
	case len(d.Serial) > maxSerial:
		return fmt.Errorf("serial %q exceeds %d bytes", d.Serial, maxSerial)
	case !serialPattern.MatchString(d.Serial):
		return fmt.Errorf("serial %q is not a plain name", d.Serial)
	case d.Bus != VirtIO && d.Bus != NVMe:
		return fmt.Errorf("unknown bus %q", d.Bus)
	case d.Slot < 0:
		return fmt.Errorf("slot %d is negative", d.Slot)
	}
	return checkSocket(d.Socket)
}

func (n NIC) validate() error {
	mac, err := net.ParseMAC(n.MAC)
	switch {
	case err != nil:
		return err
	case len(mac) != 6:
		return fmt.Errorf("MAC address %q has %d bytes, not 6", n.MAC, len(mac))
	case mac[0]&1 != 0:
		return fmt.Errorf("MAC address %q is a group address", n.MAC)
	}
	return checkSocket(n.Socket)
}

// checkSocket reports a path that no UNIX socket can have. The system's own
// message for one that is too long is "invalid argument".
func checkSocket(path string) error {
	switch {
	case path == "" || path[0] != '/':
		return fmt.Errorf("socket path %q is not absolute", path)
	case len(path) > maxSocket:
		return fmt.Errorf("socket path %q has %d bytes, more than the %d of a UNIX socket", path, len(path), maxSocket)
	}
	return nil
}
