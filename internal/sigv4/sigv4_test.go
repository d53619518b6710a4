package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"origami/internal/sigv4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	token  = "session/token+with=odd&characters"
)

// sum is what Verify asks for the SHA-256 of a body.
func sum(body []byte) func() [sha256.Size]byte {
	return func() [sha256.Size]byte { return sha256.Sum256(body) }
}

var now = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func verifier(at time.Time) *sigv4.Verifier {
	return &sigv4.Verifier{
		Secret: func(_ context.Context, id, tok string) (string, error) {
			switch {
			case id == "AKIDBROKEN":
				return "", errBroken
			case id != keyID:
				return "", sigv4.ErrUnknownKey
			case tok == "old":
				return "", sigv4.ErrExpiredToken
			case tok != "" && tok != token:
				return "", sigv4.ErrInvalidToken
			}
			return secret, nil
		},
		Region:  func(_, s string) bool { return s == "us-east-1" || s == "eu-west-1" },
		Service: func(s string) bool { return s != "elsewhere" },
		Clock:   func() time.Time { return at },
	}
}

var errBroken = errors.New("database on fire")

// received turns a client's request into what a server sees of it.
func received(t testing.TB, r *http.Request) (*http.Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, body
}

func newRequest(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestPublishedExample verifies the worked example of AWS's documentation.
func TestPublishedExample(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "+
		"SignedHeaders=content-type;host;x-amz-date, "+
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
	srv, body := received(t, r)
	id, err := verifier(now).Verify(srv, sum(body))
	if err != nil {
		t.Fatal(err)
	}
	want := sigv4.Identity{
		AccessKeyID: keyID, Time: now,
		Scope: sigv4.Scope{Date: "20150830", Region: "us-east-1", Service: "iam"},
	}
	if id != want {
		t.Errorf("got %+v, want %+v", id, want)
	}
}

// cases are requests that the SDK's signer and ours must agree about.
var cases = []struct{ name, method, target, body string }{
	{"form", "POST", "http://ec2.test/", "Action=DescribeImages&Version=2016-11-15"},
	{"port", "POST", "http://127.0.0.1:8773/", "Action=X"},
	{"empty", "GET", "http://ec2.test/", ""},
	{"no path", "GET", "http://ec2.test", ""},
	{"query", "GET", "http://ec2.test/?b=2&a=1&a=0&B=3&empty=&bare", ""},
	{"query escapes", "GET", "http://ec2.test/?a+b=%2F%20%c3%a9~%7E&x=%2B*'()!", ""},
	{"query sorts by encoding", "GET", "http://ec2.test/?a%21=1&a=2&aa=3&a-=4", ""},
	{"path", "PUT", "http://ec2.test/snapshots/snap-1/blocks/7", "data"},
	{"path escapes", "GET", "http://ec2.test/a%20b/%C3%A9/arn%3Aaws%3Aec2%2Fx", ""},
	{"path with slash at the end", "GET", "http://ec2.test/a/", ""},
}

func TestSDKSigner(t *testing.T) {
	t.Parallel()
	signer := v4.NewSigner()
	for _, service := range []string{"ec2", "sts", "kms", "s3"} {
		for _, tok := range []string{"", token} {
			for _, c := range cases {
				t.Run(service+"/"+c.name+"/"+tok, func(t *testing.T) {
					t.Parallel()
					cred := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: tok}
					r := newRequest(t, c.method, c.target, c.body)
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded;  charset=utf-8 ")
					r.Header.Set("X-Amz-Target", "A.B")
					r.Header.Add("X-Amz-Meta-List", " one  two ")
					r.Header.Add("X-Amz-Meta-List", "three")
					r.Header.Set("User-Agent", "not signed")
					option := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }
					if err := signer.SignHTTP(t.Context(), cred, r, sha(c.body), service, "eu-west-1", now, option); err != nil {
						t.Fatal(err)
					}
					srv, body := received(t, r)
					id, err := verifier(now).Verify(srv, sum(body))
					if err != nil {
						t.Fatal(err)
					}
					if id.AccessKeyID != keyID || id.Token != tok || id.Scope.String() != "20150830/eu-west-1/"+service+"/aws4_request" || id.Presigned {
						t.Errorf("got %+v", id)
					}
				})
			}
		}
	}
}

