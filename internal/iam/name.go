package iam

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"unicode"

	"origami"
	"origami/internal/metadb"
)

// CodeNoSuchEntity is the code of errors about what is not there.
const CodeNoSuchEntity origami.Code = "NoSuchEntity"

// Codes of the errors of IAM.
const (
	codeExists        origami.Code = "EntityAlreadyExists"
	codeConflict      origami.Code = "DeleteConflict"
	codeLimit         origami.Code = "LimitExceeded"
	codeMalformed     origami.Code = "MalformedPolicyDocument"
	codeValidation    origami.Code = "ValidationError"
	codeInvalidInput  origami.Code = "InvalidInput"
	codeAccessDenied  origami.Code = "AccessDenied"
	codeNotAttachable              = "PolicyNotAttachable"
)

// Quotas of an account and of what is in it.
const (
	maxUsers           = 5000
	maxGroups          = 300
	maxRoles           = 1000
	maxPolicies        = 1500
	maxProfiles        = 1000
	maxAttached        = 10
	maxGroupsOfUser    = 10
	maxVersions        = 5
	maxPolicySize      = 6144 // characters of a managed policy
	maxTrustSize       = 2048
	maxDescription     = 1000
	maxPath            = 512
	minMaxSessionHours = 1
	maxMaxSessionHours = 12
)

// kindOf has what differs between the kinds of identities.
type kindOf struct {
	title     string // begins messages
	prefix    string // of IDs
	longest   int    // name, in characters
	most      int    // in an account
	quota     string
	inline    int // characters of all inline policies together
	attached  string
	parameter string
}

var kinds = map[origami.IdentityKind]kindOf{
	origami.KindUser:  {"User", "AIDA", 64, maxUsers, "UsersPerAccount", 2048, "PoliciesPerUser", "userName"},
	origami.KindGroup: {"Group", "AGPA", 128, maxGroups, "GroupsPerAccount", 5120, "PoliciesPerGroup", "groupName"},
	origami.KindRole:  {"Role", "AROA", 64, maxRoles, "RolesPerAccount", 10240, "PoliciesPerRole", "roleName"},
}

// newID makes a unique ID: 80 random bits after a prefix.
func newID(prefix string) string {
	var b [11]byte
	rand.Read(b[:]) // crypto/rand never fails: it ends the program
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:17]
}

// checkEntityName checks a name of parameter.
func checkEntityName(parameter, name string, longest int) error {
	const text = "1 validation error detected: Value '%.256s' at '%s' failed to satisfy constraint: Member must have length "
	if name == "" {
		return origami.Errorf(codeValidation, text+"greater than or equal to 1", name, parameter)
	}
	if len(name) > longest {
		return origami.Errorf(codeValidation, text+"less than or equal to %d", name, parameter, longest)
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return !(r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("+=,.@_-", r)))
	}) {
		return origami.Errorf(codeValidation, "The specified value for %s is invalid. It must contain only alphanumeric characters "+
			"and/or the following: +=,.@_-", parameter)
	}
	return nil
}

// checkPath checks a path, which is "/" or text between slashes, and returns
// it, or "/" for an empty one.
func checkPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	if len(path) > maxPath || path[0] != '/' || path[len(path)-1] != '/' ||
		strings.ContainsFunc(path, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", origami.Errorf(codeValidation, "The specified value for path is invalid. It must begin and end with / and contain only "+
			"alphanumeric characters and/or / characters.")
	}
	return path, nil
}

// checkTags checks the tags of an entity. The errors of tags are EC2's; these
// are IAM's.
func checkTags(tags origami.Tags) error {
	var e *origami.Error
	switch err := tags.Validate(); {
	case !errors.As(err, &e):
		return err
	case e.Code == origami.CodeTagLimitExceeded:
		return origami.Errorf(codeLimit, "Cannot exceed quota for TagsPerEntity: %d", origami.MaxTags)
	default:
		return origami.Errorf(codeInvalidInput, "%s", e.Message)
	}
}

// found gives a lookup that found nothing the error of a missing entity.
func found[T any](v T, err error, format string, args ...any) (T, error) {
	if errors.Is(err, metadb.ErrNotFound) {
		err = origami.Errorf(CodeNoSuchEntity, format, args...)
	}
	return v, err
}
