// Package nbd serves disks over the NBD protocol, so that a virtual machine or
// any NBD client can use a [Device] written in Go as its disk.
//
// A [Server] holds exports by name and speaks the fixed newstyle handshake:
//
//	var srv nbd.Server
//	stop, err := srv.Export("vol-1", dev, nbd.ExportOptions{})
//	go srv.Serve(ctx, listener)
//	…
//	stop() // no call of dev is running or will be made any more
//
// Supported are the options EXPORT_NAME, GO, INFO, LIST, ABORT,
// STRUCTURED_REPLY, SET_META_CONTEXT and LIST_META_CONTEXT (base:allocation,
// for devices that are an [Extenter]), and the commands READ, WRITE, FLUSH,
// TRIM, WRITE_ZEROES, BLOCK_STATUS and DISC with the flags FUA, NO_HOLE, DF,
// REQ_ONE and FAST_ZERO. TLS is not: listen on a UNIX socket, whose directory
// says who may connect.
//
// Clients are not trusted. The time and the number of options that a handshake
// may take, the length of a request (32 MiB of payload), and the requests and
// bytes in flight on one connection are bounded.
package nbd

import (
	"context"
	"errors"
	"io"
)

// Device is a disk that can be served. Its methods are called concurrently,
// with ranges that lie inside Size.
//
// An error that wraps syscall.ENOSPC, EPERM, EROFS, EINVAL, ENOMEM or ENOTSUP
// reaches the client as such, any other as EIO.
type Device interface {
	io.ReaderAt
	io.WriterAt

	// Size is the length in bytes. It is read once for each connection.
	Size() int64

	// Flush makes every write that returned before the call durable,
	// whichever connection it came from.
	Flush() error
}

// Trimmer is a Device that can give back the space of a range. What the range
// reads afterwards is up to the device; [Zeroer] is for exact zeros.
type Trimmer interface {
	Trim(off, n int64) error
}

// Zeroer is a Device that can make a range read as zeros faster than by
// writing them, giving back space where it can. Without it the server writes
// zeros.
type Zeroer interface {
	WriteZeroes(off, n int64) error
}

// Extenter is a Device that knows which ranges hold data.
type Extenter interface {
	// Allocation calls each with consecutive runs that begin at off and cover
	// at least the n bytes that follow, until each returns false. A run marked
	// zero reads as zeros and holds no data.
	Allocation(ctx context.Context, off, n int64, each func(length int64, zero bool) bool) error
}

// ExportOptions says how a device is presented. The zero value is a writable
// export without description.
type ExportOptions struct {
	// ReadOnly refuses every command that writes, with EPERM.
	ReadOnly bool
	// Description is shown to clients that ask, at most 4096 bytes.
	Description string
}

// Limits that clients meet.
const (
	// MaxRequest is the largest payload of one READ or WRITE.
	MaxRequest = 32 << 20
	// MaxInFlight is the number of requests of one connection that run at the
	// same time. Further ones wait in the socket.
	MaxInFlight = 64
	// MaxBuffered bounds the payload bytes that one connection holds in memory.
	MaxBuffered = 2 * MaxRequest
	// MaxName is the longest export name or description.
	MaxName = 4096

	maxOptions    = 128
	maxOptionData = 64 << 10
)

var (
	// ErrExists is returned by Export for a name in use.
	ErrExists = errors.New("nbd: export exists")
	// ErrClosed is returned after Server.Close.
	ErrClosed = errors.New("nbd: server closed")
	// ErrProtocol is wrapped by errors about clients that break the protocol
	// in a way that only disconnecting answers.
	ErrProtocol = errors.New("nbd: protocol violation")
)
