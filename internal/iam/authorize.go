package iam

import (
	"context"
	"strings"

	"origami"
)

// Resource is what an action is about.
type Resource struct {
	ARN string
}

// Authorize decides whether who may do an action, "ec2:RunInstances", to
// resources, all of which must be allowed; actions about none name none. The
// root of an account may do everything in it. No other principal exists, and
// a caller that claims to be something else is refused with
// UnauthorizedOperation: what is not known to be allowed is denied.
func (s *Service) Authorize(_ context.Context, who origami.Caller, action string, _ ...Resource) error {
	service, operation, ok := strings.Cut(action, ":")
	if ok && service != "" && operation != "" && who.Account != "" && who.ARN == RootARN(who.Account) {
		return nil
	}
	return origami.Errorf(origami.CodeUnauthorizedOperation,
		"You are not authorized to perform this operation. User: %s is not authorized to perform: %s", who.ARN, action)
}
