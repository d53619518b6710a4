package main

import (
	"net/netip"

	"origami/internal/vnet"
)

// egressPolicies are what --egress can say: what instances may reach outside
// their VPC, if their security groups let them. None reaches services of this
// host.
var egressPolicies = map[string]func() func(netip.AddrPort) bool{
	"none":   func() func(netip.AddrPort) bool { return func(netip.AddrPort) bool { return false } },
	"public": vnet.PublicOnly,
	"any":    vnet.NotHost,
}
