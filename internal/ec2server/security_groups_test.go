package ec2server_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// group makes a security group in the default VPC.
func (a *account) group(t *testing.T, name string) string {
	t.Helper()
	return *do(t, a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: p("about " + name)}).GroupId
}

// groupByID shows one security group.
func (a *account) groupByID(t *testing.T, id string) types.SecurityGroup {
	t.Helper()
	return do(t, a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}}).SecurityGroups[0]
}

// tcp is a permission for a range of ports from prefixes.
func tcp(from, to int32, cidrs ...string) types.IpPermission {
	out := types.IpPermission{IpProtocol: p("tcp"), FromPort: &from, ToPort: &to}
	for _, c := range cidrs {
		out.IpRanges = append(out.IpRanges, types.IpRange{CidrIp: &c})
	}
	return out
}

// allTraffic is the rule that a new group has for traffic out.
var allTraffic = types.IpPermission{IpProtocol: p("-1"), IpRanges: []types.IpRange{{CidrIp: p("0.0.0.0/0")}}}

// TestSecurityGroups makes, shows and deletes security groups.
//
//origami:proves CreateSecurityGroup DescribeSecurityGroups DeleteSecurityGroup
func TestSecurityGroups(t *testing.T) {
	t.Parallel()
	i := open(t)
	vpc := i.a.defaultVPC(t)
	made := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{
		GroupName: p("web"), Description: p("for web"), TagSpecifications: tagged("security-group", "a", "b"),
	})
	arn := fmt.Sprintf("arn:aws:ec2:eu-west-1:%s:security-group/%s", i.a.id, *made.GroupId)
	tags := []types.Tag{{Key: p("a"), Value: p("b")}}
	same(t, made, &ec2.CreateSecurityGroupOutput{GroupId: made.GroupId, SecurityGroupArn: &arn, Tags: tags})
	want := types.SecurityGroup{
		Description: p("for web"), GroupId: made.GroupId, GroupName: p("web"), IpPermissionsEgress: []types.IpPermission{allTraffic},
		OwnerId: p(string(i.a.id)), SecurityGroupArn: &arn, Tags: tags, VpcId: &vpc,
	}
	for name, in := range map[string]*ec2.DescribeSecurityGroupsInput{
		"ID":              {GroupIds: []string{*made.GroupId}},
		"name":            {GroupNames: []string{"web"}},
		"tag":             {Filters: filter("tag:a", "b")},
		"description":     {Filters: filter("description", "for w?b")},
		"group-id":        {Filters: filter("group-id", *made.GroupId)},
		"group-name":      {Filters: filter("group-name", "web")},
		"both conditions": {Filters: append(filter("vpc-id", vpc), filter("group-name", "web", "nothing")...)},
	} {
		t.Run("by "+name, func(t *testing.T) {
			same(t, do(t, i.a.DescribeSecurityGroups, in).SecurityGroups, []types.SecurityGroup{want})
		})
	}
	t.Run("Packer's empty VpcId", func(t *testing.T) {
		status, body := i.a.send(t, home, url.Values{"Action": {"CreateSecurityGroup"}, "GroupName": {"packer_1"}, "GroupDescription": {"Temporary group for Packer"}, "VpcId": {""}})
		if status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		if got := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"packer_1"}}).SecurityGroups; *got[0].VpcId != vpc {
			t.Errorf("the group is in %s, want the default VPC", *got[0].VpcId)
		}
	})
	other := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	elsewhere := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p("web"), Description: p("d"), VpcId: other}).GroupId

	t.Run("refusals", func(t *testing.T) {
		for _, c := range []struct{ name, description, vpc, want string }{
			{"web", "d", "", "InvalidGroup.Duplicate: The security group 'web' already exists for VPC '" + vpc + "'"},
			{"web", "d", *other, "InvalidGroup.Duplicate: The security group 'web' already exists for VPC '" + *other + "'"},
			{"default", "d", "", "InvalidParameterValue: Cannot use reserved security group name: default"},
			{"sg-mine", "d", "", "InvalidParameterValue: Value (sg-mine) for parameter GroupName is invalid. Group names may not be in the format sg-*."},
			{"naïve", "d", "", "InvalidParameterValue: Value (naïve) for parameter GroupName is invalid. Character sets beyond ASCII are not supported."},
			{strings.Repeat("x", 256), "d", "", "InvalidParameterValue: Value (…"},
			{"x", "ünicode", "", "InvalidParameterValue: Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"},
			{"x", strings.Repeat("x", 256), "", "InvalidParameterValue: Invalid security group description. …"},
			{"x", "d", missingVPC, "InvalidVpcID.NotFound: The vpc ID '" + missingVPC + "' does not exist"},
			{"x", "d", "vpc-1", "InvalidVpcID.Malformed: Invalid id: …"},
		} {
			in := &ec2.CreateSecurityGroupInput{GroupName: &c.name, Description: &c.description}
			if c.vpc != "" {
				in.VpcId = &c.vpc
			}
			code, message, _ := strings.Cut(c.want, ": ")
			fails(t, i.a.CreateSecurityGroup, in, code, message)
		}
		missing := "The security group '" + *made.GroupId + "' does not exist"
		fails(t, i.b.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*made.GroupId}}, "InvalidGroup.NotFound", missing)
		fails(t, i.b.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: made.GroupId}, "InvalidGroup.NotFound", missing)
		fails(t, i.b.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"web"}}, "InvalidGroup.NotFound",
			"The security group 'web' does not exist in default VPC '"+i.b.defaultVPC(t)+"'")
		fails(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{"sg-1"}}, "InvalidGroupId.Malformed", "Invalid id: …")
		fails(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: filter("colour", "red")}, "InvalidParameterValue", "The filter 'colour' is invalid")
		fails(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{}, "MissingParameter", "The request must contain the parameter GroupName or GroupId")
		def := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"default"}}).SecurityGroups[0].GroupId
		fails(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: def}, "CannotDelete",
			`the specified group: "`+*def+`" name: "default" cannot be deleted by a user`)
	})
	t.Run("references", func(t *testing.T) {
		user := i.a.group(t, "user")
		do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &user, IpPermissions: []types.IpPermission{
			{IpProtocol: p("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: made.GroupId}, {GroupId: &user}}},
		}})
		fails(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: made.GroupId}, "DependencyViolation", "resource "+*made.GroupId+" has a dependent object")
		do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: &user}) // its own reference is no hindrance
	})
	do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupName: p("web")})
	fails(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: made.GroupId}, "InvalidGroup.NotFound", "The security group '"+*made.GroupId+"' does not exist")
	do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: elsewhere})
}

