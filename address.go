package origami

import "net/netip"

// Address is an elastic address: a public address that an account keeps,
// whichever of its instances has it.
type Address struct {
	ID       AllocationID
	Region   Region
	Owner    AccountID
	PublicIP netip.Addr
	// Instance has the address; "" if none does. Association identifies that.
	Instance    InstanceID
	Association string // "eipassoc-…"
}
