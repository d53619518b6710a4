package vpc

import (
	"net/netip"
	"strings"

	"origami"
)

// zoneCount is how many availability zones a region has.
const zoneCount = 3

// Zones lists the availability zones of a region.
func Zones(r origami.Region) []origami.Zone {
	zones := make([]origami.Zone, zoneCount)
	for n := range zones {
		letter := string(rune('a' + n))
		zones[n] = origami.Zone{Name: string(r) + letter, ID: zonePrefix(r) + "-az" + string(rune('1'+n)), Region: r}
	}
	return zones
}

// zonePrefix shortens a region name as zone IDs do: us-east-1 to use1,
// ap-southeast-2 to apse2.
func zonePrefix(r origami.Region) string {
	parts := strings.Split(string(r), "-")
	out := parts[0]
	for _, p := range parts[1:] {
		switch p {
		case "northeast", "northwest", "southeast", "southwest":
			out += p[:1] + p[5:6]
		default:
			if p != "" {
				out += p[:1]
			}
		}
	}
	return out
}

// Domain is the DNS domain of the instances of a region.
func Domain(r origami.Region) string {
	if r == "us-east-1" {
		return "ec2.internal"
	}
	return string(r) + ".compute.internal"
}

// Hostname is the first label of an instance's private name.
func Hostname(a netip.Addr) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-")
}
