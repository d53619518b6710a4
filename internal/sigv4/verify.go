package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Verifier checks signatures. All fields but Clock must be set.
type Verifier struct {
	// Secret returns the secret of an access key, and checks that the session
	// token, empty if the request has none, belongs to it. Its errors are
	// ErrUnknownKey, ErrInvalidToken, ErrExpiredToken, or any other for
	// trouble of its own.
	Secret func(ctx context.Context, accessKeyID, token string) (string, error)

	// Service and Region report whether requests may be scoped to a service,
	// and to a region for it.
	Service func(name string) bool
	Region  func(service, name string) bool

	// Clock is the time; nil means time.Now.
	Clock func() time.Time
}

// Identity is who signed a request, and for what.
type Identity struct {
	AccessKeyID string
	Token       string // session token, "" if there is none
	Scope       Scope
	Time        time.Time // of signing
	Presigned   bool
}

// Verify checks the signature of a request whose body was read whole; sum
// returns the SHA-256 of that, and is called if it is needed. The request must be
// as the HTTP server delivered it. A request that is not
// authentic gives an [*Error]; the Identity is then what the request claims,
// as far as it could be read, for logs and for choosing the error's form.
func (v *Verifier) Verify(r *http.Request, sum func() [sha256.Size]byte) (Identity, error) {
	c, err := parseClaim(r)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{c.accessKeyID, c.token, c.scope, c.time, c.expires > 0}
	if err := v.checkScope(c); err != nil {
		return id, err
	}
	if err := v.checkTime(c); err != nil {
		return id, err
	}
	if err := checkUnsigned(r, c); err != nil {
		return id, err
	}
	payload, err := payloadHash(r, c, sum)
	if err != nil {
		return id, err
	}
	request, err := canonicalRequest(r, c.scope.Service, c.signed, payload)
	if err != nil {
		return id, c.incomplete("%v", err)
	}
	secret, err := v.Secret(r.Context(), c.accessKeyID, c.token)
	if err != nil {
		return id, badKey(c.scope.Service, err)
	}
	want := signature(secret, c.scope, stringToSign(c.time, c.scope, request))
	if subtle.ConstantTimeCompare(want, c.signature) != 1 {
		return id, badSignature(c.scope.Service)
	}
	return id, nil
}

func (v *Verifier) checkScope(c *claim) error {
	s := c.scope
	date := c.time.Format(dateFormat)
	switch {
	case c.terminator != terminator:
		return refuse(s.Service, reasonScope, "Credential should be scoped with a valid terminator: '%s', not '%.64s'.", terminator, c.terminator)
	case !v.Service(s.Service):
		return refuse(s.Service, reasonScope, "Credential should be scoped to correct service: '%s' is not served here.", s.Service)
	case !v.Region(s.Service, s.Region):
		return refuse(s.Service, reasonScope, "Credential should be scoped to a valid Region, not '%s'.", s.Region)
	case s.Date != date:
		return refuse(s.Service, reasonScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "+
			"'%s' != '%s', from '%s'.", s.Date, date, c.time.Format(timeFormat))
	}
	return nil
}

// checkTime refuses a request that was signed too far from now, or that has
// outlived its presigned life.
func (v *Verifier) checkTime(c *claim) error {
	now := time.Now().UTC()
	if v.Clock != nil {
		now = v.Clock().UTC()
	}
	tol := tolerance(c.scope.Service)
	early := c.time.After(now.Add(tol))
	late := c.time.Before(now.Add(-tol))
	if c.expires > 0 {
		late = now.After(c.time.Add(c.expires))
	}
	if !early && !late {
		return nil
	}
	service := c.scope.Service
	switch {
	case service == "s3" && c.expires > 0:
		return &Error{"AccessDenied", "Request has expired"}
	case service == "s3":
		return refuse(service, reasonTime, "The difference between the request time and the current time is too large.")
	case service == "ec2":
		return refuse(service, reasonTime, "Request has expired.")
	case early:
		return refuse(service, reasonTime, "Signature not yet current: %s is still later than %s (%s + %d min.)",
			c.time.Format(timeFormat), now.Add(tol).Format(timeFormat), now.Format(timeFormat), tol/time.Minute)
	case c.expires > 0:
		return refuse(service, reasonTime, "Signature expired: %s is now earlier than %s",
			c.time.Add(c.expires).Format(timeFormat), now.Format(timeFormat))
	}
	return refuse(service, reasonTime, "Signature expired: %s is now earlier than %s (%s - %d min.)",
		c.time.Format(timeFormat), now.Add(-tol).Format(timeFormat), now.Format(timeFormat), tol/time.Minute)
}

// checkUnsigned refuses headers that change what a request means and that
// somebody may have added after it was signed.
func checkUnsigned(r *http.Request, c *claim) error {
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(c.signed, lower) {
			return refuse(c.scope.Service, reasonMismatch, "There were headers present in the request which were not signed: %s", lower)
		}
	}
	return nil
}

// payloadHash is the last line of the canonical request: the hash of the
// body, or the sender's word that the body is not signed, where that is
// allowed. A hash that the sender states must be that of the body.
func payloadHash(r *http.Request, c *claim, sum func() [sha256.Size]byte) (string, error) {
	service := c.scope.Service
	stated := r.Header[headerContentHash]
	if len(stated) == 0 {
		if service == "s3" && c.expires > 0 {
			return unsignedPayload, nil
		}
		return hexSum(sum), nil
	}
	if len(stated) > 1 {
		return "", c.incomplete("The request states more than one hash of its body")
	}
	if stated[0] == unsignedPayload && (service == "s3" || service == "ebs") {
		return unsignedPayload, nil
	}
	got := hexSum(sum)
	if stated[0] != got {
		return "", refuse(service, reasonPayload,
			"The provided 'x-amz-content-sha256' header does not match what was computed: '%.64s' is not '%s'.", stated[0], got)
	}
	return got, nil
}

func hexSum(sum func() [sha256.Size]byte) string {
	b := sum()
	return hex.EncodeToString(b[:])
}
