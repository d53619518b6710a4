package origami

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
)

// Code is an error code of the EC2 API, as clients compare it.
type Code string

// The codes that rooms of this module produce.
const (
	CodeAccessDeniedException        Code = "AccessDeniedException"
	CodeAuthFailure                  Code = "AuthFailure"
	CodeConcurrentLimitExceeded      Code = "ConcurrentLimitExceededException"
	CodeConcurrentSnapshotLimit      Code = "ConcurrentSnapshotLimitExceeded"
	CodeConflictException            Code = "ConflictException"
	CodeDependencyViolation          Code = "DependencyViolation"
	CodeDryRunOperation              Code = "DryRunOperation"
	CodeIdempotentParameterMismatch  Code = "IdempotentParameterMismatch"
	CodeIncorrectInstanceState       Code = "IncorrectInstanceState"
	CodeIncorrectState               Code = "IncorrectState"
	CodeInsufficientInstanceCapacity Code = "InsufficientInstanceCapacity"
	CodeInsufficientVolumeCapacity   Code = "InsufficientVolumeCapacity"
	CodeInternalError                Code = "InternalError"
	CodeInvalidAction                Code = "InvalidAction"
	CodeInvalidAMIAttributeItemValue Code = "InvalidAMIAttributeItemValue"
	CodeInvalidAMIIDMalformed        Code = "InvalidAMIID.Malformed"
	CodeInvalidAMIIDNotFound         Code = "InvalidAMIID.NotFound"
	CodeInvalidAMIIDUnavailable      Code = "InvalidAMIID.Unavailable"
	CodeInvalidAMINameDuplicate      Code = "InvalidAMIName.Duplicate"
	CodeInvalidAMINameMalformed      Code = "InvalidAMIName.Malformed"
	CodeInvalidBlockDeviceMapping    Code = "InvalidBlockDeviceMapping"
	CodeInvalidGroupDuplicate        Code = "InvalidGroup.Duplicate"
	CodeInvalidGroupNotFound         Code = "InvalidGroup.NotFound"
	CodeInvalidID                    Code = "InvalidID"
	CodeInvalidInstanceIDMalformed   Code = "InvalidInstanceID.Malformed"
	CodeInvalidInstanceIDNotFound    Code = "InvalidInstanceID.NotFound"
	CodeInvalidKeyFormat             Code = "InvalidKey.Format"
	CodeInvalidKeyPairDuplicate      Code = "InvalidKeyPair.Duplicate"
	CodeInvalidKeyPairNotFound       Code = "InvalidKeyPair.NotFound"
	CodeInvalidMaxResults            Code = "InvalidMaxResults"
	CodeInvalidNextToken             Code = "InvalidNextToken"
	CodeInvalidParameter             Code = "InvalidParameter"
	CodeInvalidParameterCombination  Code = "InvalidParameterCombination"
	CodeInvalidParameterDependency   Code = "InvalidParameterDependency"
	CodeInvalidParameterValue        Code = "InvalidParameterValue"
	CodeInvalidRequest               Code = "InvalidRequest"
	CodeInvalidPermissionDuplicate   Code = "InvalidPermission.Duplicate"
	CodeInvalidPermissionNotFound    Code = "InvalidPermission.NotFound"
	CodeInvalidSnapshotIDMalformed   Code = "InvalidSnapshotID.Malformed"
	CodeInvalidSnapshotInUse         Code = "InvalidSnapshot.InUse"
	CodeInvalidSnapshotNotFound      Code = "InvalidSnapshot.NotFound"
	CodeInvalidSubnetIDNotFound      Code = "InvalidSubnetID.NotFound"
	CodeInvalidTagKeyMalformed       Code = "InvalidTagKey.Malformed"
	CodeInvalidUserDataMalformed     Code = "InvalidUserData.Malformed"
	CodeInvalidUserIDMalformed       Code = "InvalidUserID.Malformed"
	CodeInvalidVolumeIDMalformed     Code = "InvalidVolumeID.Malformed"
	CodeInvalidVolumeNotFound        Code = "InvalidVolume.NotFound"
	CodeInvalidZoneNotFound          Code = "InvalidZone.NotFound"
	CodeMissingAction                Code = "MissingAction"
	CodeMissingParameter             Code = "MissingParameter"
	CodeNoSuchVersion                Code = "NoSuchVersion"
	CodeOperationNotPermitted        Code = "OperationNotPermitted"
	CodeRequestExpired               Code = "RequestExpired"
	CodeRequestLimitExceeded         Code = "RequestLimitExceeded"
	CodeResourceLimitExceeded        Code = "ResourceLimitExceeded"
	CodeResourceNotFoundException    Code = "ResourceNotFoundException"
	CodeServiceQuotaException        Code = "ServiceQuotaExceededException"
	CodeServiceUnavailable           Code = "ServiceUnavailable"
	CodeSnapshotLocked               Code = "SnapshotLocked"
	CodeSnapshotCreationRate         Code = "SnapshotCreationPerVolumeRateExceeded"
	CodeTagLimitExceeded             Code = "TagLimitExceeded"
	CodeUnauthorizedOperation        Code = "UnauthorizedOperation"
	CodeUnknownParameter             Code = "UnknownParameter"
	CodeUnknownVolumeType            Code = "UnknownVolumeType"
	CodeUnsupported                  Code = "Unsupported"
	CodeUnsupportedOperation         Code = "UnsupportedOperation"
	CodeValidationException          Code = "ValidationException"
	CodeVPCIDNotSpecified            Code = "VPCIdNotSpecified"
	CodeVolumeInUse                  Code = "VolumeInUse"
)

