package qemu

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"origami/internal/vmm"
)

// The 32 slots of the PCI bus. Slots 0 and 1 belong to the chipset. Debian
// calls the first card ens3.
const (
	slotVGA    = 2
	slotNICs   = 3
	slotStores = 7 // a bridge to a bus of stores
	slotDisks  = 8
	slotsEnd   = 32
)

// What a machine has room for on its PCI bus.
const (
	MaxNICs   = slotStores - slotNICs // 4
	MaxDisks  = slotsEnd - slotDisks  // 24: Slot of a disk is below this
	MaxStores = slotsEnd - 1          // 31: Slot of a store is below this
)

// storeBus is the bus of the stores, whose slot 0 is the bridge's own affair.
// Guests find it after the first bus, so that their disks come first.
const storeBus = "stores"

// monitorFD is the descriptor at which QEMU inherits its monitor's listening
// socket.
const monitorFD = 3

// checkSpec reports what this driver cannot start of a valid specification.
func checkSpec(spec vmm.Spec, dir machineDir) error {
	if len(spec.NICs) > MaxNICs {
		return fmt.Errorf("machine %s: %d NICs, more than %d", spec.ID, len(spec.NICs), MaxNICs)
	}
	for i, d := range spec.Disks {
		if d.Slot >= MaxDisks {
			return fmt.Errorf("machine %s: disk %d: slot %d is not below %d", spec.ID, i, d.Slot, MaxDisks)
		}
	}
	for i, d := range spec.Stores {
		if d.Slot >= MaxStores {
			return fmt.Errorf("machine %s: store %d: slot %d is not below %d", spec.ID, i, d.Slot, MaxStores)
		}
	}
	return checkSocketPath(dir.monitor())
}

// object is a QEMU option in JSON, in which no value can pass for another
// option.
type object map[string]any

func (o object) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings, numbers and booleans only
	}
	return string(b)
}

// escape doubles the commas of a value in QEMU's other syntax.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// accelArgs choose the accelerator and the processor. A guest gets all that
// the accelerator has to offer: distributions have begun to require more than
// QEMU's default processor.
func accelArgs(accel string) []string {
	if accel == AccelKVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	// TCG spends more on five levels of page tables than on four, and no
	// guest here has that much memory.
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max,la57=off"}
}

// confineArgs give QEMU nothing that is not asked for, and keep it there.
func confineArgs() []string {
	return []string{
		"-no-user-config", "-nodefaults", "-display", "none",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	}
}

// arguments is the command line of a machine, without the name of the program.
func arguments(spec vmm.Spec, dir machineDir, accel string) []string {
	args := []string{"-name", "guest=" + spec.ID}
	args = append(args, accelArgs(accel)...)
	args = append(args, confineArgs()...)
	args = append(args,
		"-machine", "pc,graphics=off", // firmware and boot loader speak on the serial port
		"-smp", strconv.Itoa(spec.VCPUs),
		"-m", strconv.Itoa(spec.MemoryMiB)+"M",
		"-rtc", "base=utc",
		// The firmware sees the root disk only. With many disks it would run
		// out of memory, and boot from another one or none.
		"-boot", "strict=on",
		// A guest that powers itself off leaves a paused process, which says so
		// to whoever asks, also to a driver that was not there; see poweredOff.
		"-action", "reboot=reset,shutdown=pause",
		// A guest that suspended could not be woken.
		"-global", "PIIX4_PM.disable_s3=1",
		"-global", "PIIX4_PM.disable_s4=1",
		// cloud-init believes to be on EC2 when both begin with ec2 and agree.
		"-smbios", fmt.Sprintf("type=1,manufacturer=Amazon EC2,product=%s,uuid=%s,serial=%s", spec.Product, spec.UUID, spec.UUID),
		"-pidfile", dir.pid(),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d,server=on,wait=off", monitorFD),
		"-mon", "chardev=monitor,mode=control",
		"-chardev", "file,id="+consoleChardev+",append=on,path="+escape(dir.console()),
		"-serial", "chardev:"+consoleChardev,
		// Screenshots need a screen.
		"-device", object{"driver": "VGA", "id": "vga", "bus": "pci.0", "addr": pciAddress(slotVGA)}.String(),
	)
	for i, n := range spec.NICs {
		args = append(args, nicArgs(i, n)...)
	}
	for i, d := range spec.Disks {
		args = append(args,
			"-blockdev", nbdBlockdev(d, 0).String(),
			"-blockdev", diskBlockdev(d.Slot, nbdNode(d.Slot, 0)).String(),
			"-device", diskDevice(d, i == 0).String())
	}
	return append(args, storeArgs(spec.Stores)...)
}

