package metadb

import (
	"encoding/binary"
	"net/netip"

	"origami"
)

// address is an IPv4 address as the database holds it: its number, or NULL.
func address(a netip.Addr) any {
	if !a.Is4() {
		return nil
	}
	return number(a)
}

func number(a netip.Addr) int64 {
	b := a.As4()
	return int64(binary.BigEndian.Uint32(b[:]))
}

func numberedAddr(n int64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b)
}

// bounds are the first and last address of an IPv4 prefix.
func bounds(p netip.Prefix) (first, last int64) {
	first = number(p.Masked().Addr())
	return first, first + 1<<(32-p.Bits()) - 1
}

// AllocatePrivateIP finds the lowest free address of a subnet. As in EC2 the
// first four and the last are never given. The address is taken by the
// instance that is put with it, in the same transaction. The error is
// InsufficientFreeAddressesInSubnet if there is none.
func (tx *Tx) AllocatePrivateIP(subnet *origami.Subnet) (netip.Addr, error) {
	found, err := tx.AllocatePrivateIPs(subnet, 1)
	if err != nil {
		return netip.Addr{}, err
	}
	return found[0], nil
}

// AllocatePrivateIPs is AllocatePrivateIP for n instances at once, in one look
// at the subnet.
func (tx *Tx) AllocatePrivateIPs(subnet *origami.Subnet, n int) ([]netip.Addr, error) {
	full := origami.Errorf("InsufficientFreeAddressesInSubnet",
		"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", subnet.ID)
	if !subnet.CIDR.Addr().Is4() {
		return nil, full
	}
	first, last := bounds(subnet.CIDR)
	return tx.lowestFree(n, full, first+4, last-1,
		`SELECT private_ip FROM instances WHERE region = ? AND subnet = ? AND private_ip BETWEEN ? AND ? ORDER BY private_ip`,
		string(subnet.Region), string(subnet.ID))
}

// AllocatePublicIP finds the lowest free address of a prefix, whose first and
// last are never given. It is taken by the instance that is put or updated
// with it, in the same transaction. The error is InsufficientAddressCapacity if
// there is none.
func (tx *Tx) AllocatePublicIP(prefix netip.Prefix) (netip.Addr, error) {
	found, err := tx.AllocatePublicIPs(prefix, 1)
	if err != nil {
		return netip.Addr{}, err
	}
	return found[0], nil
}

// AllocatePublicIPs is AllocatePublicIP for n instances at once.
func (tx *Tx) AllocatePublicIPs(prefix netip.Prefix, n int) ([]netip.Addr, error) {
	full := origami.Errorf("InsufficientAddressCapacity", "There are not enough free public addresses.")
	if !prefix.Addr().Is4() {
		return nil, full
	}
	first, last := bounds(prefix)
	return tx.lowestFree(n, full, first+1, last-1,
		`SELECT ip FROM (SELECT public_ip AS ip FROM instances UNION SELECT public_ip FROM addresses) AS used WHERE ip BETWEEN ? AND ? ORDER BY ip`)
}

// lowestFree is the n lowest addresses of a range of numbers that a query,
// which ends in the range's bounds and yields numbers in ascending order, does
// not yield. The error is full if there are not so many.
func (tx *Tx) lowestFree(n int, full error, first, last int64, query string, args ...any) ([]netip.Addr, error) {
	used, err := collect(tx, scanOne[int64], query, append(args, first, last)...)
	if err != nil {
		return nil, err
	}
	var free []netip.Addr
	for next := first; len(free) < n; next++ {
		if next > last {
			return nil, full
		}
		if len(used) > 0 && used[0] == next {
			used = used[1:]
			continue
		}
		free = append(free, numberedAddr(next))
	}
	return free, nil
}