func TestSDKPresigner(t *testing.T) {
	t.Parallel()
	signer := v4.NewSigner()
	for _, service := range []string{"ec2", "sts", "s3"} {
		for _, c := range cases {
			if c.body != "" {
				continue
			}
			t.Run(service+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r := newRequest(t, c.method, c.target, "")
				r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&X-Amz-Expires=60", "&")
				cred := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}
				hash := sha("")
				if service == "s3" {
					hash = "UNSIGNED-PAYLOAD"
				}
				option := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }
				target, headers, err := signer.PresignHTTP(t.Context(), cred, r, hash, service, "us-east-1", now, option)
				if err != nil {
					t.Fatal(err)
				}
				signed := newRequest(t, c.method, target, "")
				for k, v := range headers {
					signed.Header[k] = v
				}
				signed.Header.Del("Host")
				srv, body := received(t, signed)
				id, err := verifier(now.Add(time.Minute)).Verify(srv, sum(body))
				if err != nil {
					t.Fatal(err)
				}
				if !id.Presigned || id.Token != token {
					t.Errorf("got %+v", id)
				}
				_, err = verifier(now.Add(time.Minute+time.Second)).Verify(srv, sum(body))
				if err == nil {
					t.Error("an expired request was accepted")
				}
			})
		}
	}
}

// TestSignAgrees compares our client side with the SDK's, byte for byte.
func TestSignAgrees(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ours := newRequest(t, c.method, c.target, c.body)
			theirs := newRequest(t, c.method, c.target, c.body)
			theirs.ContentLength = 0 // the SDK would sign it
			cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret, Token: token}
			if err := sigv4.Sign(ours, []byte(c.body), cred, "us-east-1", "ec2", now); err != nil {
				t.Fatal(err)
			}
			sdk := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}
			if err := v4.NewSigner().SignHTTP(t.Context(), sdk, theirs, sha(c.body), "ec2", "us-east-1", now); err != nil {
				t.Fatal(err)
			}
			if got, want := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestPresign(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"ec2", "s3"} {
		r := newRequest(t, "GET", "http://ec2.test/a%20b?x=1", "")
		cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret, Token: token}
		if err := sigv4.Presign(r, cred, "us-east-1", service, now, time.Hour); err != nil {
			t.Fatal(err)
		}
		srv, body := received(t, r)
		if _, err := verifier(now.Add(time.Hour)).Verify(srv, sum(body)); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
}

// TestPathNormalised checks that segments which mean nothing are not signed,
// except for S3, where they are part of the key.
func TestPathNormalised(t *testing.T) {
	t.Parallel()
	for sent, signed := range map[string]string{
		"/./a//b/../c": "/a/c", "/a/.": "/a/", "/a/b/..": "/a/", "/../..": "/", "//": "/", "/a/./": "/a/",
	} {
		r := newRequest(t, "GET", "http://ec2.test"+signed, "")
		cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret}
		if err := sigv4.Sign(r, nil, cred, "us-east-1", "ec2", now); err != nil {
			t.Fatal(err)
		}
		r.URL.Path = sent
		if _, err := verifier(now).Verify(r, sum(nil)); err != nil {
			t.Errorf("%s signed as %s: %v", sent, signed, err)
		}
	}
}

