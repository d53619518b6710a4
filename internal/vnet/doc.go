// Package vnet is the network between instances: one switch for each subnet,
// with DHCP, DNS, a gateway to the outside and a place for the metadata
// service, all inside the process and without root.
//
//	guest ── QEMU ══ unix socket ══ port ─┐
//	                                      │        ┌─ DHCP (answered at the port)
//	guest ── QEMU ══ unix socket ══ port ─┼ switch ┼─ router ── other subnets of the VPC
//	                                      │        └─ gateway (a TCP/IP stack)
//	guest ── QEMU ══ unix socket ══ port ─┘              ├─ DNS
//	                                                     ├─ listeners: 169.254.169.254:80
//	127.10.0.5:22 ── public address ── dial ─────────────┤
//	                                                     └─ egress: policy, then the host's sockets
//
// A [Network] is one subnet. [Network.Attach] adds a network card while
// everything runs: the monitor listens on a UNIX socket, the port dials it,
// and dials again whenever the connection ends, so that guests keep their
// network when this process restarts.
//
// What can be relied on:
//
//   - A guest is who its port says. Frames whose Ethernet, ARP or IPv4 source is
//     not that of the port are dropped before anything looks at them, and
//     addresses are never learned from traffic. The remote address of a
//     connection from [Network.Listen] therefore identifies the guest.
//   - A guest that is paused, slow or flooding disturbs nobody: every port has
//     a bounded queue of its own, and frames that do not fit are dropped.
//   - As in a VPC, there is no broadcast and no multicast between guests: an
//     ARP request goes to the owner of the address only, a DHCP request to
//     nobody but the port itself. IPv6 is dropped.
//   - A guest reaches the host's own services only where [Egress] allows it,
//     and never a loopback or link-local address of the host.
//
// The TCP/IP stack is gVisor's. gvisor-tap-vsock, which joins that stack to
// machines, is not used: its switch learns addresses from any frame, holds one
// lock while it writes to a guest and allocates what a guest's length field
// says; its DHCP server leases an address to whatever hardware address a request
// names; its DNS server cannot follow instances that come and go; and its link
// endpoint, of which there is little, brings tables of 5 MB that every
// collection of garbage would go through.
package vnet
