// Package qmp is a client of the QEMU Machine Protocol, the JSON control
// channel of a QEMU process.
//
// A connection begins with a greeting of the server and the negotiation of
// capabilities, both done by [NewClient]. After that either side speaks when it
// likes: the client sends commands, each with an id; the server answers each
// with a result or an [Error] under the same id, and sends an [Event] whenever
// something happens to the machine. Every message is one line of JSON.
//
// The server is not trusted with this process's memory: a guest that took over
// its QEMU can make one connection fail, and nothing else.
package qmp
