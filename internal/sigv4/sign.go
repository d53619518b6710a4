package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sign signs a client's request in the header form for a region and service
// at time t. It sets X-Amz-Date, X-Amz-Security-Token if the credentials have
// a token, X-Amz-Content-Sha256 for s3 and ebs, and Authorization. Signed are
// the host, Content-Type and every X-Amz header; the body is the caller's to
// send. The error is a malformed query string.
func Sign(r *http.Request, body []byte, cred Credentials, region, service string, t time.Time) error {
	t = t.UTC()
	payload := hashHex(body)
	r.Header.Set(paramDate, t.Format(timeFormat))
	if cred.Token != "" {
		r.Header.Set(paramToken, cred.Token)
	}
	if service == "s3" || service == "ebs" {
		r.Header.Set(headerContentHash, payload)
	}
	scope := Scope{t.Format(dateFormat), region, service}
	signed := headersToSign(r.Header)
	sig, err := sign(r, cred, scope, signed, payload, t)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", algorithm+" Credential="+cred.AccessKeyID+"/"+scope.String()+
		", SignedHeaders="+strings.Join(signed, ";")+", Signature="+sig)
	return nil
}

// Presign signs a client's request in the presigned form: the signature goes
// into the query of its URL and is good for the given life, 1 second to 7
// days. The body is empty, or unsigned for s3. The error is a malformed query
// string.
func Presign(r *http.Request, cred Credentials, region, service string, t time.Time, life time.Duration) error {
	t = t.UTC()
	scope := Scope{t.Format(dateFormat), region, service}
	signed := headersToSign(r.Header)
	add := url.Values{
		paramAlgorithm:     {algorithm},
		paramCredential:    {cred.AccessKeyID + "/" + scope.String()},
		paramDate:          {t.Format(timeFormat)},
		paramExpires:       {strconv.FormatInt(int64(life/time.Second), 10)},
		paramSignedHeaders: {strings.Join(signed, ";")},
	}
	if cred.Token != "" {
		add.Set(paramToken, cred.Token)
	}
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+add.Encode(), "&")
	payload := hashHex(nil)
	if service == "s3" {
		payload = unsignedPayload
	}
	sig, err := sign(r, cred, scope, signed, payload, t)
	if err != nil {
		return err
	}
	r.URL.RawQuery += "&" + paramSignature + "=" + sig
	return nil
}

func sign(r *http.Request, cred Credentials, scope Scope, signed []string, payload string, t time.Time) (string, error) {
	request, err := canonicalRequest(r, scope.Service, signed, payload)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(signature(cred.Secret, scope, stringToSign(t, scope, request))), nil
}

func headersToSign(h http.Header) []string {
	names := []string{"host"}
	for name := range h {
		if lower := strings.ToLower(name); lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}
