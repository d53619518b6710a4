package vpc

import (
	"slices"
	"strconv"

	"origami"
	"origami/internal/firewall"
	"origami/internal/vnet"
)

// compile makes the rules of a machine's groups ready for its guard. Rules
// about IPv6 have no effect: these networks carry IPv4 only. The lock is held.
func (s *Service) compile(rules []*origami.SecurityGroupRule) *firewall.Rules {
	var in, out []firewall.Rule
	for _, r := range rules {
		if r.CIDR.IsValid() && !r.CIDR.Addr().Is4() || r.Protocol == "icmpv6" {
			continue
		}
		c := firewall.Rule{Protocol: protocolNumber(r.Protocol), From: r.FromPort, To: r.ToPort, Prefix: r.CIDR}
		if r.Peer != "" {
			c.Group = s.membersOf(r.Peer)
		}
		if r.Egress {
			out = append(out, c)
		} else {
			in = append(in, c)
		}
	}
	return firewall.Compile(in, out)
}

// protocolNumber is the IP protocol of a rule, which was checked when the rule
// was made.
func protocolNumber(name string) int {
	switch name {
	case allProtocols:
		return firewall.AnyProtocol
	case "tcp":
		return vnet.TCP
	case "udp":
		return vnet.UDP
	case "icmp":
		return vnet.ICMP
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		// 255 is reserved and never sent, so the rule allows nothing.
		return 255
	}
	return n
}

// Bounds of the ports that a public address listens on.
const (
	narrow       = 64  // ports of a range that is opened as it is
	maxOpenPorts = 200 // of one address
)

// WellKnownPorts are the TCP ports that a public address forwards where a rule
// opens a range that is too wide to listen on every port of it: SSH, HTTP,
// RDP, WinRM and their usual seconds.
func WellKnownPorts() []uint16 { return []uint16{22, 80, 443, 3389, 5985, 5986, 8080, 8443} }

// openPorts lists the TCP ports that a public address has to listen on: those
// that the rules open to a client on this host. Ranges of up to 64 ports are
// taken as they are, the narrowest first and 200 ports in all; of wider ones,
// and of rules about all protocols, the well-known ports.
//
// A listener lets nobody in by itself: each client is asked for again.
func openPorts(rules []*origami.SecurityGroupRule, wellKnown []uint16) []uint16 {
	var ranges [][2]int
	for _, r := range rules {
		if r.Egress || !r.CIDR.IsValid() || !r.CIDR.Addr().Is4() || !r.CIDR.Overlaps(hostPrefix) {
			continue
		}
		switch r.Protocol {
		case allProtocols:
			ranges = append(ranges, [2]int{0, 65535})
		case "tcp":
			ranges = append(ranges, [2]int{r.FromPort, r.ToPort})
		}
	}
	width := func(r [2]int) int { return r[1] - r[0] }
	slices.SortFunc(ranges, func(a, b [2]int) int { return width(a) - width(b) })
	open := make(map[uint16]bool)
	for _, r := range ranges {
		for port := max(r[0], 1); width(r) < narrow && port <= r[1] && len(open) < maxOpenPorts; port++ {
			open[uint16(port)] = true
		}
		for _, port := range wellKnown {
			if int(port) >= r[0] && int(port) <= r[1] {
				open[port] = true
			}
		}
	}
	out := make([]uint16, 0, len(open))
	for port := range open {
		out = append(out, port)
	}
	slices.Sort(out)
	return out
}
