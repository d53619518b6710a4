// Package sigv4 verifies and makes AWS Signature Version 4, in the header form
// and the presigned form.
//
// A signature covers the method, path, query, named headers and body of a
// request. It is a keyed hash over a string to sign, which holds the hash of
// the canonical form of all that, the time, and the credential scope
// DATE/REGION/SERVICE/aws4_request. [Verifier.Verify] recomputes it from the
// request as received; [Sign] and [Presign] are the client's side.
//
// Bodies signed in chunks (STREAMING-...) and the asymmetric Version 4A are
// refused; Version 2 is too.
package sigv4
