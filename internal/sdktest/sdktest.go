// Package sdktest has the HTTP client that tests give to the AWS SDK for Go.
//
// The SDK closes the body of a request as soon as it has the answer, and its
// closed body answers io.EOF to the last look that net/http takes for excess
// bytes; net/http then closes the connection under the answer. A service on the
// same machine is quick enough to lose one answer in a hundred that way. The
// SDK's default retries hide it; tests, which do not retry, cannot.
package sdktest

import (
	"bytes"
	"io"
	"net/http"
)

// Client does requests whose bodies are in memory before they are sent. It may
// be used by many goroutines, and implements the HTTPClient of the SDK.
type Client struct {
	// HTTP does the requests; nil stands for http.DefaultClient.
	HTTP *http.Client
}

// Do implements the SDK's HTTPClient.
func (c Client) Do(req *http.Request) (*http.Response, error) {
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	if req.Body == nil || req.Body == http.NoBody {
		return h.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	own := *req // the SDK closes the body that it knows
	// Once more, on a connection that the service has not just closed for being idle.
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	own.Body, _ = own.GetBody()
	return h.Do(&own)
}
