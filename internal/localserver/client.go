package localserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"origami/internal/sigv4"
	"origami/internal/vmie"
)

// Client talks to a running service through its socket.
type Client struct {
	Socket      string // path
	Credentials sigv4.Credentials
	Region      string
}

// Import makes an image of f. progress, if not nil, is called from this
// goroutine. The error is an *[Error] if the service gave it.
func (c *Client) Import(ctx context.Context, f *os.File, in ImportRequest, progress func(vmie.Progress)) (*Image, error) {
	resp, err := c.do(ctx, ImportPath, in, f)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readAnswer(resp.Body, progress)
}

// Usage asks what the caller's volumes have read and what the store holds.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	resp, err := c.do(ctx, UsagePath, struct{}{}, nil)
	if err != nil {
		return u, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := readAnswer(resp.Body, nil)
		return u, err
	}
	return u, json.NewDecoder(resp.Body).Decode(&u)
}

// do sends one signed request, over a connection of its own that passes f, if
// that is not nil, with its first byte.
func (c *Client) do(ctx context.Context, path string, in any, f *os.File) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://origami"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if err := sigv4.Sign(req, body, c.Credentials, c.Region, Service, time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return c.send(req, f)
}

// send sends one request, over a connection of its own.
func (c *Client) send(req *http.Request, f *os.File) (*http.Response, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		raw, err := d.DialContext(ctx, "unix", c.Socket)
		if err != nil || f == nil {
			return raw, err
		}
		return &passing{UnixConn: raw.(*net.UnixConn), file: f}, nil
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("talk to the service at %s: %w", c.Socket, err)
	}
	return resp, nil
}

// readAnswer follows the messages of an answer to its end.
func readAnswer(r io.Reader, progress func(vmie.Progress)) (*Image, error) {
	d := json.NewDecoder(r)
	for {
		var m Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errors.New("the service ended before the import did; start it again and repeat the import")
		case err != nil:
			return nil, fmt.Errorf("read answer: %w", err)
		case m.Error != nil:
			return nil, m.Error
		case m.Image != nil:
			return m.Image, nil
		case m.Progress != nil && progress != nil:
			progress(*m.Progress)
		}
	}
}

// passing is a connection that passes a descriptor with its first byte.
type passing struct {
	*net.UnixConn
	file *os.File
	sent atomic.Bool
}

func (c *passing) Write(p []byte) (int, error) {
	if len(p) == 0 || c.sent.Swap(true) {
		return c.UnixConn.Write(p)
	}
	raw, err := c.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		n, _, sendErr = c.WriteMsgUnix(p, syscall.UnixRights(int(fd)), nil)
	})
	if err == nil {
		err = sendErr
	}
	if err == nil && n < len(p) {
		more, err := c.UnixConn.Write(p[n:])
		return n + more, err
	}
	return n, err
}
