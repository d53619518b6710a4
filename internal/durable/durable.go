// Package durable is the file system as crash-safe code must see it: writes
// that become durable at Sync, names that become durable at SyncDir, and
// nothing else that can be relied on.
//
// Everything in this module that promises durability does its file I/O through
// [FS], so that the same code runs on the operating system ([OS]) and on the
// crashable double in durabletest.
//
// The order that every writer keeps is: write to a temporary name, Sync the
// file, Rename it, SyncDir its directory. An error of Sync is final for that
// file: the kernel may have dropped the dirty pages, so a second Sync that
// succeeds proves nothing.
package durable

import "io"

// File is an open regular file.
//
// Methods may be called concurrently; ranges that overlap are the caller's
// affair.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Sync makes everything written to the file so far durable. After an
	// error nothing about the file's contents can be relied on.
	Sync() error

	// Truncate sets the size; growth reads as zeros.
	Truncate(size int64) error

	// Size is the length in bytes.
	Size() (int64, error)

	// PunchHole makes the range read as zeros and, where the file system can,
	// gives its space back. The size stays.
	PunchHole(off, n int64) error
}

// FS is a directory tree. Names are slash-separated, relative, and already
// known to be clean: callers make them, users never do. Errors satisfy
// errors.Is with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC where these
// apply.
type FS interface {
	// Create makes a new file, and fails with fs.ErrExist if the name exists.
	Create(name string) (File, error)

	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)

	// Rename gives the file or directory a new name, replacing a file of that
	// name.
	Rename(from, to string) error

	// Link gives an existing file a second name, and fails with fs.ErrExist if
	// that name is taken. Link, then Remove of the first name, is a rename
	// that never replaces.
	Link(from, to string) error

	// Remove removes a file or an empty directory.
	Remove(name string) error

	// Mkdir makes a directory; its parent must exist.
	Mkdir(name string) error

	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)

	// SyncDir makes the names in dir durable. The root is ".".
	SyncDir(dir string) error
}