// storeArgs are the options of disks that nobody attaches, detaches or
// resizes.
func storeArgs(stores []vmm.Disk) []string {
	if len(stores) == 0 {
		return nil
	}
	args := []string{"-device", object{
		"driver": "pci-bridge", "id": storeBus, "chassis_nr": 1, "bus": "pci.0", "addr": pciAddress(slotStores),
	}.String()}
	for _, d := range stores {
		node := fmt.Sprintf("store%d", d.Slot)
		backend := nbdBlockdev(d, 0)
		backend["node-name"] = "nbd-" + node
		raw := diskBlockdev(d.Slot, "nbd-"+node)
		raw["node-name"] = node
		device := diskDevice(d, false)
		device["id"], device["drive"] = node+"-disk", node
		device["bus"], device["addr"] = storeBus, pciAddress(1+d.Slot)
		args = append(args, "-blockdev", backend.String(), "-blockdev", raw.String(), "-device", device.String())
	}
	return args
}

func pciAddress(slot int) string { return fmt.Sprintf("%02x.0", slot) }

// nicArgs are the options of a network card. QEMU listens, so that a network
// that was restarted can dial again.
func nicArgs(i int, n vmm.NIC) []string {
	backend := object{
		"type": "stream", "id": fmt.Sprintf("net%d", i), "server": true,
		"addr": object{"type": "unix", "path": n.Socket},
	}
	device := object{
		"driver": "virtio-net-pci", "id": fmt.Sprintf("nic%d", i), "netdev": fmt.Sprintf("net%d", i),
		"mac": n.MAC, "romfile": "", // nothing boots from the network
		"bus": "pci.0", "addr": pciAddress(slotNICs + i),
	}
	return []string{"-netdev", backend.String(), "-device", device.String()}
}

// nbdBlockdev is a connection of a disk to its server.
func nbdBlockdev(d vmm.Disk, which int) object {
	return object{
		"driver": "nbd", "node-name": nbdNode(d.Slot, which),
		"server": object{"type": "unix", "path": d.Socket}, "export": d.Export,
		"discard":         "unmap",
		"reconnect-delay": 60, // seconds that requests wait for a restarted server
	}
}

// diskBlockdev is the backend of a disk, over the node that has its bytes. A
// block device that is named by its driver is never probed for a format: the
// guest sees the export's bytes.
func diskBlockdev(slot int, file string) object {
	return object{
		"driver": "raw", "node-name": diskNode(slot), "file": file,
		"discard": "unmap", "detect-zeroes": "unmap",
	}
}

// diskDevice is what the guest sees of a disk.
func diskDevice(d vmm.Disk, root bool) object {
	device := object{
		"id": diskID(d.Slot), "drive": diskNode(d.Slot),
		"serial": d.Serial,
		"bus":    "pci.0", "addr": pciAddress(slotDisks + d.Slot),
	}
	if root {
		device["bootindex"] = 0
	}
	if d.Bus == vmm.NVMe {
		device["driver"] = "nvme"
		return device
	}
	device["driver"] = "virtio-blk-pci"
	// The guest hears of errors; the default is to stop it when the disk is
	// full, until somebody comes.
	device["rerror"], device["werror"] = "report", "report"
	return device
}
