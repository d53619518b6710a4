package nbd

import (
	"errors"
	"syscall"
)

// errno is an error number of the protocol. They are Linux numbers, whatever
// system the server runs on.
type errno uint32

const (
	ePERM     errno = 1
	eIO       errno = 5
	eNOMEM    errno = 12
	eINVAL    errno = 22
	eNOSPC    errno = 28
	eOVERFLOW errno = 75
	eNOTSUP   errno = 95
)

var errnoOf = []struct {
	is  syscall.Errno
	nbd errno
}{
	{syscall.EPERM, ePERM},
	{syscall.EACCES, ePERM},
	{syscall.EROFS, ePERM},
	{syscall.ENOSPC, eNOSPC},
	{syscall.EDQUOT, eNOSPC},
	{syscall.EFBIG, eNOSPC},
	{syscall.ENOMEM, eNOMEM},
	{syscall.EINVAL, eINVAL},
	{syscall.ENOTSUP, eNOTSUP},
	{syscall.EOPNOTSUPP, eNOTSUP},
}

// toErrno is the number that tells a client about err; 0 for nil.
func toErrno(err error) errno {
	if err == nil {
		return 0
	}
	for _, e := range errnoOf {
		if errors.Is(err, e.is) {
			return e.nbd
		}
	}
	return eIO
}
