package sdktest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"origami/internal/sdktest"
)

// closing is a body that fails when it is read after its end, or closed twice.
type closing struct {
	io.Reader
	t    *testing.T
	done bool
}

func (c *closing) Read(p []byte) (int, error) {
	if c.done {
		c.t.Error("the body was read after its end")
	}
	n, err := c.Reader.Read(p)
	c.done = err != nil
	return n, err
}

func (c *closing) Close() error { return nil }

func TestClient(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 4 || len(r.TransferEncoding) > 0 {
			t.Errorf("length %d, encoding %q", r.ContentLength, r.TransferEncoding)
		}
		_, _ = io.Copy(w, r.Body)
	}))
	defer s.Close()
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Body, req.ContentLength = &closing{Reader: strings.NewReader("body"), t: t}, 4
		resp, err := sdktest.Client{HTTP: s.Client()}.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != "body" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
