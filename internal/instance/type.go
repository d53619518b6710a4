package instance

import (
	"iter"
	"slices"
	"strings"

	"origami"
)

// Type is a row of facts about an instance type, as AWS publishes them. A
// machine gets the processors and the memory of its type; the figures of its
// network and its disks are told to clients and not enforced.
type Type struct {
	Name          string
	VCPUs         int
	MemoryMiB     int
	Architectures []origami.Architecture
	Hypervisor    string // "xen" or "nitro"
	ENA           string // "required", "supported" or "unsupported"
	Paravirtual   bool   // supports paravirtual images
	HVM           bool   // supports hvm images
	UEFI          bool   // can boot UEFI images
	TPM           bool   // has a NitroTPM

	Manufacturer string  // of the processor: "Intel", "AMD" or "AWS"
	GHz          float64 // sustained clock speed
	Threads      int     // per core
	Previous     bool    // of a previous generation
	FreeTier     bool
	Burstable    bool   // earns and spends CPU credits
	Credits      string // of burstable types: "standard" or "unlimited"

	Interfaces   int     // network interfaces at most
	Addresses    int     // IPv4 addresses of each interface at most
	Network      string  // "Up to 10 Gigabit"
	NetworkGbps  float64 // baseline, 0 if not published
	NetworkPeak  float64 // Gbps, 0 if not published
	EBSOptimized string  // "default", "supported" or "unsupported"
	EBSMbps      Range   // bandwidth to volumes
	EBSIOPS      Range   // of 16 KiB

	Disks     int    // instance-store disks
	DiskGB    int64  // size of each, in units of 10^9 bytes
	DiskKind  string // "ssd" or "hdd"
	DiskNVMe  bool   // the guest sees them as NVMe devices
	Encrypted bool   // encrypted volumes can be attached
}

// Range is a figure that is sustained, and the most it reaches at times.
type Range struct{ Base, Max int }

// TypeByName finds an instance type; the error is EC2's for one that does not
// exist.
func TypeByName(name string) (*Type, error) {
	if i, ok := slices.BinarySearchFunc(types, name, func(t Type, name string) int { return strings.Compare(t.Name, name) }); ok {
		return &types[i], nil
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%s' for InstanceType.", name)
}

// Types yields all instance types, by name. They are not to be changed.
func Types() iter.Seq[*Type] {
	return func(yield func(*Type) bool) {
		for i := range types {
			if !yield(&types[i]) {
				return
			}
		}
	}
}

// Nitro reports whether the type is built on the Nitro System, whose disks are
// NVMe devices.
func (t *Type) Nitro() bool { return t.Hypervisor == "nitro" }

// BootModes lists the firmware that the type can boot images with.
func (t *Type) BootModes() []origami.BootMode {
	switch {
	case slices.Contains(t.Architectures, origami.ARM64):
		return []origami.BootMode{origami.UEFI}
	case t.UEFI:
		return []origami.BootMode{origami.LegacyBIOS, origami.UEFI}
	}
	return []origami.BootMode{origami.LegacyBIOS}
}

// Cores is the number of cores that the type's processors are threads of.
func (t *Type) Cores() int { return max(1, t.VCPUs/t.Threads) }

// types are all instance types, sorted by name.
var types = expand(families)

// expand makes a row of every size of every family.
func expand(families []family) []Type {
	var all []Type
	for _, f := range families {
		for _, s := range f.sizes {
			t := f.facts
			t.Name, t.VCPUs, t.MemoryMiB = f.name+"."+s.name, s.vcpus, s.memory
			t.Interfaces, t.Addresses = s.interfaces, s.addresses
			t.Network, t.NetworkGbps, t.NetworkPeak = s.network, s.gbps, s.peak
			t.EBSMbps, t.EBSIOPS = s.mbps, s.iops
			t.Disks, t.DiskGB = s.disks, s.diskGB
			if t.VCPUs == 1 {
				t.Threads = 1
			}
			t.FreeTier = s.free
			if t.EBSOptimized == "" {
				t.EBSOptimized = "default"
			}
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}
