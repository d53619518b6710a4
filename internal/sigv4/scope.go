package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	unsignedPayload = "UNSIGNED-PAYLOAD"

	// maxExpires is the longest life of a presigned request, in seconds.
	maxExpires = 7 * 24 * 60 * 60
)

// Scope is what a signature is good for.
type Scope struct {
	Date    string // "20240131", in UTC
	Region  string
	Service string // signing name: "ec2"
}

// String is the scope as it stands in a credential.
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// Credentials are an access key and its secret. Token is the session token of
// temporary credentials.
type Credentials struct {
	AccessKeyID string
	Secret      string
	Token       string
}

// signature computes the signature of a string to sign.
func signature(secret string, s Scope, stringToSign string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, terminator, stringToSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return key
}

// stringToSign puts a canonical request under a time and scope.
func stringToSign(t time.Time, s Scope, canonicalRequest string) string {
	return strings.Join([]string{algorithm, t.UTC().Format(timeFormat), s.String(), hashHex([]byte(canonicalRequest))}, "\n")
}
