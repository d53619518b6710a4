package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"testing"

	"origami/internal/sigv4"
)

// hmacChain signs a string for 20150830/us-east-1/ec2, independently of the
// package under test.
func hmacChain(toSign string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{"20150830", "us-east-1", "ec2", "aws4_request", toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// FuzzVerify sends anything as header, query and date. Nobody who does not
// know the secret gets in, and every refusal has a code and a message.
func FuzzVerify(f *testing.F) {
	const sig = "0000000000000000000000000000000000000000000000000000000000000000"
	f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature="+sig, "", "20150830T123600Z", "")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host,Signature=x", "a=%zz", "x", "b")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE/20150830/us-east-1/ec2/aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="+sig, "", "")
	f.Add("AWS a:b", "", "", "")
	f.Add(",,,=,=", "&&==&", "20150830T123600Z", "body")
	f.Fuzz(func(t *testing.T, auth, query, date, body string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.URL.RawQuery = query
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		_, err := verifier(now).Verify(r, sum([]byte(body)))
		var e *sigv4.Error
		if !errors.As(err, &e) && !errors.Is(err, errBroken) {
			t.Fatalf("got error %v, want an *Error", err)
		}
		if e != nil && (e.Code == "" || e.Message == "") {
			t.Fatalf("got %#v, want a code and a message", e)
		}
	})
}
