package vpc

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// allProtocols is the Protocol of rules about all protocols.
const allProtocols = "-1"

// protocolNames are the protocols that rules name; any other is a number.
var protocolNames = map[int]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}

// RuleSpec is a rule as a request describes it. Exactly one of CIDR, CIDRv6 and
// the group is given. Ports are nil where the request has none.
type RuleSpec struct {
	Protocol   string
	From, To   *int32
	CIDR       string
	CIDRv6     string
	Group      origami.SecurityGroupID
	GroupName  string // in the default VPC, instead of Group
	GroupOwner origami.AccountID

	Description *string
}

// rule makes the rule that a request describes, for a group. It has no ID yet.
func (s *Service) rule(tx *metadb.Tx, who origami.Caller, g *origami.SecurityGroup, egress bool, spec RuleSpec) (*origami.SecurityGroupRule, error) {
	r := &origami.SecurityGroupRule{Region: g.Region, Owner: g.Owner, Group: g.ID, Egress: egress}
	var err error
	if r.Protocol, err = parseProtocol(spec.Protocol); err != nil {
		return nil, err
	}
	if r.FromPort, r.ToPort, err = parsePorts(r.Protocol, spec.From, spec.To); err != nil {
		return nil, err
	}
	if spec.Description != nil {
		if r.Description, err = parseDescription(*spec.Description); err != nil {
			return nil, err
		}
	}
	switch {
	case spec.CIDR != "":
		r.CIDR, err = parseSource(spec.CIDR, false)
	case spec.CIDRv6 != "":
		r.CIDR, err = parseSource(spec.CIDRv6, true)
	default:
		r.Peer, err = s.peer(tx, who, g, spec)
	}
	return r, err
}

// parseProtocol reads the protocol of a rule: a name, a number, or all.
func parseProtocol(s string) (string, error) {
	if s == "" {
		return "", origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter IpProtocol")
	}
	name := strings.ToLower(s)
	if name == allProtocols || name == "all" {
		return allProtocols, nil
	}
	for _, known := range protocolNames {
		if name == known {
			return name, nil
		}
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n > 255 {
		return "", origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid value '%.64s' for IP protocol. Unknown protocol.", s)
	}
	if known, ok := protocolNames[n]; ok {
		return known, nil
	}
	return strconv.Itoa(n), nil
}

// parsePorts reads the ports of a rule, or its ICMP type and code.
func parsePorts(protocol string, from, to *int32) (int, int, error) {
	switch protocol {
	case "tcp", "udp":
		if from == nil || to == nil {
			return 0, 0, origami.Errorf(origami.CodeInvalidParameterValue,
				"Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if *from < 0 || *to > 65535 || *from > *to {
			return 0, 0, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
	case "icmp", "icmpv6":
		if from == nil && to == nil && protocol == "icmpv6" {
			return -1, -1, nil
		}
		if from == nil || to == nil {
			return 0, 0, origami.Errorf(origami.CodeInvalidParameterValue,
				"Invalid value 'Must specify both from and to ports with ICMP.' for portRange.")
		}
		if *from < -1 || *from > 255 {
			return 0, 0, origami.Errorf(origami.CodeInvalidParameterValue, "ICMP type (%d) out of range", *from)
		}
		if *to < -1 || *to > 255 || *from == -1 && *to != -1 {
			return 0, 0, origami.Errorf(origami.CodeInvalidParameterValue, "ICMP code (%d) out of range", *to)
		}
	default:
		return -1, -1, nil // EC2 ignores the ports of other protocols
	}
	return int(*from), int(*to), nil
}

func parseDescription(s string) (string, error) {
	if !groupText.MatchString(s) {
		return "", origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  %s", allowedText)
	}
	return s, nil
}

// parseSource reads the prefix of a rule. Bits behind its length are cleared,
// as EC2 does.
func parseSource(s string, v6 bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is6() != v6 || p.Addr().Is4In6() {
		return p, origami.Errorf(origami.CodeInvalidParameterValue, "CIDR block %.64s is malformed", s)
	}
	return p.Masked(), nil
}

// peer finds the group that a rule is to refer to: one of the same VPC.
func (s *Service) peer(tx *metadb.Tx, who origami.Caller, g *origami.SecurityGroup, spec RuleSpec) (origami.SecurityGroupID, error) {
	if spec.Group == "" && spec.GroupName == "" {
		return "", origami.Errorf(origami.CodeMissingParameter,
			"The request must contain the parameter IpRanges, Ipv6Ranges or Groups")
	}
	if spec.GroupOwner != "" && spec.GroupOwner != who.Account {
		missing := string(spec.Group)
		if missing == "" {
			missing = spec.GroupName
		}
		return "", origami.Errorf(origami.CodeInvalidGroupNotFound, "The security group '%.255s' does not exist", missing)
	}
	p, err := s.group(tx, who, GroupRef{ID: spec.Group, Name: spec.GroupName})
	if err != nil {
		return "", err
	}
	if p.VPC != g.VPC {
		return "", origami.Errorf(origami.CodeInvalidGroupNotFound, "You have specified two resources that belong to different networks.")
	}
	return p.ID, nil
}

// traffic is what a rule is about: two rules of a group with the same are the
// same rule.
type traffic struct {
	egress   bool
	protocol string
	from, to int
	cidr     netip.Prefix
	peer     origami.SecurityGroupID
}

func trafficOf(r *origami.SecurityGroupRule) traffic {
	return traffic{r.Egress, r.Protocol, r.FromPort, r.ToPort, r.CIDR, r.Peer}
}

// duplicate is the refusal of a rule that a group has already.
func duplicate(r *origami.SecurityGroupRule) error {
	who, protocol := string(r.Peer), strings.ToUpper(r.Protocol)
	if r.CIDR.IsValid() {
		who = r.CIDR.String()
	}
	ports := ""
	switch r.Protocol {
	case allProtocols:
		protocol = "ALL"
	case "tcp", "udp":
		ports = fmt.Sprintf(", from port: %d, to port: %d", r.FromPort, r.ToPort)
	case "icmp", "icmpv6":
		ports = fmt.Sprintf(", type: %d, code: %d", r.FromPort, r.ToPort)
	}
	return origami.Errorf(origami.CodeInvalidPermissionDuplicate,
		`the specified rule "peer: %s, %s%s, ALLOW" already exists`, who, protocol, ports)
}
