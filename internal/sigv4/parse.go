package sigv4

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of headers and, in the presigned form, of query parameters.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"

	headerContentHash = "X-Amz-Content-Sha256"
)

// PresignParams are the query parameters of the presigned form. They belong
// to the signature and not to the operation.
func PresignParams() []string {
	return []string{paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature, paramToken}
}

// Bounds of what a sender states.
const (
	maxAuthorization = 8 << 10 // bytes of an Authorization header
	maxSignedHeaders = 100
)

// claim is what a request says of its signature.
type claim struct {
	accessKeyID string
	scope       Scope
	terminator  string
	signed      []string // header names
	signature   []byte
	time        time.Time
	expires     time.Duration // of a presigned request, else 0
	token       string
}

// parseClaim finds the signature in a request. Its errors use the words of
// the service, as far as the request named one.
func parseClaim(r *http.Request) (*claim, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse("", reasonIncomplete, "The query string is malformed")
	}
	auth := r.Header["Authorization"]
	presigned := query.Has(paramAlgorithm) || query.Has(paramSignature) || query.Has(paramCredential)
	switch {
	case len(auth) == 0 && !presigned && query.Has("AWSAccessKeyId"):
		return nil, errVersion()
	case len(auth) == 0 && !presigned:
		return nil, refuse("", reasonMissing, "Request is missing Authentication Token")
	case len(auth) > 1 || len(auth) == 1 && presigned:
		return nil, refuse("", reasonIncomplete, "The request must be signed exactly once")
	case presigned:
		return parsePresigned(query)
	}
	return parseHeader(r, auth[0])
}

// errVersion refuses other algorithms than the one we know.
func errVersion() error {
	return &Error{"InvalidRequest", "The authorization mechanism of the request is not supported. Use " + algorithm + "."}
}

// parseHeader reads the header form.
func parseHeader(r *http.Request, auth string) (*claim, error) {
	if len(auth) > maxAuthorization {
		return nil, refuse("", reasonIncomplete, "The Authorization header exceeds %d bytes", maxAuthorization)
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(auth), " ")
	if name != algorithm {
		return nil, errVersion()
	}
	fields := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, dup := fields[k]; !ok || dup {
			return nil, refuse("", reasonIncomplete, "%q is not a valid key=value pair in the Authorization header", k)
		}
		fields[k] = v
	}
	for _, k := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[k] == "" {
			return nil, refuse("", reasonIncomplete, "Authorization header requires '%s' parameter.", k)
		}
	}
	if len(fields) > 3 {
		return nil, refuse("", reasonIncomplete, "The Authorization header has unknown parameters.")
	}
	c, err := newClaim(fields["Credential"], fields["SignedHeaders"], fields["Signature"])
	if err != nil {
		return nil, err
	}
	if c.time, err = c.headerTime(r.Header); err != nil {
		return nil, err
	}
	tokens := r.Header[paramToken]
	if len(tokens) > 1 {
		return nil, c.incomplete("The request has more than one session token")
	}
	c.token = strings.Join(tokens, "")
	return c, nil
}

// headerTime is when a request says it was signed: X-Amz-Date, or else Date.
func (c *claim) headerTime(h http.Header) (time.Time, error) {
	values := h[paramDate]
	if len(values) == 0 {
		values = h["Date"]
	}
	if len(values) != 1 {
		return time.Time{}, c.incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if t, err := time.Parse(timeFormat, values[0]); err == nil {
		return t, nil
	}
	if len(h[paramDate]) == 0 {
		if t, err := http.ParseTime(values[0]); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, c.incomplete("Date must be in ISO-8601 'basic format'. Got '%.64s'.", values[0])
}

// parsePresigned reads the presigned form.
func parsePresigned(query url.Values) (*claim, error) {
	for _, name := range PresignParams() {
		if n := len(query[name]); n > 1 || n == 0 && name != paramToken {
			return nil, refuse("", reasonIncomplete, "AWS query-string parameters must include '%s' exactly once.", name)
		}
	}
	if query.Get(paramAlgorithm) != algorithm {
		return nil, errVersion()
	}
	c, err := newClaim(query.Get(paramCredential), query.Get(paramSignedHeaders), query.Get(paramSignature))
	if err != nil {
		return nil, err
	}
	c.token = query.Get(paramToken)
	if c.time, err = time.Parse(timeFormat, query.Get(paramDate)); err != nil {
		return nil, c.incomplete("Date must be in ISO-8601 'basic format'. Got '%.64s'.", query.Get(paramDate))
	}
	seconds, err := strconv.ParseUint(query.Get(paramExpires), 10, 32)
	if err != nil || seconds < 1 || seconds > maxExpires {
		return nil, c.incomplete("X-Amz-Expires must be a number of seconds from 1 to %d", maxExpires)
	}
	c.expires = time.Duration(seconds) * time.Second
	return c, nil
}

// newClaim parses the three parts that both forms have.
func newClaim(credential, signedHeaders, sig string) (*claim, error) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return nil, refuse("", reasonIncomplete, "Credential must have exactly 5 slash-delimited elements, "+
			"e.g. keyid/date/region/service/term, got '%.128s'", credential)
	}
	c := &claim{accessKeyID: parts[0], scope: Scope{parts[1], parts[2], parts[3]}, terminator: parts[4]}
	for _, p := range parts[:4] {
		if !plain(p) {
			return nil, refuse("", reasonIncomplete, "Credential has an invalid element: %.128q", p)
		}
	}
	var err error
	if c.signed, err = parseSignedHeaders(signedHeaders); err != nil {
		return nil, c.incomplete("%v", err)
	}
	c.signature, err = hex.DecodeString(sig)
	if err != nil || len(c.signature) != 32 || strings.ToLower(sig) != sig {
		return nil, c.incomplete("Signature must be 64 lower-case hexadecimal digits")
	}
	return c, nil
}

// plain reports whether s can be a key ID, date, region or service.
func plain(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// parseSignedHeaders reads the list of header names, which must be in its
// only canonical form and include the host.
func parseSignedHeaders(s string) ([]string, error) {
	if strings.Count(s, ";") >= maxSignedHeaders {
		return nil, fmt.Errorf("SignedHeaders lists more than %d headers", maxSignedHeaders)
	}
	names := strings.Split(s, ";")
	for i, name := range names {
		if name == "" || strings.ToLower(name) != name || i > 0 && names[i-1] >= name {
			return nil, fmt.Errorf("SignedHeaders must list lower-case names in order, each once")
		}
	}
	if !slices.Contains(names, "host") {
		return nil, fmt.Errorf("'Host' must be a 'SignedHeader' in the AWS Authorization")
	}
	return names, nil
}

func (c *claim) incomplete(format string, args ...any) error {
	return refuse(c.scope.Service, reasonIncomplete, format, args...)
}
