package iam

import (
	"context"
	"strings"

	"origami"
)

// Request is what is to be authorized: an action by a caller.
type Request struct {
	Caller origami.Caller
	// Action is the service and operation: "ec2:RunInstances".
	Action string
	// Resources are the ARNs of what the action is about, as far as they are
	// known; "*" or nothing for actions that are about none. All of them must
	// be allowed.
	Resources []string
}

// Authorize decides whether the caller may do an action. The root of an
// account may do everything in it. No other principal exists in this version,
// and one that claims to be something else is refused with
// UnauthorizedOperation: what is not known to be allowed is denied.
func (s *Service) Authorize(_ context.Context, r Request) error {
	service, operation, ok := strings.Cut(r.Action, ":")
	if ok && service != "" && operation != "" && r.Caller.Account != "" && r.Caller.ARN == RootARN(r.Caller.Account) {
		return nil
	}
	return origami.Errorf(origami.CodeUnauthorizedOperation,
		"You are not authorized to perform this operation. User: %s is not authorized to perform: %s", r.Caller.ARN, r.Action)
}