// TestDefaultGroup shows the rules that a default group is made with, and that
// the one about this host can be taken away.
//
//origami:proves RevokeSecurityGroupIngress DescribeSecurityGroupRules
func TestDefaultGroup(t *testing.T) {
	t.Parallel()
	i := open(t)
	g := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"default"}}).SecurityGroups[0]
	rules := do(t, i.a.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", *g.GroupId)}).SecurityGroupRules
	got := make(map[string]string)
	for _, r := range rules {
		from := p("members")
		if r.CidrIpv4 != nil {
			from = r.CidrIpv4
		} else if *r.ReferencedGroupInfo.GroupId != *g.GroupId {
			t.Errorf("a rule refers to %s", *r.ReferencedGroupInfo.GroupId)
		}
		got[fmt.Sprintf("egress %v %s %d-%d %s", *r.IsEgress, *r.IpProtocol, *r.FromPort, *r.ToPort, *from)] = *r.SecurityGroupRuleId
	}
	host := "egress false tcp 22-22 127.0.0.0/8"
	if len(got) != 3 || got["egress false -1 -1--1 members"] == "" || got["egress true -1 -1--1 0.0.0.0/0"] == "" || got[host] == "" {
		t.Fatalf("got rules %v", got)
	}
	do(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: g.GroupId, SecurityGroupRuleIds: []string{got[host]}})
	if left := i.a.groupByID(t, *g.GroupId).IpPermissions; len(left) != 1 || *left[0].IpProtocol != "-1" {
		t.Errorf("got rules %+v after revoking SSH from the host", left)
	}
}

