package sigv4

import (
	"errors"
	"fmt"
	"time"
)

// Errors that a Verifier's Secret function returns. Any other error of it is
// the verifier's own trouble and comes back wrapped.
var (
	// ErrUnknownKey says that there is no such access key, or that it may not
	// be used.
	ErrUnknownKey = errors.New("unknown access key")
	// ErrInvalidToken says that the session token does not belong to the key.
	ErrInvalidToken = errors.New("invalid session token")
	// ErrExpiredToken says that temporary credentials have expired.
	ErrExpiredToken = errors.New("expired session token")
)

// Error is a request that is not authentic. Code is what the service that the
// request was scoped to calls it; both fields are meant for the sender.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// reason is why a request is refused.
type reason int

const (
	reasonMissing    reason = iota // it has no signature
	reasonIncomplete               // its signature lacks parts or is malformed
	reasonKey                      // its access key is not known
	reasonToken                    // its session token does not belong to the key
	reasonOldToken                 // its session token has expired
	reasonScope                    // its credential is scoped elsewhere
	reasonTime                     // it was signed too early or too late
	reasonPayload                  // its body is not the one it states
	reasonMismatch                 // its signature is not the one we compute
	reasons
)

// codes are the words of one family of services, by reason.
type codes [reasons]string

var (
	queryCodes = codes{
		"MissingAuthenticationToken", "IncompleteSignature", "InvalidClientTokenId", "InvalidClientTokenId",
		"ExpiredToken", "SignatureDoesNotMatch", "SignatureDoesNotMatch", "SignatureDoesNotMatch", "SignatureDoesNotMatch",
	}
	ec2Codes = codes{
		"MissingAuthenticationToken", "IncompleteSignature", "AuthFailure", "AuthFailure",
		"RequestExpired", "SignatureDoesNotMatch", "RequestExpired", "AuthFailure", "AuthFailure",
	}
	jsonCodes = codes{
		"MissingAuthenticationTokenException", "IncompleteSignatureException", "UnrecognizedClientException", "UnrecognizedClientException",
		"ExpiredTokenException", "InvalidSignatureException", "InvalidSignatureException", "InvalidSignatureException", "InvalidSignatureException",
	}
	s3Codes = codes{
		"AccessDenied", "AuthorizationHeaderMalformed", "InvalidAccessKeyId", "InvalidToken",
		"ExpiredToken", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed", "XAmzContentSHA256Mismatch", "SignatureDoesNotMatch",
	}
)

// families lists the services that do not use the words of the query
// protocol.
var families = map[string]*codes{
	"dlm":          &jsonCodes,
	"ebs":          &jsonCodes,
	"ec2":          &ec2Codes,
	"imagebuilder": &jsonCodes,
	"kms":          &jsonCodes,
	"rbin":         &jsonCodes,
	"s3":           &s3Codes,
	"ssm":          &jsonCodes,
}

func refuse(service string, why reason, format string, args ...any) error {
	family := families[service]
	if family == nil {
		family = &queryCodes
	}
	return &Error{family[why], fmt.Sprintf(format, args...)}
}

// messages for reasons that do not say more, so that a guesser of keys learns
// nothing from them.
const (
	messageInvalidKey = "The security token included in the request is invalid."
	messageMismatch   = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	messageEC2 = "AWS was not able to validate the provided access credentials"
)

// badSignature refuses a signature that is not the one we compute.
func badSignature(service string) error {
	if service == "ec2" {
		return refuse(service, reasonMismatch, messageEC2)
	}
	return refuse(service, reasonMismatch, messageMismatch)
}

// badKey translates an error of a Secret function.
func badKey(service string, err error) error {
	why := reasonKey
	switch {
	case errors.Is(err, ErrUnknownKey):
	case errors.Is(err, ErrInvalidToken):
		why = reasonToken
	case errors.Is(err, ErrExpiredToken):
		return refuse(service, reasonOldToken, "The security token included in the request is expired")
	default:
		return fmt.Errorf("look up access key: %w", err)
	}
	if service == "ec2" {
		return refuse(service, why, messageEC2)
	}
	return refuse(service, why, messageInvalidKey)
}

// tolerance is how far the sender's clock may be off.
func tolerance(service string) time.Duration {
	if service == "ec2" || service == "s3" {
		return 15 * time.Minute
	}
	return 5 * time.Minute
}
