package localserver

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the system which process connected, and as which user. The process
// may have ended since.
func peerOf(c *net.UnixConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return "@"
	}
	var peer *unix.Ucred
	if ctrl := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctrl != nil || err != nil {
		return "@"
	}
	return fmt.Sprintf("@uid=%d,pid=%d", peer.Uid, peer.Pid)
}
