// Package qemu runs machines as QEMU processes.
//
// Each machine is one process in a session of its own and one directory, whose
// contents docs/design/qemu-machine-directory.md describes. The process
// outlives the driver that started it, and [Driver.Recover] of the next one
// adopts it: by the lock that QEMU holds on its pid file, which names the
// process beyond doubt, and by its monitor socket. (A service manager must be
// told to leave the machines alone when it stops the daemon: KillMode=process
// in a systemd unit.)
//
// A machine's disks are NBD exports that QEMU reads as raw bytes; its network
// cards are sockets on which QEMU listens; its console is a file that QEMU
// appends to and the driver rotates. QEMU itself is confined by its seccomp
// sandbox, an empty environment and a limit on the size of files.
//
// The guest's devices have fixed places on the PCI bus, so that they can be
// added to a running machine and keep their names over a restart: see
// [MaxDisks], [MaxStores] and [MaxNICs].
//
// The package needs Linux 5.4 or later and QEMU 7.2 or later.
package qemu