// TestAuthorizeRules reads back what was authorized, in both directions.
//
//origami:proves AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress DescribeSecurityGroupRules
func TestAuthorizeRules(t *testing.T) {
	t.Parallel()
	i := open(t)
	id, db := i.a.group(t, "web"), i.a.group(t, "db")
	owner := p(string(i.a.id))
	in := []types.IpPermission{
		{IpProtocol: p("tcp"), FromPort: p(int32(80)), ToPort: p(int32(81)),
			IpRanges:         []types.IpRange{{CidrIp: p("10.0.0.7/8"), Description: p("inside")}, {CidrIp: p("192.0.2.1/32")}},
			Ipv6Ranges:       []types.Ipv6Range{{CidrIpv6: p("2001:db8::1/32")}},
			UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &db, UserId: owner}, {GroupName: p("web")}}},
		{IpProtocol: p("17"), FromPort: p(int32(53)), ToPort: p(int32(53)), IpRanges: []types.IpRange{{CidrIp: p("0.0.0.0/0")}}},
		{IpProtocol: p("icmp"), FromPort: p(int32(8)), ToPort: p(int32(-1)), IpRanges: []types.IpRange{{CidrIp: p("0.0.0.0/0")}}},
		{IpProtocol: p("47"), IpRanges: []types.IpRange{{CidrIp: p("0.0.0.0/0")}}},
		{IpProtocol: p("58"), FromPort: p(int32(-1)), ToPort: p(int32(-1)), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: p("::/0")}}},
	}
	out := do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &id, IpPermissions: in, TagSpecifications: tagged("security-group-rule", "why", "test"),
	})
	if n := len(out.SecurityGroupRules); n != 9 || !*out.Return {
		t.Fatalf("got %d rules, want 9", n)
	}
	first := out.SecurityGroupRules[0]
	same(t, first, types.SecurityGroupRule{
		CidrIpv4: p("10.0.0.0/8"), Description: p("inside"), FromPort: p(int32(80)), ToPort: p(int32(81)), GroupId: &id, GroupOwnerId: owner,
		IpProtocol: p("tcp"), IsEgress: p(false), SecurityGroupRuleId: first.SecurityGroupRuleId, Tags: []types.Tag{{Key: p("why"), Value: p("test")}},
		SecurityGroupRuleArn: p(fmt.Sprintf("arn:aws:ec2:eu-west-1:%s:security-group-rule/%s", i.a.id, *first.SecurityGroupRuleId)),
	})
	for _, in := range []*ec2.DescribeSecurityGroupRulesInput{
		{SecurityGroupRuleIds: []string{*first.SecurityGroupRuleId}},
		{Filters: filter("security-group-rule-id", *first.SecurityGroupRuleId)},
	} {
		same(t, do(t, i.a.DescribeSecurityGroupRules, in).SecurityGroupRules, []types.SecurityGroupRule{first})
	}
	if n := len(do(t, i.a.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("tag:why", "test")}).SecurityGroupRules); n != 9 {
		t.Errorf("got %d rules with the tag, want 9", n)
	}
	fails(t, i.b.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*first.SecurityGroupRuleId}},
		"InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '"+*first.SecurityGroupRuleId+"' does not exist")

	got := make(map[string]types.IpPermission)
	for _, perm := range i.a.groupByID(t, id).IpPermissions {
		got[*perm.IpProtocol] = perm
	}
	web := got["tcp"]
	if len(web.IpRanges) != 2 || len(web.Ipv6Ranges) != 1 || *web.Ipv6Ranges[0].CidrIpv6 != "2001:db8::/32" || len(web.UserIdGroupPairs) != 2 {
		t.Errorf("got permission %+v", web)
	}
	for name, ports := range map[string][2]*int32{"udp": {p(int32(53)), p(int32(53))}, "icmp": {p(int32(8)), p(int32(-1))}, "47": {}, "icmpv6": {p(int32(-1)), p(int32(-1))}} {
		perm, ok := got[name]
		if !ok {
			t.Errorf("no permission about %s", name)
			continue
		}
		same(t, [2]*int32{perm.FromPort, perm.ToPort}, ports)
	}
	for name, value := range map[string]string{
		"ip-permission.cidr": "10.0.0.0/8", "ip-permission.from-port": "80", "ip-permission.group-id": db, "ip-permission.group-name": "db",
		"ip-permission.ipv6-cidr": "2001:db8::/32", "ip-permission.protocol": "47", "ip-permission.to-port": "81", "ip-permission.user-id": string(i.a.id),
	} {
		found := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: append(filter(name, value), filter("group-name", "web", "db")...)}).SecurityGroups
		if len(found) != 1 || *found[0].GroupId != id {
			t.Errorf("filter %s = %s finds %d groups, want the one", name, value, len(found))
		}
	}

	do(t, i.a.AuthorizeSecurityGroupEgress, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(443, 443, "198.51.100.0/24")}})
	if found := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: filter("egress.ip-permission.cidr", "198.51.100.0/24")}).SecurityGroups; len(found) != 1 {
		t.Errorf("filter by egress finds %d groups, want 1", len(found))
	}

	t.Run("Packer, without communicator", func(t *testing.T) {
		status, body := i.a.send(t, home, url.Values{"Action": {"AuthorizeSecurityGroupIngress"}, "GroupId": {db}, "IpPermissions.1.FromPort": {"0"},
			"IpPermissions.1.ToPort": {"0"}, "IpPermissions.1.IpProtocol": {"tcp"}, "IpPermissions.1.IpRanges.1.CidrIp": {"0.0.0.0/0"}})
		if status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		same(t, i.a.groupByID(t, db).IpPermissions, []types.IpPermission{tcp(0, 0, "0.0.0.0/0")})
	})
	t.Run("the old way", func(t *testing.T) {
		old := i.a.group(t, "old")
		do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupName: p("old"), IpProtocol: p("tcp"), FromPort: p(int32(22)), ToPort: p(int32(22)), CidrIp: p("10.0.0.0/8")})
		same(t, i.a.groupByID(t, old).IpPermissions, []types.IpPermission{tcp(22, 22, "10.0.0.0/8")})
		do(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupName: p("old"), IpProtocol: p("tcp"), FromPort: p(int32(22)), ToPort: p(int32(22)), CidrIp: p("10.0.0.0/8")})
		do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupName: p("old"), SourceSecurityGroupName: p("db")})
		same(t, i.a.groupByID(t, old).IpPermissions, []types.IpPermission{{IpProtocol: p("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &db, UserId: owner}}}})
	})
}

// TestAuthorizeRefusals is the table of what rules cannot be. Nothing is left
// of a refused request.
//
//origami:proves AuthorizeSecurityGroupIngress
func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.group(t, "web")
	foreign := i.b.group(t, "theirs")
	vpc := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	elsewhere := *do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p("g"), Description: p("d"), VpcId: vpc}).GroupId
	do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8")}})
	before := i.a.groupByID(t, id)
	ip := func(protocol string, from, to int32) types.IpPermission {
		out := tcp(from, to, "192.0.2.0/24")
		out.IpProtocol = &protocol
		return out
	}
	pair := func(pairs ...types.UserIdGroupPair) types.IpPermission {
		return types.IpPermission{IpProtocol: p("-1"), UserIdGroupPairs: pairs}
	}
	many := func(n int) types.IpPermission {
		out := tcp(22, 22)
		for k := range n {
			out.IpRanges = append(out.IpRanges, types.IpRange{CidrIp: p(fmt.Sprintf("10.%d.0.0/16", k))})
		}
		return out
	}
	portless := tcp(0, 0, "10.0.0.0/8")
	portless.ToPort = nil
	described := tcp(1, 1)
	described.IpRanges = []types.IpRange{{CidrIp: p("10.0.0.0/8"), Description: p("naïve")}}
	for _, c := range []struct {
		name  string
		perms []types.IpPermission
		want  string
	}{
		{"none", nil, "MissingParameter: The request must contain the parameter IpPermissions"},
		{"duplicate", []types.IpPermission{tcp(22, 22, "10.1.2.3/8")}, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`},
		{"new and duplicate", []types.IpPermission{tcp(80, 80, "10.0.0.0/8"), tcp(22, 22, "10.0.0.0/8")}, "InvalidPermission.Duplicate: …"},
		{"twice", []types.IpPermission{tcp(80, 80, "10.0.0.0/8", "10.0.0.0/8")}, "InvalidParameterValue: The same permission must not appear multiple times"},
		{"no source", []types.IpPermission{tcp(80, 80)}, "MissingParameter: The request must contain the parameter IpRanges, Ipv6Ranges or Groups"},
		{"no protocol", []types.IpPermission{{IpRanges: allTraffic.IpRanges}}, "MissingParameter: The request must contain the parameter IpProtocol"},
		{"protocol", []types.IpPermission{ip("tpc", 1, 1)}, "InvalidParameterValue: Invalid value 'tpc' for IP protocol. Unknown protocol."},
		{"protocol 256", []types.IpPermission{ip("256", 1, 1)}, "InvalidParameterValue: Invalid value '256' for IP protocol. Unknown protocol."},
		{"no port", []types.IpPermission{portless}, "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		{"ports backwards", []types.IpPermission{ip("tcp", 81, 80)}, "InvalidParameterValue: Invalid TCP/UDP port range (81:80)"},
		{"port too large", []types.IpPermission{ip("udp", 0, 65536)}, "InvalidParameterValue: Invalid TCP/UDP port range (0:65536)"},
		{"port too small", []types.IpPermission{ip("6", -1, -1)}, "InvalidParameterValue: Invalid TCP/UDP port range (-1:-1)"},
		{"ICMP type", []types.IpPermission{ip("icmp", 256, 0)}, "InvalidParameterValue: ICMP type (256) out of range"},
		{"ICMP code", []types.IpPermission{ip("icmp", 8, 256)}, "InvalidParameterValue: ICMP code (256) out of range"},
		{"ICMP code of any type", []types.IpPermission{ip("icmp", -1, 0)}, "InvalidParameterValue: ICMP code (0) out of range"},
		{"prefix", []types.IpPermission{tcp(1, 1, "10.0.0.0/33")}, "InvalidParameterValue: CIDR block 10.0.0.0/33 is malformed"},
		{"address", []types.IpPermission{tcp(1, 1, "10.0.0.1")}, "InvalidParameterValue: CIDR block 10.0.0.1 is malformed"},
		{"IPv6 as IPv4", []types.IpPermission{tcp(1, 1, "::/0")}, "InvalidParameterValue: CIDR block ::/0 is malformed"},
		{"description", []types.IpPermission{described}, "InvalidParameterValue: Invalid rule description. …"},
		{"group of nobody", []types.IpPermission{pair(types.UserIdGroupPair{GroupId: p("sg-0123456789abcdef0")})}, "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist"},
		{"group of another account", []types.IpPermission{pair(types.UserIdGroupPair{GroupId: &foreign})}, "InvalidGroup.NotFound: The security group '" + foreign + "' does not exist"},
		{"group and its account", []types.IpPermission{pair(types.UserIdGroupPair{GroupId: &foreign, UserId: p(string(i.b.id))})}, "InvalidGroup.NotFound: The security group '" + foreign + "' does not exist"},
		{"group of another VPC", []types.IpPermission{pair(types.UserIdGroupPair{GroupId: &elsewhere})}, "InvalidGroup.NotFound: You have specified two resources that belong to different networks."},
		{"malformed group", []types.IpPermission{pair(types.UserIdGroupPair{GroupId: p("sg-x")})}, "InvalidGroupId.Malformed: Invalid id: …"},
		{"prefix list", []types.IpPermission{{IpProtocol: p("-1"), PrefixListIds: []types.PrefixListId{{PrefixListId: p("pl-1")}}}},
			"UnsupportedOperation: The parameter IpPermissions.1.PrefixListIds.1.PrefixListId is not supported by this service."},
		{"too many", []types.IpPermission{many(60)}, "RulesPerSecurityGroupLimitExceeded: The maximum number of rules per security group has been reached."},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, message, _ := strings.Cut(c.want, ": ")
			fails(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: c.perms}, code, message)
		})
	}
	same(t, i.a.groupByID(t, id), before)
	fails(t, i.b.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(1, 1, "10.0.0.0/8")}},
		"InvalidGroup.NotFound", "The security group '"+id+"' does not exist")
	do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{many(59)}})
}

// TestRevoke takes rules away, by what they say and by ID.
//
//origami:proves RevokeSecurityGroupIngress RevokeSecurityGroupEgress
func TestRevoke(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.group(t, "web")
	made := do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &id, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(80, 80, "0.0.0.0/0", "10.0.0.0/8")},
	}).SecurityGroupRules
	// In a default VPC what is not there is told, and is no error.
	out := do(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(23, 23, "10.0.0.0/8")}})
	same(t, out.UnknownIpPermissions, []types.IpPermission{tcp(23, 23, "10.0.0.0/8")})
	same(t, out.RevokedSecurityGroupRules, []types.RevokedSecurityGroupRule{{
		CidrIpv4: p("10.0.0.0/8"), FromPort: p(int32(22)), ToPort: p(int32(22)), GroupId: &id, IpProtocol: p("tcp"), IsEgress: p(false), SecurityGroupRuleId: made[0].SecurityGroupRuleId,
	}})
	byID := []string{*made[1].SecurityGroupRuleId}
	notThere := func(rule string) string {
		return "The security group rule ID '" + rule + "' does not exist in the security group '" + id + "'"
	}
	fails(t, i.a.RevokeSecurityGroupEgress, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, SecurityGroupRuleIds: byID}, "InvalidSecurityGroupRuleId.NotFound", notThere(byID[0]))
	fails(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, SecurityGroupRuleIds: append(byID, "sgr-0123456789abcdef0")},
		"InvalidSecurityGroupRuleId.NotFound", notThere("sgr-0123456789abcdef0"))
	fails(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, SecurityGroupRuleIds: []string{"sgr-1"}}, "InvalidSecurityGroupRuleId.Malformed", "Invalid id: …")
	fails(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id}, "MissingParameter", "The request must contain the parameter IpPermissions")
	do(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, SecurityGroupRuleIds: byID})
	same(t, i.a.groupByID(t, id).IpPermissions, []types.IpPermission{tcp(80, 80, "10.0.0.0/8")})

	// Terraform begins by taking the rule about allTraffic away.
	do(t, i.a.RevokeSecurityGroupEgress, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, IpPermissions: []types.IpPermission{allTraffic}})
	if left := i.a.groupByID(t, id).IpPermissionsEgress; len(left) != 0 {
		t.Errorf("got egress rules %+v, want none", left)
	}

	vpc := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	other := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p("g"), Description: p("d"), VpcId: vpc}).GroupId
	do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: other, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8")}})
	fails(t, i.a.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: other, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(23, 23, "10.0.0.0/8")}},
		"InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	same(t, i.a.groupByID(t, *other).IpPermissions, []types.IpPermission{tcp(22, 22, "10.0.0.0/8")})
}

// TestModifyRules changes rules in place.
//
//origami:proves ModifySecurityGroupRules UpdateSecurityGroupRuleDescriptionsIngress UpdateSecurityGroupRuleDescriptionsEgress
func TestModifyRules(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.group(t, "web")
	made := do(t, i.a.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(80, 80, "10.0.0.0/8")}}).SecurityGroupRules
	ssh, http := *made[0].SecurityGroupRuleId, *made[1].SecurityGroupRuleId
	modify := func(rule string, r types.SecurityGroupRuleRequest) *ec2.ModifySecurityGroupRulesInput {
		return &ec2.ModifySecurityGroupRulesInput{GroupId: &id, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &rule, SecurityGroupRule: &r}}}
	}
	port := func(n int32, cidr string) types.SecurityGroupRuleRequest {
		return types.SecurityGroupRuleRequest{IpProtocol: p("tcp"), FromPort: &n, ToPort: &n, CidrIpv4: &cidr, Description: p("new")}
	}
	do(t, i.a.ModifySecurityGroupRules, modify(ssh, port(2222, "192.0.2.0/24")))
	show := func(rule string) types.SecurityGroupRule {
		return do(t, i.a.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{rule}}).SecurityGroupRules[0]
	}
	got := show(ssh)
	if *got.FromPort != 2222 || *got.CidrIpv4 != "192.0.2.0/24" || *got.Description != "new" || *got.IsEgress {
		t.Errorf("got rule %+v", got)
	}
	fails(t, i.a.ModifySecurityGroupRules, modify(ssh, port(80, "10.0.0.0/8")), "InvalidPermission.Duplicate", "the specified rule …")
	both := port(80, "10.0.0.0/8")
	both.CidrIpv6 = p("::/0")
	fails(t, i.a.ModifySecurityGroupRules, modify(ssh, both), "InvalidParameterCombination", "Exactly one of CidrIpv4, CidrIpv6 and ReferencedGroupId must be specified.")
	fails(t, i.a.ModifySecurityGroupRules, modify("sgr-0123456789abcdef0", port(1, "10.0.0.0/8")), "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID 'sgr-0123456789abcdef0' does not exist in the security group '"+id+"'")
	fails(t, i.b.ModifySecurityGroupRules, modify(ssh, port(1, "10.0.0.0/8")), "InvalidGroup.NotFound", "The security group '"+id+"' does not exist")

	named := tcp(80, 80)
	named.IpRanges = []types.IpRange{{CidrIp: p("10.0.0.0/8"), Description: p("by what it says")}}
	do(t, i.a.UpdateSecurityGroupRuleDescriptionsIngress, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{named}})
	if got := show(http).Description; got == nil || *got != "by what it says" {
		t.Errorf("got description %v", got)
	}
	byID := func(rule, text string) []types.SecurityGroupRuleDescription {
		return []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: &rule, Description: &text}}
	}
	do(t, i.a.UpdateSecurityGroupRuleDescriptionsIngress, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &id, SecurityGroupRuleDescriptions: byID(http, "by ID")})
	if got := show(http).Description; got == nil || *got != "by ID" {
		t.Errorf("got description %v", got)
	}
	do(t, i.a.UpdateSecurityGroupRuleDescriptionsIngress, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(80, 80, "10.0.0.0/8")}})
	if got := show(http).Description; got != nil {
		t.Errorf("got description %q, want none", *got)
	}
	fails(t, i.a.UpdateSecurityGroupRuleDescriptionsIngress, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(81, 81, "10.0.0.0/8")}},
		"InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	egress := allTraffic
	egress.IpRanges = []types.IpRange{{CidrIp: p("0.0.0.0/0"), Description: p("out")}}
	do(t, i.a.UpdateSecurityGroupRuleDescriptionsEgress, &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: &id, IpPermissions: []types.IpPermission{egress}})
	same(t, i.a.groupByID(t, id).IpPermissionsEgress, []types.IpPermission{egress})
	fails(t, i.a.UpdateSecurityGroupRuleDescriptionsEgress, &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: &id, SecurityGroupRuleDescriptions: byID(http, "x")},
		"InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '"+http+"' does not exist in the security group '"+id+"'")
}

// TestSecurityGroupPages reads groups and rules page by page.
//
//origami:proves DescribeSecurityGroups DescribeSecurityGroupRules
func TestSecurityGroupPages(t *testing.T) {
	t.Parallel()
	i := open(t)
	for n := range 11 {
		i.a.group(t, fmt.Sprintf("g%d", n))
	}
	read := func(next func(token *string) (n int, more *string)) (sizes []int) {
		for token := (*string)(nil); ; {
			n, more := next(token)
			sizes = append(sizes, n)
			if token = more; token == nil {
				return sizes
			}
		}
	}
	groups := read(func(token *string) (int, *string) {
		out := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{MaxResults: p(int32(5)), NextToken: token})
		return len(out.SecurityGroups), out.NextToken
	})
	same(t, groups, []int{5, 5, 2}) // with the default group
	rules := read(func(token *string) (int, *string) {
		out := do(t, i.a.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{MaxResults: p(int32(5)), NextToken: token})
		return len(out.SecurityGroupRules), out.NextToken
	})
	same(t, rules, []int{5, 5, 4}) // 11, and 3 of the default group
	fails(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{MaxResults: p(int32(5)), GroupIds: []string{i.a.group(t, "more")}},
		"InvalidParameterCombination", "The parameter groupIds cannot be used with the parameter maxResults")
}

// TestOneDuplicate lets many clients authorize the same rule: one succeeds.
func TestOneDuplicate(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.group(t, "web")
	const clients = 20
	results := make(chan error, clients)
	for range clients {
		go func() {
			_, err := i.a.AuthorizeSecurityGroupIngress(context.Background(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{tcp(22, 22, "10.0.0.0/8")}})
			results <- err
		}()
	}
	succeeded := 0
	for range clients {
		err := <-results
		if err == nil {
			succeeded++
		} else if !strings.HasPrefix(describe(err), "InvalidPermission.Duplicate: ") {
			t.Error(describe(err))
		}
	}
	if succeeded != 1 {
		t.Errorf("%d clients made the same rule, want 1", succeeded)
	}
}
