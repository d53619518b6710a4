package policy

import (
	"slices"
	"strings"
)

// Principal is who makes a request.
type Principal struct {
	Account string // 12 digits
	ARN     string // of the user, the session of a role, or the root
	Role    string // ARN of the role, of a session
	ID      string // unique ID of the user ("AIDA…") or of the session ("AROA…:name")
	Service string // of a service that asks for itself: "ec2.amazonaws.com"
}

// RootARN names an account as a whole, and its root.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// reach is how closely a document names a principal.
type reach int

const (
	nobody    reach = iota
	byAccount       // as one of an account, whose own policies decide
	byRole          // by its role, or as one of everybody
	byName
)

// principals is the element Principal or NotPrincipal.
type principals struct {
	all      bool
	accounts []string
	arns     []string
	services []string
}

// maxPrincipal bounds the name of a principal, in bytes.
const maxPrincipal = 2048

func parsePrincipals(n node) (*principals, error) {
	p := new(principals)
	if n.kind == str && n.text == "*" {
		p.all = true
		return p, nil
	}
	if n.kind != object || len(n.names) == 0 {
		return nil, malformed(reasonSyntax)
	}
	for i, kind := range n.names {
		values, ok := n.members[i].strings()
		if !ok || len(values) == 0 {
			return nil, malformed(reasonSyntax)
		}
		for _, v := range values {
			if err := p.add(kind, v); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *principals) add(kind, value string) error {
	bad := malformed("Invalid principal in policy: \"%.64s\":\"%.128s\"", kind, value)
	if value == "" || len(value) > maxPrincipal {
		return bad
	}
	switch kind {
	case "AWS":
		return p.addAWS(value, bad)
	case "Service":
		if !strings.Contains(value, ".") || strings.ContainsAny(value, "*?: ") {
			return bad
		}
		p.services = append(p.services, strings.ToLower(value))
	case "Federated", "CanonicalUser":
		// Nobody here is one, so these match no caller.
	default:
		return malformed(reasonSyntax)
	}
	return nil
}

func (p *principals) addAWS(value string, bad error) error {
	if value == "*" {
		p.all = true
		return nil
	}
	if isAccount(value) {
		p.accounts = append(p.accounts, value)
		return nil
	}
	if id := strings.TrimLeft(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"); id == "" && len(value) >= 16 &&
		(strings.HasPrefix(value, "AIDA") || strings.HasPrefix(value, "AROA")) {
		p.arns = append(p.arns, value) // of somebody who is gone; it matches nobody
		return nil
	}
	part := strings.SplitN(value, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] != "aws" || part[3] != "" || !isAccount(part[4]) ||
		strings.ContainsAny(value, "*?") {
		return bad
	}
	name, ok := strings.CutPrefix(part[5], "root")
	switch {
	case part[2] == "iam" && ok && name == "":
		p.accounts = append(p.accounts, part[4])
		return nil
	case part[2] == "iam" && (strings.HasPrefix(part[5], "user/") || strings.HasPrefix(part[5], "role/")),
		part[2] == "sts" && (strings.HasPrefix(part[5], "assumed-role/") || strings.HasPrefix(part[5], "federated-user/")):
		p.arns = append(p.arns, value)
		return nil
	}
	return bad
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// named is how closely an ARN names who. If ids has the unique ID of whom it
// meant when it was written, that decides: another of the same name is meant by
// nobody.
func named(arn string, ids map[string]string, who Principal) reach {
	if id, bound := ids[arn]; bound {
		role, _, session := strings.Cut(who.ID, ":")
		switch {
		case id == "" || who.ID == "":
		case id == who.ID:
			return byName
		case session && id == role:
			return byRole
		}
		return nobody
	}
	switch {
	case arn == who.ARN && arn != "":
		return byName
	case arn == who.Role && arn != "":
		return byRole
	}
	return nobody
}

// Is reports whether an ARN names who, as itself or by its role. ids are the
// unique IDs that ARNs are bound to; see [Document.Bound].
func (who Principal) Is(arn string, ids map[string]string) bool {
	return named(arn, ids, who) != nobody
}

// reach is how closely p names who, given the unique IDs that its ARNs are bound
// to.
func (p *principals) reach(who Principal, ids map[string]string) reach {
	best := nobody
	if p.all {
		best = byRole
	}
	for _, a := range p.accounts {
		if a == who.Account && who.Account != "" {
			best = max(best, byAccount)
			if who.ARN == RootARN(a) {
				best = byName
			}
		}
	}
	for _, a := range p.arns {
		best = max(best, named(a, ids, who))
	}
	for _, s := range p.services {
		if s == who.Service && s != "" {
			return byName
		}
	}
	return best
}

// excepts reports whether p, as an element NotPrincipal, leaves who out: it must
// list the account of who and, unless that is the root, the user or the role as
// well. An account by itself excepts its root alone, and a user or a role by
// itself nobody, since its account is denied.
func (p *principals) excepts(who Principal, ids map[string]string) bool {
	if p.all || who.Service != "" && slices.Contains(p.services, who.Service) {
		return true
	}
	want := byName
	switch {
	case who.Account == "" || !slices.Contains(p.accounts, who.Account):
		return false
	case who.ARN == RootARN(who.Account):
		return true
	case who.Role != "": // a session is let in with its role
		want = byRole
	}
	return slices.ContainsFunc(p.arns, func(arn string) bool { return named(arn, ids, who) == want })
}

// ARNs lists whom the statements of a document name as principals: accounts,
// by their roots, users, roles and sessions, so that whoever keeps it can
// refuse names of nobody.
func (d *Document) ARNs() []string {
	var out []string
	for i := range d.statements {
		if p := d.statements[i].principals; p != nil {
			for _, a := range p.accounts {
				out = append(out, RootARN(a))
			}
			out = append(out, p.arns...)
		}
	}
	return out
}