// TestDateHeader signs with Date in place of X-Amz-Date.
func TestDateHeader(t *testing.T) {
	t.Parallel()
	for _, date := range []string{now.Format(http.TimeFormat), now.Format("20060102T150405Z")} {
		r := newRequest(t, "GET", "http://ec2.test/", "")
		cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret}
		if err := sigv4.Sign(r, nil, cred, "us-east-1", "ec2", now); err != nil {
			t.Fatal(err)
		}
		r.Header.Del("X-Amz-Date")
		r.Header.Set("Date", date)
		_, err := verifier(now).Verify(r, sum(nil))
		wantCode(t, err, "IncompleteSignature") // x-amz-date is signed but missing

		r.Header.Set("Authorization", dateOnlyAuthorization(date))
		if _, err := verifier(now).Verify(r, sum(nil)); err != nil {
			t.Errorf("Date: %s: %v", date, err)
		}
		r.Header.Set("Date", now.Add(time.Second).Format(http.TimeFormat))
		_, err = verifier(now).Verify(r, sum(nil))
		wantCode(t, err, "AuthFailure")
	}
}

// dateOnlyAuthorization signs GET / with the headers Date and Host, written
// out by hand because no signer omits X-Amz-Date.
func dateOnlyAuthorization(date string) string {
	const scope = "20150830/us-east-1/ec2/aws4_request"
	canonical := "GET\n/\n\ndate:" + date + "\nhost:ec2.test\n\ndate;host\n" + sha("")
	toSign := "AWS4-HMAC-SHA256\n20150830T123600Z\n" + scope + "\n" + sha(canonical)
	return "AWS4-HMAC-SHA256 Credential=" + keyID + "/" + scope + ", SignedHeaders=date;host, Signature=" + hmacChain(toSign)
}

