// Package qcow2 reads and writes the disk format of QEMU, versions 2 and 3, as
// docs/interop/qcow2 in QEMU's source describes it. Comments here cite that
// page by the titles of its sections.
//
// The reader takes what stands alone in one file: standard, zero and
// compressed clusters (zlib and zstd), clusters of 512 bytes to 2 MiB, and
// extended L2 entries. It reads the active state of an image with internal
// snapshots, and of one that was not closed properly, because the mapping of
// clusters does not depend on the reference counts. It refuses, with
// [disk.UnsupportedError], everything that names another file or needs a key:
// backing files, external data files and encryption; and images marked
// corrupt. Malformed images give a [disk.FormatError].
//
// Images come from strangers. Memory is bounded whatever the header says: the
// L1 table by the size of the file and by 32 MiB, as in QEMU; cached L2 tables
// and decompressed clusters by a few MiB each. No table can point back to
// another one in a way that loops, because there are exactly two levels.
package qcow2
