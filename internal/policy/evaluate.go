package policy

import (
	"cmp"
	"strings"
)

// Request is what somebody wants to do.
type Request struct {
	Principal Principal
	Action    string // "ec2:RunInstances"
	Resource  string // ARN; "*" for an action that is about none
	Keys      Keys   // what conditions ask about
}

// Keys are the condition keys of a request with their values. The names are in
// lower case: [Keys.Set] sees to that.
type Keys map[string][]string

// Set gives a key values. Values of one key add up. To conditions, a key that
// was set without values does not exist.
func (k Keys) Set(name string, values ...string) {
	name = strings.ToLower(name)
	k[name] = append(k[name], values...)
}

// Effect is what one document says about a request, from the weakest to the
// strongest.
type Effect int

// The effects. The first allowances are of documents with principals.
const (
	Silent       Effect = iota // no statement applies: denied, unless another allows
	AllowAccount               // the principal's account may, as its own policies decide
	AllowRole                  // the principal may by its role, or with everybody
	Allow                      // the principal may
	Deny                       // it may not, whatever others say
)

func (e Effect) String() string {
	return [...]string{"Silent", "AllowAccount", "AllowRole", "Allow", "Deny"}[e]
}

// Evaluate says what the document says about a request.
func (d *Document) Evaluate(r *Request) Effect {
	best := Silent
	for i := range d.statements {
		switch e := d.statements[i].evaluate(r, d.ids); {
		case e == Deny:
			return Deny
		case e > best:
			best = e
		}
	}
	return best
}

// evaluate says what one statement says, with ARNs of principals bound to IDs.
func (s *statement) evaluate(r *Request, ids map[string]string) Effect {
	if !s.hasAction(r.Action) || !s.hasResource(r) {
		return Silent
	}
	grade := Allow
	if s.principals != nil {
		switch {
		case !s.notPrincipals:
			grade = [...]Effect{Silent, AllowAccount, AllowRole, Allow}[s.principals.reach(r.Principal, ids)]
		case s.principals.excepts(r.Principal, ids):
			return Silent
		}
	}
	if grade == Silent {
		return Silent
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r.Keys) {
			return Silent
		}
	}
	if !s.allow {
		return Deny
	}
	return grade
}

func (s *statement) hasAction(action string) bool {
	for _, p := range s.actions {
		if p.match(action, nil, true) {
			return !s.notActions
		}
	}
	return s.notActions
}

// hasResource reports whether the statement is about the resource. One without
// the element is about the resource it is attached to. A pattern with a
// variable that has no value makes the statement say nothing.
func (s *statement) hasResource(r *Request) bool {
	if s.resources == nil {
		return true
	}
	found := false
	for _, p := range s.resources {
		tokens, ok := p.bound(r.Keys)
		if !ok {
			if s.notResources {
				return false
			}
			continue
		}
		found = found || matchTokens(tokens, r.Resource, false)
	}
	return found != s.notResources
}

// Policies are all documents that bear on a request inside the account of its
// principal.
type Policies struct {
	Identity []*Document // of the user, its groups, or the role
	Boundary *Document   // the most that Identity can allow; nil is no bound
	Session  []*Document // the most that the session may; nil is no bound
	Resource *Document   // of the resource in the same account; nil if it has none
}

// Decide reports whether the request may be done, and whether an explicit
// denial stands against it.
func (p *Policies) Decide(r *Request) (allowed, explicit bool) {
	identity := evaluateAll(p.Identity, r)
	boundary, session := Allow, Allow
	if p.Boundary != nil {
		boundary = p.Boundary.Evaluate(r)
	}
	if p.Session != nil {
		session = evaluateAll(p.Session, r)
	}
	resource := Silent
	if p.Resource != nil {
		resource = p.Resource.Evaluate(r)
	}
	if max(identity, boundary, session, resource) == Deny {
		return false, true
	}
	switch resource {
	case Allow: // who is named needs nothing else
		return true, false
	case AllowRole:
		return boundary == Allow && session == Allow, false
	}
	return identity == Allow && boundary == Allow && session == Allow, false
}

// Blame names the kind of policies for which Decide refuses a request, as
// messages of AWS do: that of an explicit denial if one stands against it, or
// else the first that has to allow it and does not.
func (p *Policies) Blame(r *Request) string {
	silent := ""
	for _, kind := range []struct {
		name  string
		docs  []*Document
		given bool // else it bounds nothing
		must  bool // allow what is allowed
	}{
		{IdentityBased, p.Identity, true, true},
		{"resource-based policy", []*Document{p.Resource}, p.Resource != nil, false},
		{"permissions boundary", []*Document{p.Boundary}, p.Boundary != nil, true},
		{"session policy", p.Session, p.Session != nil, true},
	} {
		if !kind.given {
			continue
		}
		switch effect := evaluateAll(kind.docs, r); {
		case effect == Deny:
			return kind.name
		case effect != Allow && kind.must && silent == "":
			silent = kind.name
		}
	}
	return cmp.Or(silent, IdentityBased)
}

// IdentityBased is the kind of the policies of users, groups and roles, which
// have to allow everything.
const IdentityBased = "identity-based policy"

// evaluateAll is the strongest effect of several documents.
func evaluateAll(docs []*Document, r *Request) Effect {
	best := Silent
	for _, d := range docs {
		best = max(best, d.Evaluate(r))
	}
	return best
}
