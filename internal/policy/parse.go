package policy

import (
	"strings"
)

// Document is a policy, parsed. It does not change.
type Document struct {
	version    string
	statements []statement
	ids        map[string]string // see Bound
	text       string            // as it was parsed
}

// Bound is the document with ARNs of its principals bound to the unique IDs of
// those whom they meant when the document was written, by ARN. An ARN that is
// bound names whoever has the ID and nobody else, so that a user or role who
// takes the name of one that is gone is not let in.
func (d *Document) Bound(ids map[string]string) *Document {
	return &Document{d.version, d.statements, ids, d.text}
}

// statement is one rule.
type statement struct {
	sid           string
	allow         bool
	principals    *principals // nil in policies of identities
	notPrincipals bool
	actions       []pattern
	notActions    bool
	resources     []pattern // empty in policies of trust
	notResources  bool
	conditions    []condition
}

// Parse reads a document. What it refuses is an [*Error].
func Parse(text string, kind Kind) (*Document, error) {
	root, err := read(text)
	if err != nil {
		if kind == Trust {
			err = malformed("This policy contains invalid Json")
		}
		return nil, err
	}
	if root.kind != object {
		return nil, malformed(reasonSyntax)
	}
	d := &Document{version: "2008-10-17", text: text}
	var list []node
	for i, name := range root.names {
		v := root.members[i]
		switch name {
		case "Version":
			if v.kind != str || v.text != "2012-10-17" && v.text != "2008-10-17" {
				return nil, malformed(reasonSyntax)
			}
			d.version = v.text
		case "Id":
			if v.kind != str {
				return nil, malformed(reasonSyntax)
			}
		case "Statement":
			list = []node{v}
			if v.kind == array {
				list = v.members
			}
		default:
			return nil, malformed(reasonSyntax)
		}
	}
	if len(list) == 0 {
		return nil, malformed(reasonSyntax)
	}
	if err := d.parseStatements(list, kind); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Document) parseStatements(list []node, kind Kind) error {
	seen := make(map[string]bool)
	for _, n := range list {
		s, err := d.parseStatement(n, kind)
		if err != nil {
			return err
		}
		if s.sid != "" && seen[s.sid] {
			return malformed(reasonSid)
		}
		seen[s.sid] = true
		d.statements = append(d.statements, s)
	}
	return nil
}

// parseStatement reads one statement and checks that it has what documents of
// that kind must have.
func (d *Document) parseStatement(n node, kind Kind) (statement, error) {
	var s statement
	if n.kind != object {
		return s, malformed(reasonSyntax)
	}
	has := make(map[string]bool)
	for i, name := range n.names {
		has[name] = true
		if err := d.parseElement(&s, name, n.members[i], kind); err != nil {
			return s, err
		}
	}
	for _, pair := range [][2]string{{"Action", "NotAction"}, {"Resource", "NotResource"}, {"Principal", "NotPrincipal"}} {
		if has[pair[0]] && has[pair[1]] {
			return s, malformed(reasonSyntax)
		}
	}
	principal := has["Principal"] || has["NotPrincipal"]
	resource := has["Resource"] || has["NotResource"]
	switch {
	case !has["Effect"]:
		return s, malformed("Missing required field Effect")
	case len(s.actions) == 0:
		return s, malformed(reasonActions)
	case kind == Identity && principal:
		return s, malformed(reasonPrincipal)
	case kind != Identity && !principal:
		return s, malformed("Missing required field Principal")
	case kind == Trust && resource:
		return s, malformed("Has prohibited field Resource")
	case kind == Trust && has["NotPrincipal"]:
		return s, malformed("Has prohibited field NotPrincipal")
	case kind != Trust && len(s.resources) == 0:
		return s, malformed(reasonResources)
	case kind != Identity && s.notPrincipals && s.allow:
		return s, malformed("Allow with NotPrincipal is not allowed.")
	}
	return s, nil
}

func (d *Document) parseElement(s *statement, name string, v node, kind Kind) (err error) {
	switch name {
	case "Sid":
		if v.kind != str || kind == Identity && strings.ContainsFunc(v.text, notAlphanumeric) {
			return malformed(reasonSyntax)
		}
		s.sid = v.text
	case "Effect":
		if v.kind != str || v.text != "Allow" && v.text != "Deny" {
			return malformed(reasonSyntax)
		}
		s.allow = v.text == "Allow"
	case "Principal", "NotPrincipal":
		if kind == Identity {
			return malformed(reasonPrincipal)
		}
		s.notPrincipals = name == "NotPrincipal"
		s.principals, err = parsePrincipals(v)
	case "Action", "NotAction":
		s.notActions = name == "NotAction"
		s.actions, err = parseActions(v, kind)
	case "Resource", "NotResource":
		s.notResources = name == "NotResource"
		s.resources, err = d.parseResources(v)
	case "Condition":
		s.conditions, err = d.parseConditions(v)
	default:
		return malformed(reasonSyntax)
	}
	return err
}

func notAlphanumeric(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

func parseActions(v node, kind Kind) ([]pattern, error) {
	values, ok := v.strings()
	if !ok {
		return nil, malformed(reasonSyntax)
	}
	var out []pattern
	for _, a := range values {
		vendor, name, ok := strings.Cut(a, ":")
		switch {
		case kind == Trust && !strings.EqualFold(vendor, "sts"):
			return nil, malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		case a == "*":
		case !ok || vendor == "":
			return nil, malformed(reasonVendor)
		case strings.ContainsFunc(vendor, func(r rune) bool { return notAlphanumeric(r) && r != '-' }):
			return nil, malformed("Vendor %.64s is not valid", vendor)
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return notAlphanumeric(r) && r != '*' && r != '?' }):
			return nil, malformed("Action %.128s is not valid", a)
		}
		p, _ := compile(a, false, true)
		out = append(out, p)
	}
	return out, nil
}

func (d *Document) parseResources(v node) ([]pattern, error) {
	values, ok := v.strings()
	if !ok {
		return nil, malformed(reasonSyntax)
	}
	var out []pattern
	for _, r := range values {
		p, ok := compile(r, d.variables(), true)
		if !ok {
			return nil, malformed("Resource %.256s contains an invalid policy variable", r)
		}
		if r != "*" && !p.arn() {
			return nil, malformed("Resource %.256s must be in ARN format or \"*\".", r)
		}
		out = append(out, p)
	}
	return out, nil
}

// arn reports whether a pattern can be of an ARN: its first part is "arn", and
// it has six, or fewer of which the last ends in a wildcard.
func (p pattern) arn() bool {
	parts := p.split(6)
	if len(parts) < 2 || !matchTokens(parts[0].tokens, "arn", false) {
		return false
	}
	last := parts[len(parts)-1].tokens
	return len(parts) == 6 && len(last) > 0 || len(last) > 0 && last[len(last)-1].kind == anyText
}

// variables says whether the document may use policy variables.
func (d *Document) variables() bool { return d.version == "2012-10-17" }
