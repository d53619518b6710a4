package endpoint_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"origami"
)

// TestBody sends bodies of many lengths, whole and in small pieces: the service
// gets them as they are, and their SHA-256, and one that is not what was signed,
// or not as long as was said, does not reach it.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 512 << 10, 512<<10 + 1, 1 << 20} {
		body := []byte("Action=Ping&x=" + strings.Repeat("a", n))[:max(n, len("Action=Ping"))]
		var came []byte
		d := newDoor(func(w http.ResponseWriter, r *http.Request, _ origami.Caller) error {
			m := r.Body.(interface {
				Bytes() []byte
				SHA256() [sha256.Size]byte
			})
			came = bytes.Clone(m.Bytes())
			if m.SHA256() != sha256.Sum256(came) {
				t.Errorf("%d bytes: another SHA-256", n)
			}
			return nil
		})
		send := func(r io.Reader, length int) (status int, answer string) {
			came = nil
			req := post(t, "ec2", string(body))
			req.Body, req.ContentLength = io.NopCloser(r), int64(length)
			w := httptest.NewRecorder()
			d.ServeHTTP(w, req)
			return w.Code, w.Body.String()
		}
		for _, r := range []io.Reader{bytes.NewReader(body), iotest.HalfReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
			if status, answer := send(r, len(body)); status != 200 || !bytes.Equal(came, body) {
				t.Errorf("%d bytes: got %d %s, and %d bytes came", n, status, answer, len(came))
			}
		}
		changed := bytes.Clone(body)
		changed[len(changed)-1] ^= 1
		if status, answer := send(bytes.NewReader(changed), len(body)); status != 401 || came != nil {
			t.Errorf("%d bytes, the last one changed: got %d %s", n, status, answer)
		}
		if n < 64<<10 || n > 512<<10 {
			continue // the server sees to the length of what is read until it ends
		}
		if status, answer := send(bytes.NewReader(body[:len(body)-1]), len(body)); status != 400 || !strings.Contains(answer, "IncompleteBody") || came != nil {
			t.Errorf("%d bytes, one less than said: got %d %s", n, status, answer)
		}
		if status, answer := send(bytes.NewReader(append(bytes.Clone(body), 'a')), len(body)); status != 400 || !strings.Contains(answer, "IncompleteBody") || came != nil {
			t.Errorf("%d bytes, one more than said: got %d %s", n, status, answer)
		}
	}
}