// TestTamper flips, adds and removes every part of a signed request in turn.
func TestTamper(t *testing.T) {
	t.Parallel()
	const body = "Action=TerminateInstances&InstanceId.1=i-1"
	sign := func() *http.Request {
		r := newRequest(t, "POST", "http://ec2.test/p?q=1", body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret, Token: token}
		if err := sigv4.Sign(r, []byte(body), cred, "us-east-1", "ec2", now); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if _, err := verifier(now).Verify(sign(), sum([]byte(body))); err != nil {
		t.Fatal(err)
	}
	for name, tamper := range map[string]func(*http.Request){
		"method":        func(r *http.Request) { r.Method = "PUT" },
		"path":          func(r *http.Request) { r.URL.Path = "/P" },
		"query":         func(r *http.Request) { r.URL.RawQuery = "q=2" },
		"query added":   func(r *http.Request) { r.URL.RawQuery = "q=1&r=2" },
		"host":          func(r *http.Request) { r.Host = "ec2.other" },
		"content type":  func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"date":          func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") },
		"token":         func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "") },
		"token removed": func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") },
		"header added":  func(r *http.Request) { r.Header.Set("X-Amz-Target", "A.B") },
		"value added":   func(r *http.Request) { r.Header.Add("Content-Type", "x") },
		"body hash":     func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sha("")) },
	} {
		r := sign()
		tamper(r)
		if _, err := verifier(now).Verify(r, sum([]byte(body))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range body {
		changed := []byte(body)
		changed[i] ^= 1
		if _, err := verifier(now).Verify(sign(), sum(changed)); err == nil {
			t.Errorf("body changed at %d: accepted", i)
		}
	}
	auth := sign().Header.Get("Authorization")
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range auth {
		r := sign()
		changed := []byte(auth)
		changed[i] ^= byte(1 << rnd.IntN(7))
		if bytes.EqualFold(changed[i:i+1], []byte{auth[i]}) || auth[i] == ' ' || changed[i] == ' ' {
			continue
		}
		r.Header.Set("Authorization", string(changed))
		if _, err := verifier(now).Verify(r, sum([]byte(body))); err == nil {
			t.Errorf("%s: accepted", changed)
		}
	}
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	var e *sigv4.Error
	if !errors.As(err, &e) || e.Code != want || e.Message == "" {
		t.Errorf("got error %v, want code %s", err, want)
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	const good = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/SVC/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
		"0000000000000000000000000000000000000000000000000000000000000000"
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	tests := []struct {
		name, service string
		edit          func(*http.Request)
		want          string
	}{
		{"mismatch", "ec2", nil, "AuthFailure: AWS was not able to validate the provided access credentials"},
		{"mismatch", "sts", nil, "SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{"mismatch", "kms", nil, "InvalidSignatureException: The request signature"},
		{"unsigned", "ec2", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationToken: Request is missing Authentication Token"},
		{"signed twice", "ec2", func(r *http.Request) { r.Header.Add("Authorization", "x") }, "IncompleteSignature: The request must be signed exactly once"},
		{"both forms", "ec2", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=0" }, "IncompleteSignature: The request must be signed exactly once"},
		{"version 2 header", "ec2", func(r *http.Request) { r.Header.Set("Authorization", "AWS a:b") }, "InvalidRequest: The authorization mechanism"},
		{"version 2 query", "ec2", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "AWSAccessKeyId=a&Signature=b&SignatureVersion=2"
		}, "InvalidRequest: The authorization mechanism"},
		{"version 4A", "ec2", edit("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "InvalidRequest: The authorization mechanism"},
		{"no credential", "ec2", edit("Credential=", "Cred="), "IncompleteSignature: Authorization header requires 'Credential' parameter."},
		{"no signed headers", "ec2", edit("SignedHeaders=", "Headers="), "IncompleteSignature: Authorization header requires 'SignedHeaders' parameter."},
		{"no signature", "ec2", edit("Signature=", "Sig="), "IncompleteSignature: Authorization header requires 'Signature' parameter."},
		{"parameter twice", "ec2", edit("Credential=", "Signature=x, Credential="), "IncompleteSignature: \"Signature\" is not a valid key=value pair"},
		{"unknown parameter", "ec2", edit("Credential=", "More=x, Credential="), "IncompleteSignature: The Authorization header has unknown parameters."},
		{"junk", "ec2", edit("Credential=", "junk, Credential="), "IncompleteSignature: \"junk\" is not a valid key=value pair"},
		{"credential of 4 parts", "ec2", edit("/us-east-1", ""), "IncompleteSignature: Credential must have exactly 5"},
		{"credential with odd part", "ec2", edit("us-east-1", "us east"), "IncompleteSignature: Credential has an invalid element"},
		{"short signature", "ec2", edit("Signature=00", "Signature="), "IncompleteSignature: Signature must be 64"},
		{"upper-case signature", "ec2", edit("Signature=00", "Signature=AA"), "IncompleteSignature: Signature must be 64"},
		{"host not signed", "ec2", edit("host;", ""), "IncompleteSignature: 'Host' must be"},
		{"signed headers out of order", "ec2", edit("host;x-amz-date", "x-amz-date;host"), "IncompleteSignature: SignedHeaders must list"},
		{"signed header twice", "ec2", edit("host;", "host;host;"), "IncompleteSignature: SignedHeaders must list"},
		{"signed header in upper case", "ec2", edit("host;", "Host;"), "IncompleteSignature: SignedHeaders must list"},
		{"signed header missing", "ec2", edit("host;", "absent;host;"), "IncompleteSignature: the signed header absent is missing"},
		{"too many signed headers", "ec2", edit("host;", strings.Repeat("host;", 200)), "IncompleteSignature: SignedHeaders lists more than 100"},
		{"long header", "ec2", edit("host;", strings.Repeat("host;", 2000)), "IncompleteSignature: The Authorization header exceeds"},
		{"no date", "ec2", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignature: Authorization header requires existence of either"},
		{"two dates", "ec2", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20150830T123600Z") }, "IncompleteSignature: Authorization header requires existence of either"},
		{"bad date", "ec2", func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, "IncompleteSignature: Date must be in ISO-8601 'basic format'. Got 'today'."},
		{"two tokens", "ec2", func(r *http.Request) { r.Header["X-Amz-Security-Token"] = []string{"a", "b"} }, "IncompleteSignature: The request has more than one session token"},
		{"terminator", "ec2", edit("aws4_request", "aws5_request"), "SignatureDoesNotMatch: Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"service", "elsewhere", nil, "SignatureDoesNotMatch: Credential should be scoped to correct service: 'elsewhere' is not served here."},
		{"region", "ec2", edit("us-east-1", "mars-1"), "SignatureDoesNotMatch: Credential should be scoped to a valid Region, not 'mars-1'."},
		{"scope date", "ec2", edit("20150830", "20150831"), "SignatureDoesNotMatch: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != '20150830', from '20150830T123600Z'."},
		{"unsigned header", "ec2", func(r *http.Request) { r.Header.Set("X-Amz-Target", "a") }, "AuthFailure: There were headers present in the request which were not signed: x-amz-target"},
		{"unknown key", "ec2", edit("AKIDEXAMPLE", "AKIDOTHER"), "AuthFailure: AWS was not able to validate the provided access credentials"},
		{"unknown key", "sts", edit("AKIDEXAMPLE", "AKIDOTHER"), "InvalidClientTokenId: The security token included in the request is invalid."},
		{"unknown key", "kms", edit("AKIDEXAMPLE", "AKIDOTHER"), "UnrecognizedClientException: The security token"},
		{"unknown key", "s3", edit("AKIDEXAMPLE", "AKIDOTHER"), "InvalidAccessKeyId: The security token"},
		{"wrong token", "sts", signedToken("wrong"), "InvalidClientTokenId: The security token included in the request is invalid."},
		{"wrong token", "ec2", signedToken("wrong"), "AuthFailure: AWS was not able"},
		{"expired token", "sts", signedToken("old"), "ExpiredToken: The security token included in the request is expired"},
		{"expired token", "ec2", signedToken("old"), "RequestExpired: The security token included in the request is expired"},
		{"stated hash", "ec2", signedHash(sha("other")), "AuthFailure: The provided 'x-amz-content-sha256' header does not match"},
		{"stated hash", "s3", signedHash(sha("other")), "XAmzContentSHA256Mismatch: The provided"},
		{"unsigned payload", "ec2", signedHash("UNSIGNED-PAYLOAD"), "AuthFailure: The provided"},
		{"unsigned payload", "ebs", signedHash("UNSIGNED-PAYLOAD"), "InvalidSignatureException: The request signature"},
		{"streamed payload", "s3", signedHash("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), "XAmzContentSHA256Mismatch: The provided"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"/"+tt.service, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, "POST", "http://aws.test/", "")
			r.Header.Set("X-Amz-Date", "20150830T123600Z")
			r.Header.Set("Authorization", strings.Replace(good, "SVC", tt.service, 1))
			if tt.edit != nil {
				tt.edit(r)
			}
			_, err := verifier(now).Verify(r, sum(nil))
			var e *sigv4.Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), tt.want) {
				t.Errorf("got error  %v\nwant error %s", err, tt.want)
			}
		})
	}
}

func signedToken(tok string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("X-Amz-Security-Token", tok)
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;x-amz-date", "host;x-amz-date;x-amz-security-token", 1))
	}
}

func signedHash(hash string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("X-Amz-Content-Sha256", hash)
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;x-amz-date", "host;x-amz-content-sha256;x-amz-date", 1))
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	tests := []struct {
		service string
		off     time.Duration
		want    string
	}{
		{"ec2", 15 * time.Minute, ""},
		{"ec2", -15 * time.Minute, ""},
		{"ec2", 15*time.Minute + time.Second, "RequestExpired: Request has expired."},
		{"ec2", -15*time.Minute - time.Second, "RequestExpired: Request has expired."},
		{"s3", 16 * time.Minute, "RequestTimeTooSkewed: The difference"},
		{"sts", 5 * time.Minute, ""},
		{"sts", -5 * time.Minute, ""},
		{"sts", 5*time.Minute + time.Second, "SignatureDoesNotMatch: Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"},
		{"sts", -6 * time.Minute, "SignatureDoesNotMatch: Signature not yet current: 20150830T123600Z is still later than 20150830T123500Z (20150830T123000Z + 5 min.)"},
		{"kms", 6 * time.Minute, "InvalidSignatureException: Signature expired"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.service, tt.off), func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, "GET", "http://aws.test/", "")
			cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret}
			if err := sigv4.Sign(r, nil, cred, "us-east-1", tt.service, now); err != nil {
				t.Fatal(err)
			}
			_, err := verifier(now.Add(tt.off)).Verify(r, sum(nil))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPresignedRejections(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, param, value, want string
	}{
		{"no date", "X-Amz-Date", "", "IncompleteSignature"},
		{"no signature", "X-Amz-Signature", "", "IncompleteSignature"},
		{"algorithm", "X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256", "InvalidRequest"},
		{"expires 0", "X-Amz-Expires", "0", "IncompleteSignature"},
		{"expires too long", "X-Amz-Expires", "604801", "IncompleteSignature"},
		{"expires no number", "X-Amz-Expires", "1h", "IncompleteSignature"},
		{"expires later", "X-Amz-Expires", "61", "AuthFailure"},
		{"other key", "X-Amz-Credential", "AKIDOTHER/20150830/us-east-1/ec2/aws4_request", "AuthFailure"},
		{"other date", "X-Amz-Date", "20150830T123559Z", "AuthFailure"},
		{"other action", "Action", "B", "AuthFailure"},
		{"other token", "X-Amz-Security-Token", "x", "AuthFailure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, "GET", "http://ec2.test/?Action=A", "")
			cred := sigv4.Credentials{AccessKeyID: keyID, Secret: secret, Token: token}
			if err := sigv4.Presign(r, cred, "us-east-1", "ec2", now, time.Minute); err != nil {
				t.Fatal(err)
			}
			if _, err := verifier(now).Verify(r, sum(nil)); err != nil {
				t.Fatal(err)
			}
			_, err := verifier(now).Verify(r, sum([]byte("a body that nobody signed")))
			wantCode(t, err, "AuthFailure")
			_, err = verifier(now.Add(61*time.Second)).Verify(r, sum(nil))
			wantCode(t, err, "RequestExpired")

			q := r.URL.Query()
			q.Set(tt.param, tt.value)
			if tt.value == "" {
				q.Del(tt.param)
			}
			r.URL.RawQuery = q.Encode()
			_, err = verifier(now).Verify(r, sum(nil))
			wantCode(t, err, tt.want)
			q.Add(tt.param, "again")
			q.Add(tt.param, "again")
			r.URL.RawQuery = q.Encode()
			if _, err = verifier(now).Verify(r, sum(nil)); err == nil {
				t.Errorf("%s twice was accepted", tt.param)
			}
		})
	}
}

// TestSecretTrouble checks that trouble of the verifier is not blamed on the
// sender.
func TestSecretTrouble(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "GET", "http://ec2.test/", "")
	if err := sigv4.Sign(r, nil, sigv4.Credentials{AccessKeyID: "AKIDBROKEN", Secret: "x"}, "us-east-1", "ec2", now); err != nil {
		t.Fatal(err)
	}
	_, err := verifier(now).Verify(r, sum(nil))
	var e *sigv4.Error
	if !errors.Is(err, errBroken) || errors.As(err, &e) {
		t.Errorf("got error %v, want %v and no *Error", err, errBroken)
	}
}

// TestServer verifies a request that went through a real server.
func TestServer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = verifier(now).Verify(r, sum(body))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	}))
	defer srv.Close()
	form := url.Values{"Action": {"A"}, "Name": {"é & ü"}}.Encode()
	r := newRequest(t, "POST", srv.URL+"/?x=%2F", form)
	cred := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), cred, r, sha(form), "ec2", "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Errorf("got %s: %s", res.Status, text)
	}
}
