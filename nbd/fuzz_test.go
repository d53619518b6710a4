package nbd_test

import (
	"io"
	"net"
	"testing"

	"origami/nbd"
)

// FuzzServe feeds arbitrary bytes to a server, behind a valid start so that
// the later states are reached as well. It must neither panic nor hang, nor
// touch the device outside its size.
func FuzzServe(f *testing.F) {
	goOpt := encode(optMagic, uint32(optGo), uint32(6), uint32(0), uint16(0))
	f.Add([]byte{})
	f.Add(encode(optMagic, uint32(optList), uint32(0)))
	f.Add(encode(optMagic, uint32(optSetMeta), uint32(8), uint32(0), uint32(0)))
	f.Add(encode(optMagic, uint32(optStructured), uint32(0), optMagic, uint32(optSetMeta), uint32(27),
		uint32(0), uint32(1), uint32(15), "base:allocation", goOpt, request(0, cmdStatus, 1, 0, 4096)))
	f.Add(encode(goOpt, request(0, cmdRead, 1, 0, 100), request(fua, cmdWrite, 2, 10, 3), "abc",
		request(noHole, cmdZero, 3, 0, 1<<16), request(0, cmdTrim, 4, 1, 5000), request(0, cmdDisc, 5, 0, 0)))
	f.Add(encode(optMagic, uint32(optExportName), uint32(0), request(0, cmdWrite, 1, 1<<63, 1<<31)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var srv nbd.Server
		export(t, &srv, "", newMemory(1<<16), nbd.ExportOptions{})
		a, b := net.Pipe()
		go io.Copy(io.Discard, a)
		go func() {
			a.Write(encode(uint32(3)))
			a.Write(in)
			a.Close()
		}()
		srv.ServeConn(t.Context(), b)
		srv.Close()
	})
}