// statuses lists the codes whose HTTP status is not 400.
var statuses = map[Code]int{
	CodeUnauthorizedOperation:      403,
	CodeDryRunOperation:            412,
	CodeInternalError:              500,
	CodeRequestLimitExceeded:       503,
	CodeServiceUnavailable:         503,
	"Unavailable":                  503,
	"InternalFailure":              500,
	"SignatureDoesNotMatch":        403,
	"MissingAuthenticationToken":   403,
	"InvalidClientTokenId":         403,
	"AccessDenied":                 403,
	"AccessDeniedException":        403,
	"ExpiredToken":                 403,
	"NoSuchEntity":                 404,
	"EntityAlreadyExists":          409,
	"DeleteConflict":               409,
	"LimitExceeded":                409,
	"RegionDisabledException":      403,
	"OptInRequired":                401,
	"RequestEntityTooLarge":        413,
	"InvalidSignatureException":    403,
	"UnrecognizedClientException":  403,
	"IncompleteSignatureException": 403,
}

// Status is the HTTP status that goes with the code.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	if strings.HasPrefix(string(c), "Insufficient") && strings.HasSuffix(string(c), "Capacity") {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// Full returns what a client is told about err if that says that the disk of
// the service is full, and nil if it does not. The error is
// InsufficientVolumeCapacity, whose status is 500: as EC2 says of capacity that is
// missing on its side, and what clients try again later.
func Full(err error) *Error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	e := Errorf(CodeInsufficientVolumeCapacity,
		"There is no space left on the disk of the service. Make room on the file system of its data directory, then try again.")
	e.Err = err
	return e
}

// Reason refines a code in the services whose errors have one: the EBS direct
// APIs and the Recycle Bin.
type Reason string

// ReasonCredentials says of AuthFailure that nobody was authenticated. It is not
// sent.
const ReasonCredentials Reason = "CREDENTIALS"

// The reasons that rooms of this module give.
const (
	ReasonInvalidBlock          Reason = "INVALID_BLOCK"
	ReasonInvalidBlockToken     Reason = "INVALID_BLOCK_TOKEN"
	ReasonInvalidCustomerKey    Reason = "INVALID_CUSTOMER_KEY"
	ReasonInvalidDependency     Reason = "INVALID_DEPENDENCY_REQUEST"
	ReasonInvalidPageToken      Reason = "INVALID_PAGE_TOKEN"
	ReasonInvalidParameterValue Reason = "INVALID_PARAMETER_VALUE"
	ReasonInvalidRuleState      Reason = "INVALID_RULE_STATE"
	ReasonInvalidSnapshotID     Reason = "INVALID_SNAPSHOT_ID"
	ReasonInvalidTag            Reason = "INVALID_TAG"
	ReasonInvalidVolumeSize     Reason = "INVALID_VOLUME_SIZE"
	ReasonDependencyAccess      Reason = "DEPENDENCY_ACCESS_DENIED"
	ReasonDependencyNotFound    Reason = "DEPENDENCY_RESOURCE_NOT_FOUND"
	ReasonDependencyQuota       Reason = "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"
	ReasonQuota                 Reason = "SERVICE_QUOTA_EXCEEDED"
	ReasonRuleNotFound          Reason = "RULE_NOT_FOUND"
	ReasonSnapshotNotFound      Reason = "SNAPSHOT_NOT_FOUND"
	ReasonUnauthorizedAccount   Reason = "UNAUTHORIZED_ACCOUNT"
	ReasonUnrelatedSnapshots    Reason = "UNRELATED_SNAPSHOTS"
	ReasonWriteRequestTimeout   Reason = "WRITE_REQUEST_TIMEOUT"
)

// Error is an error that a caller may see: a code that programs compare, a
// reason in services that have one, and a message for people. Err, if any, is
// for the log only.
type Error struct {
	Code    Code
	Reason  Reason
	Message string
	Err     error
}

// Status is the HTTP status that goes with the error: that of its code, save
// that AuthFailure has two. Bad credentials are 401, and no right on the resource
// itself is 400.
func (e *Error) Status() int {
	if e.Code == CodeAuthFailure && e.Reason == ReasonCredentials {
		return http.StatusUnauthorized
	}
	return e.Code.Status()
}

// Because gives the error a reason, and returns it.
func (e *Error) Because(r Reason) *Error {
	e.Reason = r
	return e
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, &Error{Code: c}) asks for a code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == "" && t.Err == nil
}

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
