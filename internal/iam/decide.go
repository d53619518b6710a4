package iam

import (
	"errors"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Decision is what the policies of a caller's account say about one request.
type Decision struct {
	Request *policy.Request // as the policies were asked, for those of resources to be asked the same
	Allowed bool
	Denied  bool // an explicit denial stands against it
}

// Decide says, inside a transaction of the caller's, whether who may do an
// action to a resource that has a policy of its own. That policy is own if the
// resource is of the caller's account; otherwise own is nil, and what the
// policy says is for its owner to ask beside.
func (s *Service) Decide(tx *metadb.Tx, who origami.Caller, action string, r Resource, own *policy.Document) (Decision, error) {
	p, err := load(tx, who)
	gone := errors.Is(err, errGone)
	if gone {
		p, err = &principal{who: who}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	var d Decision
	if d.Request, err = p.request(tx, action, r); err != nil || gone {
		return d, err
	}
	p.policies.Resource = own
	d.Allowed, d.Denied = p.allows(d.Request)
	return d, nil
}
