// Package blockstore holds the bytes of disks: content-addressed blocks in
// immutable packs, and the hash trees that make disks of them.
//
// A disk is cut into blocks of [BlockSize]. A block is known by the SHA-256 of
// its bytes, stored once however many disks contain it, and not at all if it
// is zero. The identities of a disk's blocks are the leaves of a tree, the
// manifest; its top is the [Root], which is all that a snapshot needs to
// remember. A Root never refers to another one: forgetting one takes nothing
// from the rest.
//
// A [Writer] makes a Root, from nothing or from a base and what changed. An
// [Image] reads one, fetching the blocks that are touched. [Store.Diff] compares
// two without looking at what they share.
//
// Disks in a [Domain] with a name are encrypted: what is stored is sealed with
// keys that only the domain's [Key] opens, and identities are keyed by it, so
// that nothing is shared between domains. [Store.Copy] takes a disk from one
// domain to another. Without the key there is a [KeyError].
//
// Bytes live in an [origami/internal/objstore.Bucket]; where each block lies is
// in the [Index], a table of the caller's database. The index can be rebuilt
// from the packs ([Store.RebuildIndex]). The formats are described in
// docs/design/pack.md and docs/design/manifest.md.
//
// The order of every write is: bytes durable in the bucket, then rows in the
// index, then the Root handed to the caller. A crash in between leaves garbage
// and never a row that names bytes which are not there.
package blockstore
