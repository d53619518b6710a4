// Package restjson is the codec of the services that speak REST with JSON: the
// EBS direct APIs and the Recycle Bin. A table of [Operation] says which method
// and path call what; the inputs and outputs are structs whose tags say where
// each member goes:
//
//	uri:"snapshotId"      a part of the path
//	query:"maxResults"    a parameter of the query; lists repeat it
//	header:"x-amz-…"      a header
//	json:"VolumeSize"     a member of the body
//	payload:"true"        the body as it is, a []byte
//	payload:"sha256"      the SHA-256 of such a body, a [32]byte
//
// Further tags bound what a request may say: required:"true", min and max of
// numbers or of the length of strings and lists. A member that is not given is
// nil or empty.
//
// What a request has that an operation does not know is refused, not ignored.
package restjson
