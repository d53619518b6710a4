package ec2server

import (
	"errors"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// findProfile finds the instance profile of the caller's account that a request
// names, by its name or its ARN. It is nil if the request names none.
func findProfile(tx *metadb.Tx, who origami.Caller, spec *ec2api.IamInstanceProfileSpecification) (*origami.InstanceProfile, error) {
	if spec == nil || spec.Arn == nil && spec.Name == nil {
		return nil, nil
	}
	if spec.Arn != nil && spec.Name != nil {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination,
			"The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
	}
	given, parameter, what := deref(spec.Name), "name", "name"
	if spec.Arn != nil {
		given, parameter, what = *spec.Arn, "arn", "ARN"
	}
	p, err := tx.InstanceProfile(who.Account, given[strings.LastIndexByte(given, '/')+1:])
	if err == nil && (spec.Arn != nil && p.ARN() != given || spec.Name != nil && !strings.EqualFold(p.Name, given)) {
		err = metadb.ErrNotFound
	}
	if errors.Is(err, metadb.ErrNotFound) {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.256s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile %s", given, parameter, what)
	}
	if err == nil && p.Role == "" {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.256s) for parameter iamInstanceProfile.%s is invalid. IAM Instance Profile \"%s\" has no associated IAM Roles", given, parameter, p.ARN())
	}
	return p, err
}
