//go:build linux

package localserver_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"origami/internal/localserver"
	"origami/internal/sockettest"
)

// TestPeer accepts a connection of this process, and knows that it is one.
func TestPeer(t *testing.T) {
	t.Parallel()
	dir := sockettest.Dir(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String()) // waits in the backlog
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := localserver.Listener(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := fmt.Sprintf("@uid=%d,pid=%d", os.Getuid(), os.Getpid())
	if got := c.RemoteAddr(); got.String() != want || got.Network() != "unix" {
		t.Errorf("got %s %s, want unix %s", got.Network(), got, want)
	}
	if got := localserver.Peer(localserver.ConnContext(t.Context(), c)); got != want {
		t.Errorf("a request is of %s, want %s", got, want)
	}
	if got := localserver.Peer(t.Context()); got != "@" {
		t.Errorf("a request from elsewhere is of %s", got)
	}
}
